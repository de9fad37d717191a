"""Guard rails: how the server fares while a run is at work, and when that is reason to stop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import Finding
from tsext.settings import Settings


def crossed(connection: Connection, settings: Settings, pid: int) -> list[Finding]:
    """Those that are crossed; nothing is asked for those that are not set."""
    found: list[Finding] = []
    if settings.guard_replica_lag is not None or settings.guard_free_disk is not None:
        server = catalog.server(connection, older_than=timedelta(days=1))
        found += _lagging(server, settings.guard_replica_lag)
        found += _full(server, settings.guard_free_disk)
    if settings.guard_archive_backlog is not None:
        found += _behind(connection, settings.guard_archive_backlog)
    if settings.guard_transaction is not None:
        found += _long(connection, settings.guard_transaction, pid)
    return found


def _lagging(server: catalog.Server, limit: timedelta | None) -> Iterator[Finding]:
    for each in server.replicas if limit is not None else ():
        if each.seconds is not None and limit is not None and each.seconds > limit.total_seconds():
            yield Finding(
                "replica-lag",
                f"replica {each.name} is {each.seconds:.1f} s behind, more than guard_replica_lag",
                "wait until it has caught up, and do less at once",
            )


def _full(server: catalog.Server, limit: int | None) -> Iterator[Finding]:
    folder = server.data_directory
    if limit is None or folder is None or not os.path.isdir(folder):  # noqa: PTH112  (a folder of the server's)
        return
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free < limit:
        yield Finding("disk", f"{free} bytes are free in {folder}, less than guard_free_disk", "make room first")


def _behind(connection: Connection, limit: int) -> Iterator[Finding]:
    waiting = catalog.archive_backlog(connection)
    if waiting is not None and waiting > limit:
        yield Finding(
            "archive-backlog",
            f"{waiting} WAL files wait to be archived, more than guard_archive_backlog",
            "see to archive_command, and wait until it has caught up",
        )


def _long(connection: Connection, limit: timedelta, pid: int) -> Iterator[Finding]:
    ours = catalog.backend(connection, pid)
    if ours is not None and ours.seconds is not None and ours.seconds > limit.total_seconds():
        yield Finding(
            "long-transaction",
            f"the revision's transaction is {ours.seconds:.1f} s old, more than guard_transaction",
            "split the revision, so that VACUUM can clean up in between",
        )
