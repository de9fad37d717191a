"""Connections and transactions of a move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill import ledger, workers
from tsext.sql.sending import send

_IDLE = 0
"""``PQTRANS_IDLE``, in both drivers."""

SETTLED = "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL row_security = off"
"""How bounds are read and written as text; and no row is left out in silence."""


@contextmanager
def beside(connection: Connection) -> Iterator[Connection]:
    """Another connection in autocommit mode; the same, where one is all there can be."""
    if catalog.takes_one_client(connection):
        yield connection
        return
    with workers.connected(connection.engine) as another:
        yield another


@contextmanager
def transaction(connection: Connection, *, snapshot: bool = False) -> Iterator[None]:
    """A transaction on a connection that is outside of one; the one that is open, if there is one.

    :param snapshot: whether all of it sees the database as it was at its first statement.
    """
    driver: Any = connection.connection.dbapi_connection
    if driver.info.transaction_status != _IDLE:
        send(connection, SETTLED)
        yield
        return
    with ledger.transaction(connection, "REPEATABLE READ" if snapshot else "READ COMMITTED"):
        send(connection, SETTLED)
        yield


def commit(connection: Connection) -> None:
    """Commit now what is not in a :func:`transaction`, which does so at its end."""
    driver: Any = connection.connection.dbapi_connection
    if not driver.autocommit:
        connection.commit()
