"""Afterwards: is the database what the revisions and the models say it should be?"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import Finding
from tsext.history import Project, RevisionRecord, records


def history_intact(connection: Connection, recorded: list[RevisionRecord]) -> Iterator[Finding]:
    """Whether the chain of events is whole, and tells the same story as ``migration_history``."""
    for found, fault, expected in records.broken_chain(connection):
        words = {
            "deleted": f"event {expected} was deleted (event {found} follows its predecessor's gap)",
            "forged": f"event {found} was changed after it was written",
            "unlinked": f"event {found} does not follow from the event before it",
            "truncated": f"events from {expected} on were deleted ({found} were written)",
        }
        yield Finding(
            f"event-{fault}",
            words[fault],
            "find out who did it; restore the row of tsext.event from a backup",
        )
    versions = [record.version for record in recorded]
    replayed = records.replayed(connection)
    for version in sorted(set(replayed) - set(versions)):
        yield Finding(
            "history-row-deleted",
            f"the events say that {version:03d} is applied, migration_history has no row of it",
            "restore the row of migration_history from a backup",
        )
    for version in sorted(set(versions) - set(replayed)):
        yield Finding(
            "history-row-forged",
            f"migration_history has {version:03d}, no event tells that it was applied",
            "find out who wrote it; delete the row if the revision was never applied",
        )


def at_head(project: Project, heads: tuple[str, ...]) -> Iterator[Finding]:
    """Whether every revision is applied."""
    applied = {each.revision for each in project.behind(heads)}
    pending = [each.revision for each in project.ordered if each.revision not in applied]
    if pending:
        yield Finding("revisions-pending", f"pending: {', '.join(pending)}", "run `alembic upgrade head`")


def relations_sound(connection: Connection) -> Iterator[Finding]:
    """Whether indexes are valid and constraints validated."""
    for name in catalog.invalid_indexes(connection):
        yield Finding(
            "index-invalid",
            f"index {name} is INVALID: its build was interrupted",
            f"DROP INDEX CONCURRENTLY {name}; then build it again",
        )
    for table, name in catalog.unvalidated_constraints(connection):
        yield Finding(
            "constraint-unvalidated",
            f"constraint {name} on {table} is NOT VALID",
            f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}",
        )
