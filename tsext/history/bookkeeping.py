"""The tables tsext keeps: ``migration_history`` in the default schema, the bridge and the events in ``tsext``."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Connection
from sqlalchemy.exc import ProgrammingError

from tsext.errors import HistoryError
from tsext.sql.sending import said, send
from tsext.sql.stored import stored

HISTORY = {1: "001_tables", 9: "009_record"}
"""The scripts that bring the bookkeeping up to a version; each may be run twice."""

LEDGER = {4: "004_backfill", 5: "005_load", 6: "006_waiting", 8: "008_reasons"}
"""The same for the tables of chunk-wise work, made when something is first declared: few databases need them."""

VERSION = max(HISTORY | LEDGER)


@cache
def query(name: str) -> str:
    """The text of ``queries/<name>.sql``."""
    return stored(__file__, name).replace("{event_hash}", stored(__file__, "event_hash").strip())


def version(connection: Connection) -> int:
    """How far the bookkeeping of this database is; 0 if tsext has never written here."""
    if connection.exec_driver_sql("SELECT to_regclass('tsext.bookkeeping')").scalar() is None:
        return 0
    return int(connection.exec_driver_sql("SELECT schema_version FROM tsext.bookkeeping").scalar() or 0)


def has_ledger(connection: Connection) -> bool:
    """Whether this database has the tables of chunk-wise work."""
    return connection.exec_driver_sql("SELECT to_regclass('tsext.backfill')").scalar() is not None


def upgrade(connection: Connection, *, ledger: bool = False) -> None:
    """As :func:`make`, in a transaction of its own.

    :raises HistoryError: if the role may not, or a newer tsext has been here.
    """
    try:
        make(connection, ledger=ledger)
        connection.commit()
    except ProgrammingError as error:
        connection.rollback()
        raise _not_allowed(connection, error) from error


def make(connection: Connection, *, ledger: bool = False) -> None:
    """Create the bookkeeping, or bring an older one up to date, in the transaction that is open, if there is one.

    :param ledger: whether the tables of chunk-wise work are needed; where they are, they are brought up to date anyway.
    :raises HistoryError: if a newer tsext has been here.
    """
    found = version(connection)
    if found > VERSION:
        raise HistoryError(
            f"the bookkeeping of this database has version {found}, this tsext knows {VERSION}",
            hint="install the tsext that wrote it, or a newer one",
        )
    if found == VERSION and not ledger:
        return
    there = found > 0 and has_ledger(connection)
    if found < VERSION or not there:
        # in one message, so that all of it or nothing is done also where no transaction is open
        send(connection, "\n".join(script(found, ledger=found if there else 0 if ledger else VERSION)))


def script(found: int = 0, *, ledger: int = VERSION) -> list[str]:
    """SQL that brings the bookkeeping from version ``found`` to this one; one string for each step.

    :param ledger: the version from which to bring the tables of chunk-wise work to this one.
    """
    first = "SELECT FROM tsext.bookkeeping FOR UPDATE;" if found else "CREATE SCHEMA IF NOT EXISTS tsext;"
    missing = [query(script) for version, script in HISTORY.items() if version > found]
    missing += [query(script) for version, script in LEDGER.items() if version > ledger]
    reached = f"UPDATE tsext.bookkeeping SET schema_version = {VERSION} WHERE schema_version < {VERSION};"
    return [first, *missing, reached]


def _not_allowed(connection: Connection, error: ProgrammingError) -> HistoryError:
    role, database = connection.exec_driver_sql("SELECT current_user, current_database()").one()
    connection.rollback()
    return HistoryError(
        f"role {role} cannot create tsext's bookkeeping in database {database}: {said(error)}",
        hint=f'let an administrator run: GRANT CREATE ON DATABASE "{database}" TO "{role}"; '
        f'GRANT CREATE ON SCHEMA public TO "{role}"; then run this again',
    )
