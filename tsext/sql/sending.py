"""What is the same whichever driver there is: text that is sent as it is, and what the server says of an error."""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import Connection, CursorResult
from sqlalchemy.exc import OperationalError

BLOCK = 256 * 1024
"""Bytes that are sent at a time: with blocks of 8 kB, the server needs a fifth more time for a COPY."""


LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED, QUERY_CANCELED = "55P03", "40P01", "57014"
"""SQLSTATEs."""


class Readable(Protocol):
    """What ``COPY`` reads from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""


def send(connection: Connection, statement: str) -> int:
    """Send one statement, or several as one, as it is: with no parameters, so that ``%`` and ``:`` mean themselves.

    :returns: how many rows it has changed; -1 if it does not tell.
    """
    with ask(connection, statement) as result:
        return result.rowcount


def ask(connection: Connection, query: str) -> CursorResult[*tuple[Any, ...]]:
    """The result of one query that is sent as it is."""
    return connection.exec_driver_sql(query, execution_options={"no_parameters": True})


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE of an error of a driver, or of SQLAlchemy's around it; empty if the server has not answered."""
    original = getattr(error, "orig", None) or error
    return getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or ""


def said(error: BaseException) -> str:
    """What an error says; of the server's or the driver's without the statement that SQLAlchemy adds. Never empty."""
    return str(getattr(error, "orig", None) or error).strip() or repr(error)


def said_first(error: BaseException) -> str:
    """The first line of that: the details are in those that follow."""
    return said(error).partition("\n")[0]


def copy_in(connection: Connection, statement: str, data: Readable) -> int:
    """``COPY … FROM STDIN``; gives the number of rows.

    :raises DBAPIError: as SQLAlchemy does for its own statements.
    """
    driver: Any = connection.connection.dbapi_connection
    errors: Any = connection.dialect.dbapi
    cursor = driver.cursor()
    try:
        if hasattr(cursor, "copy_expert"):  # psycopg2
            cursor.copy_expert(statement, data, BLOCK)
        else:
            with cursor.copy(statement) as target:
                while block := data.read(BLOCK):
                    target.write(block)
        return int(cursor.rowcount)
    except errors.Error as error:
        lost = connection.dialect.is_disconnect(error, driver, cursor)
        raise OperationalError(statement, None, error, connection_invalidated=lost) from error
    finally:
        if not cursor.closed:
            cursor.close()
