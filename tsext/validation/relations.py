"""Whether indexes are valid and on every chunk, and constraints validated."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from tsext import catalog, leftovers
from tsext.errors import Finding


def indexes(connection: Connection) -> Iterator[Finding]:
    """Indexes that are INVALID, and those of hypertables that some chunks lack."""
    yield from leftovers.invalid_indexes(connection)
    for each in catalog.uncovered_indexes(connection):
        yield Finding(
            "index-incomplete",
            f"index {each.name} of hypertable {each.hypertable} is not on every chunk",
            f"{each.chunks} chunk(s) lack it, such as {each.example}: build it there, or drop it and build it again",
        )


def constraints(connection: Connection) -> Iterator[Finding]:
    """Constraints that were never validated."""
    return leftovers.unvalidated_constraints(connection)
