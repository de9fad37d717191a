"""One worker: takes a task of a backfill, does it in one transaction or in several, and then the next."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext.backfill import kinds, ledger
from tsext.backfill.kinds import Kind
from tsext.backfill.ledger import Backfill, Outcome, State, Task, TaskState, transaction
from tsext.backfill.throttle import Throttle, limits_of
from tsext.errors import Finding
from tsext.locks.watchdog import Watchdog
from tsext.settings import Settings
from tsext.sql.sending import LOCK_NOT_AVAILABLE, QUERY_CANCELED, said, send, sqlstate

log = logging.getLogger("alembic.tsext")

LOCK = int.from_bytes(b"tsbf")
"""First key of the advisory lock under which one worker at a time prepares or completes a backfill; the second is the
backfill's id."""

POLL, WAIT = 0.02, 0.2
"""Seconds until a worker looks again: first, where others have the tasks that are left; and where it may take long."""

TRIES = 5
"""How often a task may fail in a row by what may pass by itself, such as a deadlock."""

_PASSING = ("08", "40", "53", "55", "57")
"""Classes of SQLSTATE that may be gone when it is tried again."""

_ENDED = ("57P01", "57P02", "57P03")
"""SQLSTATE of a server that stops, or has not started yet."""

_OVER = "backfill-over"
"""Why the watchdog stops a task of a backfill that is cancelled."""


