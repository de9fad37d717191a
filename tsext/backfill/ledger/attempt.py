"""Who is at work, and who was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from tsext.backfill.ledger.backfill import Backfill
from tsext.backfill.ledger.rows import made
from tsext.backfill.ledger.task import Task
from tsext.sql.stored import stored

query = partial(stored, __file__)


@dataclass(frozen=True)
class Attempt:
    """What a worker is at now."""

    worker: str
    host: str
    pid: int
    """The worker's process."""
    backend: int
    """That of the server."""
    step: str
    relation: str
    lower: str | None
    upper: str | None
    position: str | None
    """How far the task is, if it is done in several transactions."""
    begun_at: datetime


def at_work(connection: Connection, backfill: Backfill) -> list[Attempt]:
    """Who is at work on which task now, on any machine."""
    rows = connection.exec_driver_sql(query("at_work"), {"backfill": backfill.id}).mappings()
    return [made(Attempt, row) for row in rows]


def begin_attempt(connection: Connection, task: Task, worker: str, host: str, pids: tuple[int, int]) -> int:
    """Note that a worker takes up a task; on a connection of its own, so that it outlives a crash.

    Not one of the server, after which nobody is at work: so nobody waits for the disk.

    :param pids: the worker's process, and its backend.
    """
    given = {"task": task.id, "worker": worker, "host": host, "pid": pids[0], "backend": pids[1]}
    return int(connection.exec_driver_sql(query("begin_attempt"), given).scalar_one())


def end_attempt(connection: Connection, attempt: int, error: str | None = None, wal_bytes: int | None = None) -> None:
    """Note how it ended, and how much WAL was written for it, if that is known."""
    given = {"id": attempt, "error": error, "wal_bytes": wal_bytes}
    connection.exec_driver_sql(query("end_attempt"), given)
