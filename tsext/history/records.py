"""What is recorded of each revision, written in its own transaction, and how it is read back."""

from __future__ import annotations

import getpass
import json
import os
import platform
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection

from tsext.history import bookkeeping


@dataclass(frozen=True)
class RevisionRecord:
    """One applied revision, as ``migration_history`` and the bridge tell it."""

    version: int
    name: str
    applied_at: datetime
    rollback_available: bool
    checksum: str
    """SHA-256 in hex over the revision's files when it was applied."""
    execution_time_ms: int
    applied_by: str
    revision: str | None
    """Alembic's id; None if the bridge has no row for this number."""
    files: dict[str, str]
    """File name to SHA-256 in hex when it was applied."""


@dataclass(frozen=True)
class Entry:
    """One thing to record: what happened to which revision."""

    kind: str
    """``upgrade``, ``downgrade``, ``stamp``, ``stamp-removed``, ``adopt``, ``repair`` or ``validation``."""
    revision: str
    version: int
    name: str
    rollback_available: bool
    checksum: str
    files: dict[str, str]
    execution_time_ms: int | None
    """Milliseconds; None lets the server measure from the start of the transaction."""
    environment: str
    error: str | None = None
    """Why it failed; None if it succeeded."""
    details: dict[str, Any] | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments of the procedure ``tsext.record``, by name; the last, ``flush``, is for who writes it."""
        return {
            "kind": self.kind,
            "revision": self.revision,
            "version": self.version,
            "name": self.name,
            "rollback_available": self.rollback_available,
            "checksum": self.checksum,
            "files": json.dumps(self.files),
            "execution_time_ms": self.execution_time_ms,
            "environment": self.environment,
            "client": client(),
            "error": self.error,
            "details": json.dumps(self.details) if self.details else None,
        }


@cache
def client() -> str:
    """Who runs this, for the events: user, host and process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{platform.node()} pid {os.getpid()}"


RECORD = (
    "CALL tsext.record(%(kind)s, %(revision)s, %(version)s, %(name)s, %(rollback_available)s, %(checksum)s, "
    "%(files)s, %(execution_time_ms)s, %(environment)s, %(client)s, %(error)s, %(details)s, %(flush)s)"
)


def write(connection: Connection, entry: Entry, *, flush: bool = True) -> None:
    """Record in the transaction that is open on the connection; history, bridge and event in one round trip.

    :param flush: whether its commit waits until it is on disk; if not, a later commit of the run does.
    """
    connection.exec_driver_sql(RECORD, {**entry.parameters, "flush": flush})


def applied(connection: Connection) -> list[RevisionRecord]:
    """Applied revisions, lowest number first; none if tsext has never run here."""
    if not bookkeeping.version(connection):
        return []
    rows = connection.exec_driver_sql(bookkeeping.query("applied")).mappings()
    return [RevisionRecord(**{**row, "files": row["files"] or {}}) for row in rows]


def newest_receipt(connection: Connection, revision: str) -> dict[str, Any] | None:
    """What the newest event of a revision tells of what it did to others; None if none does."""
    if not bookkeeping.version(connection):
        return None
    query = bookkeeping.query("newest_receipt")
    found: dict[str, Any] | None = connection.exec_driver_sql(query, {"revision": revision}).scalar()
    return found


def fixed_numbers(connection: Connection) -> dict[str, int]:
    """Revision to number, for every revision that was ever recorded here."""
    if not bookkeeping.version(connection):
        return {}
    return {row.revision: row.version for row in connection.exec_driver_sql("SELECT * FROM tsext.bridge")}


def broken_chain(connection: Connection) -> list[tuple[int, str, int]]:
    """Events at which the chain of hashes breaks: (id found, fault, id expected); none if it is whole."""
    if not bookkeeping.version(connection):
        return []
    text = bookkeeping.query("broken_chain")
    return [(row.id, row.fault, row.right_id) for row in connection.exec_driver_sql(text)]


def replayed(connection: Connection) -> list[int]:
    """The numbers that must be applied if the events are true, lowest first."""
    if not bookkeeping.version(connection):
        return []
    return list(connection.exec_driver_sql(bookkeeping.query("replayed")).scalars())
