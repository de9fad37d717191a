"""The tables tsext keeps: ``migration_history`` in the default schema, the bridge and the events in ``tsext``."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Connection
from sqlalchemy.exc import ProgrammingError

from tsext.errors import HistoryError
from tsext.sql.sending import said, send
from tsext.sql.stored import stored

STEPS = {1: "001_tables", 4: "004_backfill", 5: "005_load", 6: "006_waiting", 7: "007_record", 8: "008_reasons"}
"""The scripts that bring the bookkeeping up to a version; each may be run twice."""

VERSION = max(STEPS)


@cache
def query(name: str) -> str:
    """The text of ``queries/<name>.sql``."""
    return stored(__file__, name).replace("{event_hash}", stored(__file__, "event_hash").strip())


def version(connection: Connection) -> int:
    """How far the bookkeeping of this database is; 0 if tsext has never written here."""
    if connection.exec_driver_sql("SELECT to_regclass('tsext.bookkeeping')").scalar() is None:
        return 0
    return int(connection.exec_driver_sql("SELECT schema_version FROM tsext.bookkeeping").scalar() or 0)


def upgrade(connection: Connection) -> None:
    """Create the bookkeeping, or bring an older one up to date, in a transaction of its own.

    :raises HistoryError: if the role may not, or a newer tsext has been here.
    """
    found = version(connection)
    if found > VERSION:
        raise HistoryError(
            f"the bookkeeping of this database has version {found}, this tsext knows {VERSION}",
            hint="install the tsext that wrote it, or a newer one",
        )
    if found < VERSION:
        try:
            for statement in script(found):
                send(connection, statement)
            connection.commit()
        except ProgrammingError as error:
            connection.rollback()
            raise _not_allowed(connection, error) from error
    connection.rollback()


def script(found: int = 0) -> list[str]:
    """SQL that brings the bookkeeping from version ``found`` to this one; one string for each step."""
    schema = ["CREATE SCHEMA IF NOT EXISTS tsext"] if found == 0 else []
    missing = [query(script) for version, script in STEPS.items() if version > found]
    reached = f"UPDATE tsext.bookkeeping SET schema_version = {VERSION} WHERE schema_version < {VERSION}"
    return [*schema, *missing, reached]


def _not_allowed(connection: Connection, error: ProgrammingError) -> HistoryError:
    role, database = connection.exec_driver_sql("SELECT current_user, current_database()").one()
    connection.rollback()
    return HistoryError(
        f"role {role} cannot create tsext's bookkeeping in database {database}: {said(error)}",
        hint=f'let an administrator run: GRANT CREATE ON DATABASE "{database}" TO "{role}"; '
        f'GRANT CREATE ON SCHEMA public TO "{role}"; then run this again',
    )
