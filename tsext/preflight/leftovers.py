"""What earlier attempts have left behind: INVALID indexes, constraints that are NOT VALID."""

from __future__ import annotations

from collections.abc import Iterator

from tsext import catalog
from tsext.errors import Finding
from tsext.preflight.situation import Observation, Situation


def indexes(situation: Situation) -> Observation:
    """Whether there are INVALID indexes: ``IF NOT EXISTS`` would take one for built."""
    return Observation("none INVALID", tuple(map(_invalid, catalog.invalid_indexes(situation.connection))))


def _invalid(name: str) -> Finding:
    left = "the old one, or the copy, of a REINDEX" if "_ccnew" in name or "_ccold" in name else "a build"
    return Finding(
        "indexes",
        f"index {name} is INVALID: {left} that was interrupted left it",
        f"DROP INDEX CONCURRENTLY {name}; then build it again if it is wanted",
    )


def constraints(situation: Situation) -> Observation:
    """Whether there are constraints that were never validated."""
    return Observation("none NOT VALID", tuple(_unvalidated(situation)))


def _unvalidated(situation: Situation) -> Iterator[Finding]:
    for table, name in catalog.unvalidated_constraints(situation.connection):
        yield Finding(
            "constraints",
            f"constraint {name} on {table} is NOT VALID",
            f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}",
        )
