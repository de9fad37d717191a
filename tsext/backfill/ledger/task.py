"""The parts that backfills are done in: planned, claimed by one worker at a time, finished or failed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import Connection

from tsext.backfill.ledger.backfill import Backfill
from tsext.backfill.ledger.rows import made
from tsext.sql.stored import stored

query = partial(stored, __file__)


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


class TaskState(StrEnum):
    """Where a task stands."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    SPLIT = "split"
    """Others have taken its place."""


@dataclass(frozen=True)
class Task:
    """A task, as the ledger has it."""

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
    state: TaskState
    tries: int
    """How often it has failed since anything of it was done."""
    not_before: datetime | None
    """When it is tried again."""
    seen: int
    """How many of the expected were gone through."""
    rows: int
    """How many rows of it are done."""
    bytes: int
    wal_bytes: int | None
    """Written by the backends of its workers; None: not measured."""
    seconds: float
    source_hash: str | None
    target_hash: str | None
    worker: str | None
    """Who was at it last."""
    begun_at: datetime | None
    touched_at: datetime | None
    ended_at: datetime | None
    error: str | None
    """What it has failed of, if it was not done since."""


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
    return None if row is None else _task(row)


def _task(row: Mapping[Any, Any]) -> Task:
    return made(Task, {**row, "state": TaskState(row["state"])})


def finish(connection: Connection, task: Task, outcome: Outcome, worker: str | None = None) -> None:
    """Note what was done, in the transaction in which it was."""
    given = {**asdict(outcome), "seen": outcome.rows if outcome.seen is None else outcome.seen}
    connection.exec_driver_sql(query("finish"), {**given, "task": task.id, "worker": worker})


def fail(connection: Connection, task: Task, error: str, *, tries: int | None, worker: str | None = None) -> bool:
    """Note that it has failed, after its transaction; whether that is for good.

    :param tries: how often it may fail, 1: it is not tried again; None: it is tried again however often.
    """
    given = {"task": task.id, "error": error, "tries": tries, "counts": int(tries is not None), "worker": worker}
    return connection.exec_driver_sql(query("fail"), given).scalar() == TaskState.FAILED


def split(connection: Connection, backfill: Backfill, task: Task, parts: Iterable[NewTask]) -> None:
    """Let others take the place of a task that is too large; in the transaction that has claimed it."""
    connection.exec_driver_sql("UPDATE tsext.backfill_task SET state = 'split' WHERE id = %(id)s", {"id": task.id})
    plan(connection, backfill, parts)


def retry(connection: Connection, backfill: Backfill) -> int:
    """Open what has failed again; gives how many tasks that are."""
    return connection.exec_driver_sql(query("retry"), {"id": backfill.id}).rowcount


def tasks(connection: Connection, backfill: Backfill) -> list[Task]:
    """All of them, in their order, but for those that others have taken the place of."""
    statement = "SELECT * FROM tsext.backfill_task WHERE backfill = %(id)s AND state <> 'split' ORDER BY id"
    return [_task(row) for row in connection.exec_driver_sql(statement, {"id": backfill.id}).mappings()]


def count(connection: Connection, backfill: Backfill, state: TaskState) -> int:
    """How many tasks are in a state."""
    statement = "SELECT count(*) FROM tsext.backfill_task WHERE backfill = %(id)s AND state = %(state)s"
    return int(connection.exec_driver_sql(statement, {"id": backfill.id, "state": str(state)}).scalar_one())


def progress(connection: Connection, backfill: Backfill) -> Progress:
    """How far it is, and how fast."""
    row = dict(connection.exec_driver_sql(query("progress"), {"backfill": backfill.id}).mappings().one())
    rate = row.pop("rate")
    expected = None if row.pop("unknown") else row["expected"]
    per_second = None if rate is None else float(rate) * max(1, row["workers"])
    return Progress(**{**row, "expected": expected, "rows_per_second": per_second})
