"""Workers: each takes one task of a backfill after the other, until nothing is left; any number, on any machine."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager

from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tsext.backfill import kinds, ledger
from tsext.backfill.ledger import Backfill, State, Task, transaction
from tsext.errors import BackfillError, TsextError

log = logging.getLogger("alembic.tsext")

LOCK = int.from_bytes(b"tsbf")
"""First key of the advisory lock under which one worker at a time prepares or completes a backfill; the second is the
backfill's id."""

POLL = 0.2
"""Seconds until a worker looks again, where others have the tasks that are left, or the backfill is paused."""

TRIES = 5
"""How often a task may fail by what may pass by itself: a lock, a deadlock, a lost connection."""

RECONNECTIONS = 10
"""How often in a row a lost connection is made anew, after 0.1 s, 0.2 s, 0.4 s … until a worker gives up."""

_PASSING = ("08", "40", "53", "55", "57")
"""Classes of SQLSTATE that may be gone when it is tried again."""

_ENDED = ("57P01", "57P02", "57P03")
"""SQLSTATE of a server that stops, or has not started yet."""

_never = threading.Event()


def work(
    database: str | URL | Engine, name: str, worker: str | None = None, stop: threading.Event | None = None
) -> int:
    """Work on a backfill, as one worker, until nothing of it is left, or it is paused for good, cancelled or failed.

    :param database: its URL; an engine, within the process.
    :param name: the backfill's.
    :param worker: its own name; None: host, process and a random part.
    :param stop: ends it after the task at hand, which others may go on with.
    :returns: how many tasks it has finished.
    :raises BackfillError: if there is no such backfill.
    """
    made = database if isinstance(database, Engine) else create_engine(database, poolclass=NullPool)
    shown = worker or f"{platform.node()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    done, lost = 0, 0
    while True:
        try:
            with connected(made) as (connection, beside):
                at = Worker(connection, beside, ledger.find(connection, name), shown)
                at.stop = stop or _never
                try:
                    at.work()
                    return done + at.done
                finally:
                    done, lost = done + at.done, 0 if at.done else lost
        except DBAPIError as error:
            lost += 1
            if not _is_lost(error) or lost > RECONNECTIONS or (stop or _never).is_set():
                raise
            log.warning("backfill %s: connection lost, trying again: %s", name, _said(error))
            time.sleep(0.05 * 2**lost)


def run(database: str | URL | Engine, name: str, *, workers: int = 2, executor: Executor | None = None) -> Backfill:
    """Work on a backfill with several workers, and wait for them.

    :param executor: where they run, which for another process needs the URL; None: threads of this process.
    :returns: the backfill as it is then.
    :raises BackfillError: if it has failed.
    """
    if executor is None:
        _in_threads(database, name, workers)
    else:
        url = database.url if isinstance(database, Engine) else database
        text = url.render_as_string(hide_password=False) if isinstance(url, URL) else url
        _results([executor.submit(work, text, name) for _ in range(workers)])
    engine = database if isinstance(database, Engine) else create_engine(database, poolclass=NullPool)
    with engine.connect() as connection:
        return ledger.find(connection, name)


def _in_threads(database: str | URL | Engine, name: str, workers: int) -> None:
    stop = threading.Event()
    with ThreadPoolExecutor(workers, thread_name_prefix="tsext-backfill") as threads:
        futures = [threads.submit(work, database, name, None, stop) for _ in range(workers)]
        try:
            wait(futures)
        finally:  # Ctrl-C: the tasks at hand are the last
            stop.set()
    _results(futures)


def _results(futures: list) -> None:  # type: ignore[type-arg]
    for each in futures:
        each.result()


@contextmanager
def connected(engine: Engine) -> Iterator[tuple[Connection, Connection]]:
    """Two connections in autocommit mode, one to work on and one beside it; the same, where one is all there can be."""
    with ExitStack() as stack:
        connection = stack.enter_context(_connection(engine))
        single = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar() == 0
        yield connection, connection if single else stack.enter_context(_connection(engine))


def _connection(engine: Engine) -> Connection:
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.exec_driver_sql("SET application_name = 'tsext-backfill'")
    # so that the server ends our statement soon after we have been killed; the WebAssembly build knows no such thing
    connection.exec_driver_sql(
        "SELECT set_config('client_connection_check_interval', '1s', false) WHERE pg_backend_pid() <> 0"
    )
    return connection


