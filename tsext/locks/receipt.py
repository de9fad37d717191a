"""The receipt: what a revision did to others, stored with the record that it was applied."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from tsext import catalog
from tsext.catalog import Locked, LockedRelation, TableFiles
from tsext.locks.holds import Hold, Holds
from tsext.locks.watchdog import Watchdog
from tsext.model.locks import LockMode


@dataclass
class Relation:
    """A table, with its chunks or partitions, as one line of the receipt."""

    holds: dict[LockMode, Hold] = field(default_factory=dict)
    parts: int = 0
    rewritten: int = 0
    bytes_before: int = 0
    bytes_after: int = 0

    @property
    def details(self) -> dict[str, Any]:
        """For the event: the strongest lock, and what else there is to tell."""
        mode = max(self.holds, key=lambda each: each.strength)
        hold = self.holds[mode]
        told: dict[str, Any] = {
            "mode": str(mode), "held_ms": _ms(hold.total), "longest_ms": _ms(hold.longest),
            "bytes_before": self.bytes_before, "bytes_after": self.bytes_after,
        }  # fmt: skip
        weaker = {str(each): _ms(one.total) for each, one in self.holds.items() if one.total > hold.total}
        more = {"weaker_ms": weaker, "rewritten": self.rewritten, "chunks": self.parts}
        return told | {name: value for name, value in more.items() if value}


class Receipt:
    """Of one step, from before its first statement to before its last commit.

    Under the locks it asks only which they are, and which files what is locked has. Sizes are measured before, and then
    only of what has been rewritten, built or filled.
    """

    def __init__(
        self, watchdog: Watchdog, touched: Collection[str], lsn: str | None = None, *, harm_only: bool = False
    ) -> None:
        """
        :param touched: tables that the step is known to lock, as they stand in SQL.
        :param lsn: where the WAL is, if that is known.
        :param harm_only: whether to leave out the tables and the WAL, and what it costs to ask for them.
        """
        self.watchdog = watchdog
        self.harm_only = harm_only
        self.first_lsn: str | None = None if harm_only else lsn or watchdog.ask(catalog.wal_position)
        self.last_lsn: str | None = None
        self.before: dict[int, TableFiles] = {}
        """Tables, as they were before they were locked."""
        self._new: set[int] = set()
        """Tables that were not there before."""
        self._locked: dict[int, LockedRelation] = {}
        """What was locked, as it was at the end of the last transaction that had."""
        if touched:  # measured, unless that takes too long
            measured = watchdog.ask(catalog.table_files, (), touched)
            self.before = measured or self._unmeasured(names=touched)

    def _unmeasured(self, oids: Collection[int] = (), names: Collection[str] = ()) -> dict[int, TableFiles]:
        found: dict[int, TableFiles] | None = self.watchdog.ask(_unmeasured, oids, names)
        return found or {}

    def look(self, connection: Connection, holds: Holds, *, last: bool = False) -> Locked:
        """Before a transaction of the step is committed.

        :param connection: the one that the step runs on.
        """
        told = {name for name, _ in holds.told} if last else set()
        # most revisions make tables, and lock no others: then there is nothing further to ask
        found = catalog.locked(connection, {*holds.names, *told}, new=bool(self.before) or not last)
        known = self._new | self.before.keys()
        unknown = [oid for oid, each in found.relations.items() if each.is_table and oid not in known]
        if unknown:
            self.before |= self._unmeasured(oids=unknown)
            self._new.update(set(unknown) - self.before.keys())
        holds.see(found, {oid: each.root for oid, each in self.before.items()})
        self._locked |= found.relations
        self.last_lsn = found.lsn
        return found

    def details(self, connection: Connection, holds: Holds) -> dict[str, Any]:
        """For the event, under ``receipt``; in the last transaction of the step."""
        relations = {} if self.harm_only else self._relations(connection, holds)
        harm = self.watchdog.harm
        return {
            "receipt": {
                "relations": {name: each.details for name, each in sorted(relations.items()) if each.holds},
                "max_client_stall_ms": _ms(harm.longest),
                "blocked_client_seconds": round(harm.client_seconds, 3),
                "most_waiting": harm.most,
                "cancelled": self.watchdog.cancellations,
                "wal_bytes": _distance(self.first_lsn, self.last_lsn),
            }
        }

    def _relations(self, connection: Connection, holds: Holds) -> dict[str, Relation]:
        """By name, what was locked."""
        found = self.look(connection, holds, last=True)
        seen = {oid for oid, _ in holds.seen}
        if elsewhere := seen - self.before.keys() - self._new:  # locked on another connection
            self.before |= self._unmeasured(oids=elsewhere)
        held, told = self._held(holds, found.named), self._named_outside(found.named.values())
        tables = told | ((self._locked.keys() | seen) & self.before.keys())
        changed = told | self._changed(connection)
        now = self._now(connection, changed & found.relations.keys(), changed - found.relations.keys())
        relations: dict[str, Relation] = {}
        for oid in tables:
            before = self.before[oid]
            line = relations.setdefault(before.table, Relation(held.get(before.root, {})))
            self._add(line, oid, now.get(oid, None if oid in changed else before))
        return relations

    def _now(self, connection: Connection, ours: Collection[int], free: Collection[int]) -> dict[int, TableFiles]:
        """Tables as they are now.

        :param ours: which we have locked, so that nobody else can keep us from measuring them.
        :param free: which were locked in earlier transactions; whoever has locked them now is not waited for.
        """
        now = catalog.table_files(connection, ours) if ours else {}
        measured = self.watchdog.ask(catalog.table_files, free) if free else {}
        return now | ({oid: self.before[oid] for oid in free} if measured is None else measured)

    def _held(self, holds: Holds, named: Mapping[str, int]) -> dict[int, dict[LockMode, Hold]]:
        """By the oid of the table that all belongs to."""
        held: dict[int, dict[LockMode, Hold]] = {}
        for (oid, mode), hold in holds.seen.items():
            held.setdefault(oid, {}).setdefault(mode, Hold()).take(hold)
        for (name, mode), hold in holds.told.items():
            before = self.before.get(named.get(name, 0))
            if before is not None:
                held.setdefault(before.root, {}).setdefault(mode, Hold()).take(hold)
        return held

    def _named_outside(self, oids: Iterable[int]) -> set[int]:
        """Tables that statements outside of transactions have named, with their chunks and partitions."""
        named = set(oids)
        return {oid for oid, each in self.before.items() if oid in named or each.root in named}

    def _changed(self, connection: Connection) -> set[int]:
        """Tables that may have another size now, among those that were locked."""
        owners = {file: oid for oid, each in self.before.items() for file in each.files}
        changed, indexes = set(), []
        for oid, each in self._locked.items():
            owner = owners.get(oid, oid if oid in self.before else None)
            if owner is None and each.kind == "i":
                indexes.append(oid)
            elif owner is not None and (each.writes_rows or each.node != self.before[owner].files.get(oid, each.node)):
                changed.add(owner)
        if indexes:
            changed |= self.before.keys() & set(catalog.tables_of_indexes(connection, indexes))
        return changed

    def _add(self, line: Relation, oid: int, now: TableFiles | None) -> None:
        before = self.before[oid]
        line.bytes_before += before.bytes
        line.bytes_after += now.bytes if now is not None else 0
        line.rewritten += now is not None and now.node != before.node
        line.parts += oid != before.root


def _unmeasured(connection: Connection, oids: Collection[int], names: Collection[str]) -> dict[int, TableFiles]:
    return catalog.table_files(connection, oids, names, measured=False)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _distance(first: str | None, last: str | None) -> int | None:
    """Bytes between two places in the WAL."""
    if first is None or last is None:
        return None
    return _position(last) - _position(first)


def _position(lsn: str) -> int:
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)
