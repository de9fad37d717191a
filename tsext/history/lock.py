"""One upgrade at a time: across processes by an advisory lock, across threads by a lock in the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, Row

from tsext import durations
from tsext.errors import UpgradeLocked
from tsext.history.bookkeeping import query

UPGRADE_LOCK = int.from_bytes(b"tsext")
"""Key of the session-level advisory lock; one upgrade per database at a time."""

POLL = 0.1
"""Seconds between two tries. Waiting inside the server would hold a snapshot, which CREATE INDEX CONCURRENTLY of
the other upgrade would wait for: a deadlock."""

in_process = threading.RLock()
"""Held for a whole command, because Alembic's proxies (``op``, ``context``) are module globals."""


@contextmanager
def upgrade_lock(engine: Engine, timeout: timedelta) -> Iterator[None]:
    """Hold the lock for one upgrade of this database, on an autocommit connection of its own.

    :param timeout: how long to wait for another upgrade.
    :raises UpgradeLocked: after that, naming the holder.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if (connection.dialect.server_version_info or ()) >= (14,):
            connection.exec_driver_sql("SET idle_session_timeout = 0")
        deadline = time.monotonic() + timeout.total_seconds()
        parameters = {"key": UPGRADE_LOCK}
        while not connection.exec_driver_sql("SELECT pg_try_advisory_lock(%(key)s)", parameters).scalar():
            if time.monotonic() >= deadline:
                raise _locked(connection.exec_driver_sql(query("lock_holder"), parameters).one_or_none(), timeout)
            time.sleep(POLL)
        connection.detach()  # closing the session releases the lock, whatever happens to it meanwhile
        yield


def _locked(holder: Row[Any] | None, timeout: timedelta) -> UpgradeLocked:
    """The error that tells who holds the lock, or held it until just now."""
    who = f": {_described(holder)}" if holder is not None else ""
    pid = holder.pid if holder is not None else "PID"
    return UpgradeLocked(
        f"another upgrade of this database is running{who}; waited {durations.spelled(timeout)}",
        hint="wait until it has finished and run this again, or set upgrade_lock_timeout higher; "
        f"if it hangs, end it with: SELECT pg_terminate_backend({pid})",
    )


def _described(holder: Row[Any]) -> str:
    """Who it is; from where and since when only a role with pg_read_all_stats is told of the session of another."""
    where = f" from {holder.client_addr}" if holder.client_addr else ""
    since = f", connected since {holder.backend_start:%Y-%m-%d %H:%M:%S %Z}" if holder.backend_start else ""
    return f"pid {holder.pid}, {holder.application_name!r}, role {holder.usename}{where}{since}"
