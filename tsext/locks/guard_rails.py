"""Guard rails: how the server fares while a run is at work, and when that is reason to stop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import Finding
from tsext.settings import Settings


class Rails(NamedTuple):
    """Limits for the state of the server; None: no limit."""

    replica_lag: timedelta | None = None
    free_disk: int | None = None
    """In bytes."""
    archive_backlog: int | None = None
    """In WAL files."""
    prefix: str = ""
    """With which the names of the settings begin that the messages name."""

    @classmethod
    def of(cls, settings: Settings) -> Rails:
        """Those of a run."""
        return cls(settings.guard_replica_lag, settings.guard_free_disk, settings.guard_archive_backlog, "guard_")


def crossed(connection: Connection, settings: Settings, pid: int) -> list[Finding]:
    """The guard rails of a run that are crossed; no query for those that are not set."""
    rails = Rails.of(settings)
    server = catalog.server(connection, older_than=timedelta(days=1)) if rails.replica_lag or rails.free_disk else None
    found = beyond(connection, rails, server)
    if settings.guard_transaction is not None:
        found += _long(connection, settings.guard_transaction, pid)
    return found


def beyond(connection: Connection, rails: Rails, server: catalog.Server | None) -> list[Finding]:
    """What of the server's state is beyond its limit.

    :param server: as it is now; None if neither replicas nor the disk matter.
    """
    found: list[Finding] = []
    if server is not None:
        found += _lagging(server, rails)
        found += _full(server, rails)
    if rails.archive_backlog is not None:
        found += _behind(connection, rails.archive_backlog, rails.prefix)
    return found


def _lagging(server: catalog.Server, rails: Rails) -> Iterator[Finding]:
    limit = rails.replica_lag
    for each in server.replicas if limit is not None else ():
        if each.seconds is not None and limit is not None and each.seconds > limit.total_seconds():
            yield Finding(
                "replica-lag",
                f"replica {each.name} is {each.seconds:.1f} s behind, more than {rails.prefix}replica_lag",
                "wait until it has caught up, and do less at once",
            )


def _full(server: catalog.Server, rails: Rails) -> Iterator[Finding]:
    local = catalog.local_volumes(server) if rails.free_disk is not None else None
    if local is not None and rails.free_disk is not None and local[0].free < rails.free_disk:
        told = f"{local[0].free} bytes are free in {server.data_directory}, less than {rails.prefix}free_disk"
        yield Finding("disk", told, "make room first")


def _behind(connection: Connection, limit: int, prefix: str) -> Iterator[Finding]:
    waiting = catalog.archive_backlog(connection)
    if waiting is not None and waiting > limit:
        yield Finding(
            "archive-backlog",
            f"{waiting} WAL files wait to be archived, more than {prefix}archive_backlog",
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
