"""Reading one statement: what it locks, and what there is to say of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from tsext.catalog import RelationFacts
from tsext.model.locks import LockMode
from tsext.safety.facts import Facts, estimate
from tsext.safety.hazards import Hazard, Lock, Statement, Work
from tsext.safety.names import Name
from tsext.safety.rules import NOT_IN_TRANSACTION, Rule
from tsext.safety.script import Script

Reader = Callable[["Reading", Any], None]

READERS: dict[str, Reader] = {}
"""What reads a statement, by the kind of its parse tree."""


def reads(*kinds: str) -> Callable[[Reader], Reader]:
    """Register what reads some kinds of statements."""

    def register(reader: Reader) -> Reader:
        READERS.update(dict.fromkeys(kinds, reader))
        return reader

    return register


class Reading:
    """One statement, and what has been found out about it."""

    def __init__(self, statement: Statement, facts: Facts, script: Script, *, in_transaction: bool) -> None:
        self.statement = statement
        self.facts = facts
        self.script = script
        self.in_transaction = in_transaction
        self.locks: dict[Name, Lock] = {}
        self.hazards: list[Hazard] = []

    def lock(self, name: Name, mode: LockMode, work: Work | None = None) -> None:
        """The statement locks a relation; of several locks the strongest counts."""
        found = self.facts.find(name)
        earlier = self.locks.get(name)
        if earlier is not None and earlier.mode.strength > mode.strength:
            mode = earlier.mode
        if earlier is not None and work is None:
            work = earlier.work
        parts = found.parts if found is not None else 0
        self.locks[name] = Lock(str(name), mode, work, parts, estimate(work, found))

    def is_new(self, name: Name) -> bool:
        """Whether the relation was created by an earlier statement, or is temporary."""
        return self.script.is_new(name)

    def find(self, name: Name) -> RelationFacts | None:
        """What the catalog knows of a relation, unless earlier statements have replaced it."""
        return None if self.script.is_new(name) or self.script.is_gone(name) else self.facts.find(name)

    def is_missing(self, name: Name) -> bool:
        """Whether there is surely no such relation."""
        return self.facts.database is not None and not self.is_new(name) and self.find(name) is None

    def report(self, rule: Rule, *relations: Name, **words: object) -> None:
        """Say something of the statement; the rule's words are filled in."""
        locks = [self.locks[each] for each in relations if each in self.locks]
        strongest = max(locks, key=lambda each: each.mode.strength, default=None)
        filled = defaultdict(lambda: "…", {name: str(word) for name, word in words.items()})
        if relations:
            filled.setdefault("table", str(relations[0]))
        self.hazards.append(
            Hazard(
                rule.id,
                rule.message.format_map(filled),
                rule.hint.format_map(filled),
                rule.severity,
                axis=rule.axis,
                statement=self.statement,
                mode=strongest.mode if strongest else None,
                work=strongest.work if strongest else None,
                relations=tuple(str(each) for each in relations),
                estimate=strongest.estimate if strongest else None,
            )
        )

    def refuse_in_transaction(self, what: str) -> None:
        """The statement commits by itself."""
        if self.in_transaction:
            self.report(NOT_IN_TRANSACTION, what=what)


def columns_of(names: Any) -> str:
    """Column names as they stand in a call."""
    return ", ".join(f'"{each}"' for each in names)