class Worker:
    """One worker, with its connections."""

    def __init__(self, connection: Connection, beside: Connection, backfill: Backfill, name: str) -> None:
        """
        :param connection: in autocommit mode; transactions are made by :func:`tsext.backfill.ledger.transaction`.
        :param beside: in autocommit mode, for what is to outlive a crash; may be the same.
        """
        self.connection = connection
        self.beside = beside
        self.backfill = backfill
        self.name = name
        self.kind = kinds.of(backfill)
        self.stop = _never
        self.done = 0
        """Tasks it has finished."""
        self._backend = int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

    def work(self) -> None:
        """All that is left."""
        if not self._begin():
            return
        while self._admitted():
            if self._sit():
                self.done += 1
            elif self._is_over():
                return
            else:
                self.stop.wait(POLL)

    # --- the whole

    def _begin(self) -> bool:
        with self._alone() as alone:
            if alone and kinds.can(self.kind, "prepare") and self._state() in (State.DECLARED, State.RUNNING):
                self.kind.prepare(self.connection, self.backfill)
            ledger.set_state(self.connection, self.backfill, State.RUNNING, only=[State.DECLARED])
        return alone

    def _admitted(self) -> bool:
        """Whether to go on; waits as long as it is paused."""
        while not self.stop.is_set():
            state = self._state()
            if state is not State.PAUSED:
                return state is State.RUNNING
            self.stop.wait(POLL)
        return False

    def _is_over(self) -> bool:
        """Whether nothing is left; says so in the ledger, if it is the first to see that."""
        if ledger.count(self.connection, self.backfill, "open"):
            return False
        with self._alone() as alone:
            if not alone or self._state() is not State.RUNNING:
                return True
            failed = ledger.count(self.connection, self.backfill, "failed")
            if failed:
                reason = f"{failed} task(s) failed; see: tsext backfill status {self.backfill.name}"
                ledger.set_state(self.connection, self.backfill, State.FAILED, reason=reason, only=[State.RUNNING])
                return True
            if kinds.can(self.kind, "complete") and not self.kind.complete(self.connection, self.backfill):
                return False
            if ledger.count(self.connection, self.backfill, "open"):
                return False
            ledger.set_state(self.connection, self.backfill, State.DONE, only=[State.RUNNING])
        return True

    def _state(self) -> State:
        self.backfill = ledger.find(self.connection, self.backfill.name)
        return self.backfill.state

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
        attempt, task, outcome = None, None, None
        try:
            while outcome is None or outcome.position is not None:
                if not self._admitted():
                    break
                with transaction(self.connection):
                    held = ledger.claim(self.connection, self.backfill, task=task.id if task else None)
                    if held is None:
                        break
                    task = held
                    attempt = attempt or self._attempt(task)
                    outcome = self.kind.perform(self.connection, self.backfill, task)
                    ledger.finish(self.connection, task, outcome, self.name)
        except Exception as error:
            self._failed(task, attempt, error)
            return False
        if attempt is not None:
            ledger.end_attempt(self.beside, attempt)
        return outcome is not None and outcome.position is None

    def _attempt(self, task: Task) -> int:
        pids = (os.getpid(), self._backend)
        return ledger.begin_attempt(self.beside, task, self.name, platform.node(), pids)

    def _failed(self, task: Task | None, attempt: int | None, error: Exception) -> None:
        """Note it, and go on with others; what is no matter of the task is raised."""
        if task is None or (isinstance(error, DBAPIError) and _is_lost(error)):
            raise error
        said = _said(error)
        if attempt is not None:
            ledger.end_attempt(self.beside, attempt, said)
        final = ledger.fail(self.connection, task, said, tries=TRIES if _passes(error) else 1, worker=self.name)
        log.warning("backfill %s: %s %s: %s", self.backfill.name, task.step, task.relation, said)
        if final and not isinstance(error, DBAPIError | TsextError):
            log.debug("backfill %s", self.backfill.name, exc_info=error)


def _passes(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and _code(error).startswith(_PASSING)


def _is_lost(error: DBAPIError) -> bool:
    """Whether there is no connection any more, or there was none to be had."""
    return bool(error.connection_invalidated) or _code(error) in _ENDED or not _code(error)


def _code(error: DBAPIError) -> str:
    """SQLSTATE, as either driver has it; empty if the server did not answer."""
    return getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None) or ""


def _said(error: BaseException) -> str:
    return str(getattr(error, "orig", error)).strip() or type(error).__name__


def refuse_failed(backfill: Backfill) -> None:
    """Raise if it has not come to its end.

    :raises BackfillError: with what to do.
    """
    if backfill.state not in (State.DONE, State.FINISHED):
        raise BackfillError(
            f"backfill {backfill.name} is {backfill.state}" + (f": {backfill.reason}" if backfill.reason else ""),
            hint=f"see why: tsext backfill status {backfill.name}; go on: tsext backfill retry {backfill.name}",
        )