@dataclass
class Sitting:
    """What has come of a task that a worker has taken up."""

    task: Task | None = None
    attempt: int | None = None
    """Its row in the ledger."""
    outcome: Outcome | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing of the task is left."""
        return self.outcome is not None and self.outcome.position is None


@dataclass
class Worker:
    """A worker, with its connection and whoever watches what it does to others."""

    connection: Connection
    """In autocommit mode; transactions are made by :func:`tsext.backfill.ledger.transaction`."""
    backfill: Backfill
    name: str
    stop: threading.Event = field(default_factory=threading.Event)
    """Ends it after the transaction at hand."""
    watchdog: Watchdog | None = None
    """None where the server takes one client at a time."""
    done: int = 0
    """Tasks it has finished."""

    def __post_init__(self) -> None:
        self.kind: Kind = kinds.of(self.backfill)
        self._throttle = Throttle()
        self._said = self.backfill.reason
        self._obstacles: list[Finding] = []
        """Why the last try came to nothing, if that may pass."""
        self._backend = int(self.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

    def work(self) -> None:
        """All that is left."""
        if not self._begin():
            return
        wait = POLL
        while self._may_go_on():
            if self._sit():
                self.done += 1
                wait = POLL
            elif ledger.count(self.connection, self.backfill, TaskState.OPEN):  # others have them
                self.stop.wait(wait)
                wait = min(2 * wait, WAIT)
            elif self._is_over():
                return
            else:
                wait = POLL

    # --- the backfill

    def _begin(self) -> bool:
        """Prepare it, unless that is done; whether there is anything to work on."""
        if not self._may_go_on(State.DECLARED, State.RUNNING):
            return False
        with self._alone() as alone:
            if alone and kinds.can(self.kind, "prepare"):
                self.kind.prepare(self.connection, self.backfill)
            if alone:
                ledger.set_state(self.connection, self.backfill, State.RUNNING, only=[State.DECLARED])
        return alone

    def _may_go_on(self, *states: State) -> bool:
        """Whether it is at work, or in another of these states; waits while it is paused, or the server fares badly."""
        while not self.stop.is_set():
            now = ledger.current(self.connection, self.backfill)
            if now is None:
                return False
            self.backfill = now
            if now.state is not State.PAUSED:
                if now.state not in (states or (State.RUNNING,)):
                    return False
                if now.state is not State.RUNNING or not self._waits():
                    return True
            self.stop.wait(WAIT)
        return False

    def _waits(self) -> bool:
        """Whether the throttle has it wait; says why."""
        reasons = self._throttle.reasons(self.connection, self.backfill)
        why = reasons or self._obstacles
        self._say("; ".join(f"{each.rule}: {each.message}" for each in why) or None, [each.rule for each in why])
        return bool(reasons)

    def _say(self, reason: str | None, rules: list[str]) -> None:
        """Say in the ledger why it waits; what another worker has said stays."""
        if reason != self._said:
            ledger.say(self.connection, self.backfill, reason, rules)
            self._said = reason

    def _is_over(self) -> bool:
        """Whether nothing is to follow; says so in the ledger, if it is the first to see that."""
        with self._alone() as alone:
            now = ledger.current(self.connection, self.backfill)
            if not alone or now is None or now.state is not State.RUNNING:
                return True
            if ledger.count(self.connection, now, TaskState.OPEN):  # planned by the one who was alone before
                return False
            if failed := [each for each in ledger.tasks(self.connection, now) if each.state is TaskState.FAILED]:
                tasks, first = "task" if len(failed) == 1 else "tasks", (failed[0].error or "").partition("\n")[0]
                reason = f"{len(failed)} {tasks} failed, the first for: {first}"
                ledger.set_state(self.connection, now, State.FAILED, reason=reason, only=[State.RUNNING])
                if kinds.can(self.kind, "stopped"):
                    self.kind.stopped(self.connection, now)
                return True
            if kinds.can(self.kind, "complete") and not self.kind.complete(self.connection, now):
                return False
            if ledger.count(self.connection, now, TaskState.OPEN):
                return False
            ledger.set_state(self.connection, now, State.DONE, only=[State.RUNNING])
        return True

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """As the only worker; False, if it is to stop before it is its turn."""
        keys = {"lock": LOCK, "id": self.backfill.id}
        # polled, as a wait in the server would hold a snapshot that an index build of the other one waits for
        while not self.connection.exec_driver_sql("SELECT pg_try_advisory_lock(%(lock)s, %(id)s::int)", keys).scalar():
            if self.stop.wait(POLL):
                yield False
                return
        try:
            yield True
        finally:
            if not self.connection.invalidated:
                self.connection.exec_driver_sql("SELECT pg_advisory_unlock(%(lock)s, %(id)s::int)", keys)

    # --- one task

    def _sit(self) -> bool:
        """Take up a task, and stay with it until it is done; whether it is."""
        sitting, written = Sitting(), self._written()
        try:
            while not sitting.is_done and (sitting.task is None or self._may_go_on()):
                begun = time.monotonic()
                if not self._transact(sitting):
                    break
                self.stop.wait((time.monotonic() - begun) * limits_of(self.backfill).backfill_rest / 100)
        except Exception as error:
            self._failed(sitting, error)
            return False
        if sitting.attempt is not None:
            now = self._written()
            wal_bytes = None if now is None or written is None else now - written
            self._note(ledger.end_attempt, sitting.attempt, None, wal_bytes)
        return sitting.is_done

    def _written(self) -> int | None:
        """Bytes of WAL that the backend has written; None where the server counts that for all together only."""
        if (self.connection.dialect.server_version_info or (0,)) < (18,) or self.watchdog is None:
            return None
        send(self.connection, "SELECT pg_stat_force_next_flush()")  # what was counted is told when a transaction ends
        query = "SELECT wal_bytes::bigint FROM pg_stat_get_backend_wal(pg_backend_pid())"
        return int(self.connection.exec_driver_sql(query).scalar_one())

    def _transact(self, sitting: Sitting) -> bool:
        """Do a task, or some more of the one at hand; whether there was any."""
        if self.watchdog is not None:
            self.watchdog.settings = _watched(limits_of(self.backfill))
            self.watchdog.begin()
        with transaction(self.connection):
            again = None if sitting.task is None else sitting.task.id
            task = ledger.claim(self.connection, self.backfill, task=again)
            if task is None:
                return False
            sitting.task = task
            if sitting.attempt is None:
                pids = (os.getpid(), self._backend)
                sitting.attempt = self._note(ledger.begin_attempt, task, self.name, platform.node(), pids)
            sitting.outcome = self.kind.perform(self.connection, self.backfill, task)
            ledger.finish(self.connection, task, sitting.outcome, self.name)
        self._obstacles = []
        return True

    def _note(self, write: Any, *arguments: Any) -> Any:
        """Write to the ledger beside the transaction at hand, so that it outlives a crash; where that can be."""
        return write(self.connection, *arguments) if self.watchdog is None else self.watchdog.ask(write, *arguments)

    def _failed(self, sitting: Sitting, error: Exception) -> None:
        """Note it, and go on with others; what is no matter of the task is raised."""
        task = sitting.task
        if task is None or (isinstance(error, DBAPIError) and is_lost(error)):
            raise error
        reasons = self._stopped_for(error)
        why = reasons[0].message if reasons else said(error)
        if sitting.attempt is not None:
            self._note(ledger.end_attempt, sitting.attempt, why)
        if any(each.rule == _OVER for each in reasons):
            return
        if reasons or sqlstate(error) == LOCK_NOT_AVAILABLE:
            self._obstacles = reasons[:1] or [Finding("lock-not-available", why)]
            ledger.fail(self.connection, task, why, tries=None, worker=self.name)
            return
        log.warning("backfill %s: %s %s: %s", self.backfill.name, task.step, task.relation, why)
        if sqlstate(error) == QUERY_CANCELED and self._divided(task):
            return
        ledger.fail(self.connection, task, why, tries=TRIES if _passes(error) else 1, worker=self.name)

    def _stopped_for(self, error: Exception) -> list[Finding]:
        """Why the watchdog has stopped it; nothing if it has not."""
        stopped = sqlstate(error) == QUERY_CANCELED and self.watchdog is not None and self.watchdog.was_cancelled()
        return self.watchdog.reasons if stopped and self.watchdog is not None else []

    def _divided(self, task: Task) -> bool:
        """Whether something smaller takes the place of what took too long."""
        if kinds.can(self.kind, "split"):
            with transaction(self.connection):
                held = ledger.claim(self.connection, self.backfill, task=task.id)
                parts = self.kind.split(self.connection, self.backfill, held) if held is not None else []
                if held is not None and parts:
                    ledger.split(self.connection, self.backfill, held, parts)
            return bool(parts)
        if task.batch is not None and task.batch > 1:
            ledger.fail(self.connection, task, "it took too long", tries=None, worker=self.name)
            return True
        return False


def watching(connection: Connection, backfill: Backfill) -> Watchdog | None:
    """A watchdog for a worker, which stops it too when the backfill is cancelled; None where there is one client."""
    pid = int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

    def guard(beside: Connection, settings: Settings, pid: int) -> list[Finding]:
        now = ledger.current(beside, backfill)
        if now is not None and now.state in (State.RUNNING, State.PAUSED, State.DECLARED):
            return []
        return [Finding(_OVER, f"backfill {backfill.name} is {'forgotten' if now is None else now.state}")]

    # what it locks for long are chunks that nobody else knows yet
    return Watchdog(connection.engine, _watched(limits_of(backfill)), pid, guard, eager=False) if pid else None


def _watched(limits: Settings) -> Settings:
    return Settings(watchdog_longest_wait=limits.backfill_blocked, watchdog_wait_of_many=limits.backfill_blocked)


def is_lost(error: DBAPIError) -> bool:
    """Whether there is no connection any more, or there was none to be had."""
    return bool(error.connection_invalidated) or sqlstate(error) in _ENDED or not sqlstate(error)


def _passes(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and sqlstate(error).startswith(_PASSING)
