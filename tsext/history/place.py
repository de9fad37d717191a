"""Where the history of a database is: one per database, in the schema in which it was begun."""

from __future__ import annotations

from sqlalchemy import Connection

from tsext.errors import HistoryError
from tsext.history import bookkeeping

ONE_PER_DATABASE = (
    "tsext keeps one history per database: give each tenant's schema a database of its own, or let each revision "
    "change all of them; if only the version table has moved, `alembic stamp` what is applied"
)


def refuse_elsewhere(connection: Connection) -> None:
    """Refuse to go on where ``migration_history`` is not found, although tsext has been here; ends the transaction.

    :raises HistoryError: naming its schema and the search path.
    """
    if bookkeeping.version(connection):
        found, path, schema = connection.exec_driver_sql(bookkeeping.query("place")).one()
        if not found:
            raise HistoryError(
                f"migration_history of this database is in schema {schema}, which is not in the search path {path}",
                hint=f"connect with the search path of schema {schema}; {ONE_PER_DATABASE}",
            )
    connection.rollback()
