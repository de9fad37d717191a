"""What is the same whichever driver there is: text that is sent as it is, and the SQLSTATE of an error."""

from __future__ import annotations

from sqlalchemy import Connection


def send(connection: Connection, statement: str) -> int:
    """Send one statement, or several as one, with no parameters, so that ``%`` and ``:`` mean themselves.

    :returns: how many rows it has changed; -1 if it does not tell.
    """
    with connection.exec_driver_sql(statement, execution_options={"no_parameters": True}) as result:
        return result.rowcount


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE of an error of a driver, or of SQLAlchemy's around it; empty if the server has not answered."""
    original = getattr(error, "orig", None) or error
    return getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or ""
