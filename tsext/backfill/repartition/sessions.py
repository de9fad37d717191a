"""Connections and transactions of a move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

_IDLE = 0
"""``PQTRANS_IDLE``, in both drivers."""

SETTLED = "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL row_security = off"
"""How bounds are read and written as text; and no row is left out in silence."""


def send(connection: Connection, statement: str) -> None:
    """Send one statement, or several as one."""
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).close()


def takes_one_client(connection: Connection) -> bool:
    """Whether the server takes one client at a time, as the WebAssembly build does."""
    return connection.exec_driver_sql("SELECT pg_backend_pid()").scalar() == 0


@contextmanager
def beside(connection: Connection) -> Iterator[Connection]:
    """Another connection in autocommit mode; the same, where one is all there can be."""
    if takes_one_client(connection):
        yield connection
        return
    with connection.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as another:
        send(another, "SET application_name = 'tsext-backfill'")
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
    level = "REPEATABLE READ" if snapshot else "READ COMMITTED"
    if not driver.autocommit:
        try:
            send(connection, f"SET TRANSACTION ISOLATION LEVEL {level}; {SETTLED}")
            yield
        except BaseException:
            with suppress(SQLAlchemyError):
                connection.rollback()
            raise
        connection.commit()
        return
    send(connection, f"BEGIN ISOLATION LEVEL {level}")
    try:
        send(connection, SETTLED)
        yield
    except BaseException:
        with suppress(SQLAlchemyError):  # a lost connection has ended it
            send(connection, "ROLLBACK")
        raise
    send(connection, "COMMIT")
