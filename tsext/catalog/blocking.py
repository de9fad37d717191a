"""What one session does to others: who waits for it, directly or behind another."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from tsext.catalog.asking import rows
from tsext.model.locks import LockMode


class Waiting(NamedTuple):
    """What a first, cheap look at a session tells."""

    we_wait: bool
    others_wait: bool
    """Whether anybody on the server waits for any lock."""
    strongest: LockMode | None
    """The strongest lock that the session holds on a relation."""


class Waiter(NamedTuple):
    """Somebody who waits for us, or for somebody who does."""

    pid: int
    seconds: float
    relation: str | None
    mode: str
    application: str | None
    query: str | None


class Backend(NamedTuple):
    """A session, as ``pg_stat_activity`` shows it."""

    state: str | None
    seconds: float | None
    """Since its transaction began."""
    query: str | None


def waiting(connection: Connection, pid: int) -> Waiting:
    """Whether a session waits, others do, and what it holds."""
    row = rows(connection, "waiting", pid=pid)[0]
    modes = [LockMode(each) for each in row.modes if each in set(LockMode)]
    return Waiting(row.we_wait, row.others_wait, max(modes, key=lambda mode: mode.strength, default=None))


def blocked_by(connection: Connection, pid: int) -> list[Waiter]:
    """Who waits for a session, longest first; whoever waits behind such a one waits for it, too."""
    return [Waiter(*row) for row in rows(connection, "blocked", pid=pid)]


def backend(connection: Connection, pid: int) -> Backend | None:
    """A session; None if it has gone."""
    found = rows(connection, "backend", pid=pid)
    return Backend(*found[0]) if found else None


def archive_backlog(connection: Connection) -> int | None:
    """How many WAL files wait to be archived; None if this role may not know."""
    query = "SELECT has_function_privilege('pg_ls_archive_statusdir()', 'EXECUTE')"
    if not connection.exec_driver_sql(query).scalar():
        return None
    count = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE right(name, 6) = '.ready'"
    return int(connection.exec_driver_sql(count).scalar() or 0)
