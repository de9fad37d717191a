"""Sending what waits for the transactions of others, and must not be cut short."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from sqlalchemy import Connection

from tsext import catalog
from tsext.catalog import IndexedTable
from tsext.sql.sending import send

log = logging.getLogger("alembic.tsext")

_PAUSE = 0.2
"""Seconds between two looks."""


def send_patiently(connection: Connection, statement: str) -> None:
    """Send a statement in a transaction of its own.

    CONCURRENTLY waits for as long as it takes: cut short by a ``lock_timeout`` of the role or the database, it would
    leave an INVALID index. Where tsext acquires the locks, that knows such statements, and is left alone.

    :param connection: in autocommit mode.
    """
    from tsext import locks  # which needs Alembic's runtime, and that loads these verbs

    concurrent = " CONCURRENTLY " in statement and not locks.acquires(connection)
    with _without_timeout(connection) if concurrent else nullcontext():
        send(connection, statement)


@contextmanager
def _without_timeout(connection: Connection) -> Iterator[None]:
    before = connection.exec_driver_sql("SELECT current_setting('lock_timeout')").scalar_one()
    connection.exec_driver_sql("SET lock_timeout = 0")
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.exec_driver_sql(f"SET lock_timeout = '{before}'")


def wait_for_builders(connection: Connection, table: IndexedTable) -> None:
    """Wait until nobody else is building an index of a table CONCURRENTLY.

    A backend whose client was killed goes on building, and completes what looks like a leftover. To wait for its lock
    would deadlock: it waits for the snapshot with which we wait.
    """
    told: list[int] = []
    while pids := catalog.index_builders(connection, table):
        if pids != told:
            told = pids
            who = ", ".join(map(str, pids))
            log.info("waiting for pid %s, which builds an index of %s; pg_terminate_backend would end it", who, table)
        time.sleep(_PAUSE)
