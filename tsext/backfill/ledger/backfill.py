"""What is to be done: backfills, from their declaration to their end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import Connection

from tsext.backfill.ledger.rows import made
from tsext.errors import BackfillError
from tsext.history import bookkeeping
from tsext.sql.stored import stored

WRITTEN = max(bookkeeping.LEDGER)
"""The version of the bookkeeping as which the ledger is written now."""

query = partial(stored, __file__)


class State(StrEnum):
    """Where a backfill stands."""

    DECLARED = "declared"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FAILED = "failed"
    """A task has failed for good, or too often; the others are done."""
    DONE = "done"
    """All tasks are done; what the revision is to do in the end is still to come."""
    APPLIED = "applied"
    """Its revision is applied."""
    FINISHED = "finished"
    """And nothing is kept for the way back any more."""


@dataclass(frozen=True)
class Declaration:
    """A backfill as whoever wants it states it."""

    kind: str
    """Which module does it: see :mod:`tsext.backfill.kinds`."""
    source: str
    """As it stands in SQL."""
    spec: dict[str, Any]
    target: str | None = None
    given: str | None = None
    """Its name, if it is given one."""

    @property
    def name(self) -> str:
        """The same on every machine that reads the same revision."""
        if self.given is not None:
            return self.given
        stated = json.dumps([self.kind, self.source, self.target, self.spec], sort_keys=True)
        return f"{self.kind}_{self.source.rpartition('.')[2]}_{hashlib.sha256(stated.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Backfill:
    """Declared chunk-wise work."""

    id: int
    name: str
    kind: str
    """Which module does it: see :mod:`tsext.backfill.kinds`."""
    source: str
    """The relation it is about, as it stands in SQL."""
    target: str | None
    spec: dict[str, Any]
    """All else that a worker needs to know."""
    state: State
    reason: str | None
    """Why it waits, or why it is in this state."""
    limits: dict[str, Any]
    """What :mod:`tsext.backfill.throttle` heeds, as text by name, where it is not the default; may change any time."""
    revision: str | None
    """The one that declares it."""
    declared_at: datetime
    begun_at: datetime | None
    ended_at: datetime | None
    waits_since: datetime | None = None
    """Since when there has been a reason to wait, if it is at work."""
    waited: float = 0.0
    """Seconds that it has waited before."""
    waits_for: list[str] | None = None
    """The reasons, each in a word: ``vacuum``, ``query``, ``paused`` …"""
    waits_for_since: datetime | None = None
    """Since when there have been these."""
    waited_for: dict[str, float] = field(default_factory=dict)
    """Seconds by reason, those of :attr:`waits_for` until then."""


def make_room(connection: Connection) -> None:
    """Make the ledger, or bring it up to what is written now, in the transaction that is open, if there is one."""
    if not bookkeeping.has_ledger(connection) or bookkeeping.version(connection) < WRITTEN:
        bookkeeping.make(connection, ledger=True)


def declare(connection: Connection, wanted: Declaration, revision: str | None = None) -> Backfill:
    """Enter a backfill, unless it is there; makes the ledger where there is none.

    :param revision: the one that declares it.
    :raises BackfillError: if there is another one of this name.
    """
    make_room(connection)
    spec = json.dumps(wanted.spec)
    row = {
        "name": wanted.name, "kind": wanted.kind, "source": wanted.source, "target": wanted.target,
        "spec": spec, "revision": revision,
    }  # fmt: skip
    connection.exec_driver_sql(query("declare"), row)
    entered = find(connection, wanted.name)
    if (entered.kind, entered.source, entered.target, entered.spec) != (
        wanted.kind, wanted.source, wanted.target, json.loads(spec)
    ):  # fmt: skip
        raise BackfillError(
            f"there is another backfill {entered.name}: {entered.kind} of {entered.source}, {entered.state} since "
            f"{(entered.ended_at or entered.begun_at or entered.declared_at):%Y-%m-%d %H:%M}",
            hint="give this one another name; or, if the other is not wanted any more: "
            f"tsext backfill finish {entered.name}",
        )
    return entered


def find(connection: Connection, name: str) -> Backfill:
    """A backfill.

    :raises BackfillError: if there is none of this name.
    """
    found = named(connection, name)
    if found is None:
        known = ", ".join(each.name for each in backfills(connection))
        raise BackfillError(
            f"there is no backfill {name}",
            hint=f"there are: {known}" if known else "a revision declares one: op.backfill, op.repartition_hypertable",
        )
    return found


def named(connection: Connection, name: str) -> Backfill | None:
    """The same; None if there is none of this name."""
    return next((each for each in backfills(connection) if each.name == name), None)


def backfills(connection: Connection) -> list[Backfill]:
    """All of them, the first declared first; none if there is no ledger."""
    if not bookkeeping.has_ledger(connection):
        return []
    return [_backfill(row) for row in connection.exec_driver_sql(f"{_SELECT} ORDER BY id").mappings()]


def current(connection: Connection, backfill: Backfill) -> Backfill | None:
    """As it is now; None if it has been forgotten."""
    row = connection.exec_driver_sql(f"{_SELECT} WHERE id = %(id)s", {"id": backfill.id}).mappings().first()
    return None if row is None else _backfill(row)


_SELECT = "SELECT * FROM tsext.backfill"


def _backfill(row: Mapping[Any, Any]) -> Backfill:
    return made(Backfill, {**row, "state": State(row["state"])})


def set_state(
    connection: Connection, backfill: Backfill, state: State, *, reason: str | None = None, only: Iterable[State] = ()
) -> bool:
    """Say where it stands now; whether that was so.

    :param only: from which states; none: from any.
    """
    only = list(only)
    given = {"state": str(state), "reason": reason, "id": backfill.id, "only": list(map(str, only)), "any": not only}
    return bool(connection.exec_driver_sql(query("set_state"), given).rowcount)


def limit(connection: Connection, backfill: Backfill, limits: dict[str, str | None]) -> None:
    """Change limits, also while it runs; None: the default holds again."""
    statement = "UPDATE tsext.backfill SET limits = jsonb_strip_nulls(limits || %(limits)s::jsonb) WHERE id = %(id)s"
    connection.exec_driver_sql(statement, {"limits": json.dumps(limits), "id": backfill.id})


def forget(connection: Connection, backfill: Backfill) -> None:
    """Delete it with its tasks: it can be declared anew."""
    connection.exec_driver_sql("DELETE FROM tsext.backfill WHERE id = %(id)s", {"id": backfill.id})
