"""The ledger: what chunk-wise work is to be done, who is at it, and how far it is; kept in the database it is about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from tsext.errors import BackfillError
from tsext.history import bookkeeping
from tsext.sql.sending import send
from tsext.sql.stored import stored

WRITTEN = max(bookkeeping.LEDGER)
"""The version of the bookkeeping as which the ledger is written now."""


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


@dataclass(frozen=True)
class NewTask:
    """A task to be added: part of a relation."""

    step: str
    """Of a kind that has several, such as ``copy`` and ``index``."""
    relation: str
    """As it stands in SQL."""
    lower: str | None = None
    """Where it begins, in words of the kind; None: at the very beginning."""
    upper: str | None = None
    """Where it ends."""
    expected: int | None = None
    """How many rows it is about, as far as that is known."""


@dataclass(frozen=True)
class Task:
    """A task of which one worker at a time is in charge."""

    id: int
    backfill: int
    step: str
    relation: str
    lower: str | None
    upper: str | None
    position: str | None
    """How far it is, if it is done in several transactions."""
    expected: int | None
    batch: int | None
    """How many rows the next transaction is to take; None: nothing is known yet."""
    tries: int
    """How often it has failed since anything of it was done."""
    rows: int
    """How many rows of it are done."""
    seen: int
    """How many of the expected were gone through."""


@dataclass(frozen=True)
class Outcome:
    """What has been done of a task, in one transaction."""

    rows: int
    """Written."""
    bytes: int = 0
    source_hash: str | None = None
    target_hash: str | None = None
    seen: int | None = None
    """How many of the expected rows were gone through; None: as many as were written."""
    position: str | None = None
    """How far it is; None: it is done."""
    batch: int | None = None
    """How many rows the next transaction is to take."""


@dataclass(frozen=True)
class Progress:
    """How far a backfill is."""

    tasks: int
    done: int
    failed: int
    rows: int
    bytes: int
    wal_bytes: int | None
    """Written by the backends of its workers; None: not measured, as before PostgreSQL 18."""
    seen: int
    """Rows that were gone through."""
    expected: int | None
    """How many there are to go through; None if that is not known."""
    workers: int
    """At work now, on any machine."""
    rows_per_second: float | None
    """Of all workers at work; None until anything is done."""

    @property
    def fraction(self) -> float:
        """0 to 1: by rows, where they are known, else by tasks."""
        if self.expected:
            return min(1.0, self.seen / self.expected)
        return self.done / self.tasks if self.tasks else 0.0

    @property
    def seconds_left(self) -> float | None:
        """As long as it goes on like this; None if that is not known."""
        if not self.expected or not self.rows_per_second:
            return None
        return max(0, self.expected - self.seen) / self.rows_per_second


query = partial(stored, __file__)
"""What ``queries/<name>.sql`` says."""


@contextmanager
def transaction(connection: Connection, level: str = "READ COMMITTED") -> Iterator[None]:
    """A transaction, committed at the end; on a connection in autocommit mode, or outside of a transaction.

    :param level: of isolation. READ COMMITTED: whoever claims a task sees what the last worker on it has done.
    """
    driver: Any = connection.connection.dbapi_connection
    try:
        send(connection, f"{'BEGIN' if driver.autocommit else 'SET TRANSACTION'} ISOLATION LEVEL {level}")
        yield
        if driver.autocommit:
            send(connection, "COMMIT")
        else:
            connection.commit()
    except BaseException:
        with suppress(SQLAlchemyError):  # a lost connection has ended it
            if driver.autocommit:
                send(connection, "ROLLBACK")
            else:
                connection.rollback()
        raise


# --- backfills


def make_room(connection: Connection) -> None:
    """Make the ledger, or bring it up to what is written now, in the transaction that is open, if there is one."""
    if not bookkeeping.has_ledger(connection) or bookkeeping.version(connection) < WRITTEN:
        bookkeeping.make(connection, ledger=True)


def declare(
    connection: Connection,
    name: str,
    kind: str,
    source: str,
    *,
    target: str | None = None,
    spec: dict[str, Any],
    revision: str | None = None,
) -> Backfill:
    """Enter a backfill, unless it is there; makes the ledger where there is none.

    :raises BackfillError: if there is another one of this name.
    """
    make_room(connection)
    given = {"name": name, "kind": kind, "source": source, "target": target, "spec": json.dumps(spec)}
    connection.exec_driver_sql(
        "INSERT INTO tsext.backfill (name, kind, source, target, spec, revision) "
        "VALUES (%(name)s, %(kind)s, %(source)s, %(target)s, %(spec)s, %(revision)s) "
        "ON CONFLICT (name) DO UPDATE SET revision = excluded.revision "
        "WHERE backfill.revision IS NULL AND excluded.revision IS NOT NULL",
        {**given, "revision": revision},
    )
    found = find(connection, name)
    here = (found.kind, found.source, found.target, found.spec)
    if here != (kind, source, target, json.loads(given["spec"] or "")):
        raise BackfillError(
            f"there is another backfill {name}: {found.kind} of {found.source}, {found.state} since "
            f"{(found.ended_at or found.begun_at or found.declared_at):%Y-%m-%d %H:%M}",
            hint=f"give this one another name; or, if the other is not wanted any more: tsext backfill finish {name}",
        )
    return found


def find(connection: Connection, name: str) -> Backfill:
    """A backfill.

    :raises BackfillError: if there is none of this name.
    """
    found = backfills(connection)
    for each in found:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in found)
    raise BackfillError(
        f"there is no backfill {name}",
        hint=f"there are: {known}" if known else "a revision declares one: op.backfill, op.repartition_hypertable",
    )


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

_KNOWN = {each.name for each in fields(Backfill)}


def _backfill(row: Mapping[Any, Any]) -> Backfill:
    return Backfill(**{**{name: row[name] for name in row if name in _KNOWN}, "state": State(row["state"])})


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
    query = "UPDATE tsext.backfill SET limits = jsonb_strip_nulls(limits || %(limits)s::jsonb) WHERE id = %(id)s"
    connection.exec_driver_sql(query, {"limits": json.dumps(limits), "id": backfill.id})


def forget(connection: Connection, backfill: Backfill) -> None:
    """Delete it with its tasks: it can be declared anew."""
    connection.exec_driver_sql("DELETE FROM tsext.backfill WHERE id = %(id)s", {"id": backfill.id})


# --- tasks


def plan(connection: Connection, backfill: Backfill, tasks: Iterable[NewTask]) -> int:
    """Add the tasks that are not there; gives how many that are."""
    given = json.dumps([asdict(each) for each in tasks])
    return connection.exec_driver_sql(query("plan"), {"backfill": backfill.id, "tasks": given}).rowcount


def claim(connection: Connection, backfill: Backfill, step: str | None = None, task: int | None = None) -> Task | None:
    """Take charge of a task that nobody is in charge of, until the caller's transaction ends.

    :param task: this one, and no other.
    :returns: None if there is none at the moment, or the backfill is not running.
    """
    given = {"backfill": backfill.id, "step": step, "task": task}
    row = connection.exec_driver_sql(query("claim"), given).mappings().first()
    return None if row is None else Task(**row)


def finish(connection: Connection, task: Task, outcome: Outcome, worker: str | None = None) -> None:
    """Note what was done, in the transaction in which it was."""
    given = {**asdict(outcome), "seen": outcome.rows if outcome.seen is None else outcome.seen}
    connection.exec_driver_sql(query("finish"), {**given, "task": task.id, "worker": worker})


def fail(connection: Connection, task: Task, error: str, *, tries: int | None, worker: str | None = None) -> bool:
    """Note that it has failed, after its transaction; whether that is for good.

    :param tries: how often it may fail, 1: it is not tried again; None: it is tried again however often.
    """
    given = {"task": task.id, "error": error, "tries": tries, "counts": int(tries is not None), "worker": worker}
    return connection.exec_driver_sql(query("fail"), given).scalar() == "failed"


def split(connection: Connection, backfill: Backfill, task: Task, parts: Iterable[NewTask]) -> None:
    """Let others take the place of a task that is too large; in the transaction that has claimed it."""
    connection.exec_driver_sql("UPDATE tsext.backfill_task SET state = 'split' WHERE id = %(id)s", {"id": task.id})
    plan(connection, backfill, parts)


def retry(connection: Connection, backfill: Backfill) -> int:
    """Open what has failed again; gives how many tasks that are."""
    query = (
        "UPDATE tsext.backfill_task SET state = 'open', tries = 0, not_before = NULL "
        "WHERE backfill = %(id)s AND (state = 'failed' OR state = 'open' AND not_before IS NOT NULL)"
    )
    return connection.exec_driver_sql(query, {"id": backfill.id}).rowcount


def tasks(connection: Connection, backfill: Backfill) -> list[dict[str, Any]]:
    """All that is known of each task, by column, in their order."""
    query = "SELECT * FROM tsext.backfill_task WHERE backfill = %(id)s AND state <> 'split' ORDER BY id"
    return [dict(row) for row in connection.exec_driver_sql(query, {"id": backfill.id}).mappings()]


def count(connection: Connection, backfill: Backfill, state: str) -> int:
    """How many tasks are in a state: ``open``, ``done``, ``failed``."""
    query = "SELECT count(*) FROM tsext.backfill_task WHERE backfill = %(id)s AND state = %(state)s"
    return int(connection.exec_driver_sql(query, {"id": backfill.id, "state": state}).scalar_one())


def progress(connection: Connection, backfill: Backfill) -> Progress:
    """How far it is, and how fast."""
    row = dict(connection.exec_driver_sql(query("progress"), {"backfill": backfill.id}).mappings().one())
    rate = row.pop("rate")
    expected = None if row.pop("unknown") else row["expected"]
    per_second = None if rate is None else float(rate) * max(1, row["workers"])
    return Progress(**{**row, "expected": expected, "rows_per_second": per_second})


# --- attempts


def at_work(connection: Connection, backfill: Backfill) -> list[dict[str, Any]]:
    """Who is at work on which task now, on any machine."""
    return [dict(row) for row in connection.exec_driver_sql(query("at_work"), {"backfill": backfill.id}).mappings()]


def begin_attempt(connection: Connection, task: Task, worker: str, host: str, pids: tuple[int, int]) -> int:
    """Note that a worker takes up a task; on a connection of its own, so that it outlives a crash.

    Not one of the server, after which nobody is at work: so nobody waits for the disk.

    :param pids: the worker's process, and its backend.
    """
    query = (
        "INSERT INTO tsext.backfill_attempt (task, worker, host, pid, backend) "
        "VALUES (%(task)s, %(worker)s, %(host)s, %(pid)s, %(backend)s) "
        "RETURNING id, set_config('synchronous_commit', 'off', true)"
    )
    given = {"task": task.id, "worker": worker, "host": host, "pid": pids[0], "backend": pids[1]}
    return int(connection.exec_driver_sql(query, given).scalar_one())


def end_attempt(connection: Connection, attempt: int, error: str | None = None, wal_bytes: int | None = None) -> None:
    """Note how it ended, and how much WAL was written for it, if that is known."""
    given = {"id": attempt, "error": error, "wal_bytes": wal_bytes}
    connection.exec_driver_sql(query("end_attempt"), given)
