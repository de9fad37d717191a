"""Transactions on the connections of workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from tsext.sql.sending import send


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
