"""What interrupted work leaves behind in a schema: INVALID indexes, constraints that are NOT VALID."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import Finding


def invalid_indexes(connection: Connection) -> Iterator[Finding]:
    """Indexes that are INVALID: ``IF NOT EXISTS`` would take one for built."""
    for name in catalog.invalid_indexes(connection):
        left = "the old one, or the copy, of a REINDEX" if "_ccnew" in name or "_ccold" in name else "a build"
        yield Finding(
            "index-invalid",
            f"index {name} is INVALID: {left} that was interrupted left it",
            f"DROP INDEX CONCURRENTLY {name}; then build it again if it is wanted",
        )


def unvalidated_constraints(connection: Connection) -> Iterator[Finding]:
    """Constraints that are NOT VALID: the rows that were there before them were never looked at."""
    for table, name in catalog.unvalidated_constraints(connection):
        yield Finding(
            "constraint-unvalidated",
            f"constraint {name} on {table} is NOT VALID",
            f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}",
        )
