"""For how long a step has locked which relations: from the statement that took a lock to the end of its transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tsext.catalog import Locked
from tsext.locks.statements import Kind, Statement
from tsext.model.locks import LockMode

log = logging.getLogger("alembic.tsext")

Tell = Callable[[str], Mapping[str, LockMode]]
"""What a statement locks, by relation, quoted where SQL needs it; nothing where its text does not tell."""

BRIEF = 0.1
"""Seconds of a transaction that are too few to tell its statements apart."""

MOST = 100
"""Statements of one transaction that are told apart. What only later ones lock counts from its beginning."""

HEAD = 100
"""Characters of an INSERT, UPDATE or DELETE by which it is known again; many of them differ in their values only."""


@dataclass
class Hold:
    """How long a relation was locked in one mode; seconds."""

    total: float = 0.0
    longest: float = 0.0
    """In one go."""

    def add(self, seconds: float) -> None:
        """It was held once more, for so long."""
        self.total += seconds
        self.longest = max(self.longest, seconds)

    def take(self, other: Hold) -> None:
        """Add what another has."""
        self.total += other.total
        self.longest = max(self.longest, other.longest)


@dataclass
class Holds:
    """For how long one step has held its locks.

    Before a commit, the server is asked which locks the transaction holds. Where that is not possible, since each
    statement commits by itself, they are told from the texts of the statements.
    """

    tell: Tell
    """Told the text of a statement, tells what it locks."""
    seen: dict[tuple[int, LockMode], Hold] = field(default_factory=dict)
    """By oid, as the server told at the end of transactions."""
    told: dict[tuple[str, LockMode], Hold] = field(default_factory=dict)
    """By name, as texts told of those at the end of which nobody asked: outside of transactions, there is none."""
    _sent: list[tuple[float, Statement]] = field(default_factory=list)
    """In the transaction that is open: when, and what."""
    _known: dict[str, Mapping[str, LockMode]] = field(default_factory=dict)

    @property
    def are_open(self) -> bool:
        """Whether a transaction may hold any."""
        return bool(self._sent)

    def sending(self, statement: Statement, *, begins: bool) -> None:
        """A statement is about to be sent.

        :param begins: whether no transaction is open.
        """
        if begins and self._sent:
            self.end()
        if len(self._sent) < MOST and statement.kind not in (Kind.SESSION, Kind.READ):
            self._sent.append((time.monotonic(), statement))

    def again(self) -> None:
        """It was refused, and is sent again: what it was refused it has not held."""
        if self._sent:
            _, statement = self._sent.pop()
            self._sent.append((time.monotonic(), statement))

    def forget(self) -> None:
        """All was rolled back, and is done again."""
        self._sent.clear()

    def end(self) -> None:
        """The transaction has ended, and nobody asked the server what it held."""
        now = time.monotonic()
        first: dict[tuple[str, LockMode], float] = {}
        for name, mode, since in self._by_text():
            first.setdefault((name, mode), since)
        for key, since in first.items():
            self.told.setdefault(key, Hold()).add(now - since)
        self._sent.clear()

    @property
    def names(self) -> list[str]:
        """What the statements of the open transaction name, if it matters which of them has locked it."""
        since = self._sent[0][0] if self._sent else 0.0
        if len(self._sent) < 2 or time.monotonic() - since < BRIEF:
            return []
        return sorted({name for name, _, _ in self._by_text()})

    def see(self, found: Locked, roots: Mapping[int, int]) -> None:
        """The transaction is about to be committed, and this is what it has locked.

        :param roots: by oid, what tables belong to: chunks and partitions to others, the rest to themselves.
        """
        now = time.monotonic()
        began = self._sent[0][0] if self._sent else now
        named = found.named
        told = [(named[name], mode, since) for name, mode, since in self._by_text() if name in named] if named else []
        held: dict[tuple[int, LockMode], float] = {}
        for oid in found.relations.keys() & roots.keys():
            for mode in found.relations[oid].modes:
                since = _since(told, (oid, roots[oid]), mode, began)
                held[roots[oid], mode] = min(since, held.get((roots[oid], mode), since))
        for key, since in held.items():
            self.seen.setdefault(key, Hold()).add(now - since)
        self._sent.clear()

    def note(self, held: Mapping[int, LockMode], seconds: float) -> None:
        """What the step has locked on another connection.

        :param held: by oid of the table.
        :param seconds: for how long.
        """
        for key in held.items():
            self.seen.setdefault(key, Hold()).add(seconds)

    def _by_text(self) -> Iterator[tuple[str, LockMode, float]]:
        """What the statements of the open transaction lock, by name, and since when."""
        for since, statement in self._sent:
            for name, mode in self._known_of(statement).items():
                yield name, mode, since

    def _known_of(self, statement: Statement) -> Mapping[str, LockMode]:
        key = statement.text[:HEAD] if statement.kind is Kind.ROWS else statement.text
        if key not in self._known:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key] = self._read(statement)
        return self._known[key]

    def _read(self, statement: Statement) -> Mapping[str, LockMode]:
        try:
            return self.tell(statement.text)
        except Exception as error:  # the statement has done its work, which the receipt must not stand in the way of
            log.warning("the receipt does not tell of %s: %s", statement.label, error)
            return {}


def _since(told: Iterable[tuple[int, LockMode, float]], oids: tuple[int, int], mode: LockMode, began: float) -> float:
    """When a lock was taken: with the first statement that takes one as strong, else with the first of all."""
    fitting = (since for oid, taken, since in told if oid in oids and taken.strength >= mode.strength)
    return min(fitting, default=began)
