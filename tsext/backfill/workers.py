"""Working on a backfill with any number of workers: threads, processes, other machines."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext

from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tsext.backfill import kinds, ledger
from tsext.backfill.ledger import Backfill, State
from tsext.backfill.worker import Worker, is_lost, watching
from tsext.errors import BackfillError
from tsext.sql.sending import said

log = logging.getLogger("alembic.tsext")

RECONNECTIONS = 10
"""How often in a row a lost connection is made anew, after 0.1 s, 0.2 s, 0.4 s … until a worker gives up."""


def work(database: str | URL | Engine, name: str, worker: str = "", stop: threading.Event | None = None) -> int:
    """Work on a backfill, as one worker, until nothing of it is left, or it is cancelled or has failed.

    :param database: its URL; an engine, within the process.
    :param name: the backfill's.
    :param worker: its own name; none: host, process and a random part.
    :param stop: ends it after the transaction at hand; others may go on.
    :returns: how many tasks it has finished.
    :raises BackfillError: if there is no such backfill.
    """
    engine, stop, worker = engine_of(database), stop or threading.Event(), worker or _new_name()
    done, lost = 0, 0
    while True:
        try:
            with connected(engine) as connection, _worker(connection, name, worker, stop) as each:
                try:
                    each.work()
                finally:
                    done, lost = done + each.done, 0 if each.done else lost
            return done
        except DBAPIError as error:
            lost += 1
            if not is_lost(error) or lost > RECONNECTIONS or stop.is_set():
                raise
            log.warning("backfill %s: connection lost, trying again: %s", name, said(error))
            time.sleep(0.05 * 2**lost)


def work_on(connection: Connection, name: str) -> int:
    """The same on a connection in autocommit mode, which is not made anew when it is lost."""
    with _worker(connection, name, _new_name(), threading.Event()) as worker:
        worker.work()
    return worker.done


@contextmanager
def _worker(connection: Connection, name: str, worker: str, stop: threading.Event) -> Iterator[Worker]:
    backfill = ledger.find(connection, name)
    with ledger.transaction(connection):
        ledger.make_room(connection)
    watchdog = watching(connection, backfill)
    with watchdog or nullcontext(), kinds.attended(connection, backfill):
        yield Worker(connection, backfill, worker, stop, watchdog)


def run(
    database: str | URL | Engine,
    name: str,
    *,
    workers: int = 2,
    executor: Executor | None = None,
    tell: Callable[[], None] = lambda: None,
) -> Backfill:
    """Work on a backfill with several workers, and wait for them.

    :returns: the backfill as it is then.
    :raises BackfillError: if there is none of this name.
    """
    employ(database, name, workers=workers, executor=executor, tell=tell)
    with engine_of(database).connect() as connection:
        return ledger.find(connection, name)


def employ(
    database: str | URL | Engine,
    name: str,
    *,
    workers: int,
    executor: Executor | None = None,
    tell: Callable[[], None] = lambda: None,
) -> None:
    """The same, without a look at how it is then.

    :param executor: where they run, which for another process needs the URL; None: threads of this process.
    :param tell: called twice a second meanwhile.
    """
    if executor is None:
        stop = threading.Event()
        with ThreadPoolExecutor(workers, thread_name_prefix="tsext-backfill") as threads:
            try:
                _wait([threads.submit(work, database, name, "", stop) for _ in range(workers)], tell)
            finally:  # Ctrl-C: the transactions at hand are the last
                stop.set()
    else:
        url = engine_of(database).url.render_as_string(hide_password=False)
        _wait([executor.submit(work, url, name) for _ in range(workers)], tell)


def _wait(futures: list[Future[int]], tell: Callable[[], None]) -> None:
    while wait(futures, timeout=0.5).not_done:
        tell()
    for each in futures:
        each.result()


def refuse_failed(backfill: Backfill) -> None:
    """Raise unless it has come to its end.

    :raises BackfillError: with what to do.
    """
    if backfill.state not in (State.DONE, State.APPLIED, State.FINISHED):
        further = "resume" if backfill.state is State.PAUSED else "retry"
        raise BackfillError(
            f"backfill {backfill.name} is {backfill.state}" + (f": {backfill.reason}" if backfill.reason else ""),
            hint=f"see why: tsext backfill status {backfill.name}; let it go on: tsext backfill {further} "
            f"{backfill.name}; then run alembic again",
        )


def engine_of(database: str | URL | Engine) -> Engine:
    """An engine that keeps no connections."""
    return database if isinstance(database, Engine) else create_engine(database, poolclass=NullPool)


@contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """A connection in autocommit mode, for a worker."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET application_name = 'tsext-backfill'")
        # so that the server ends our statement soon after we have been killed; the WebAssembly build cannot
        connection.exec_driver_sql(
            "SELECT set_config('client_connection_check_interval', '1s', false) WHERE pg_backend_pid() <> 0"
        )
        yield connection


def _new_name() -> str:
    return f"{platform.node()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
