"""Whether the history is whole, and every revision applied."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

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


def checks_belong(project: Project) -> Iterator[Finding]:
    """Whether each check file is some revision's: another would never run."""
    known = {project.index.check(each) for each in project.ordered}
    for path in sorted(set(project.index.checks) - known):
        yield Finding(
            "check-of-nothing",
            f"checks/{path.name} belongs to no revision, so it never runs",
            "name it NNN_check.sql, with the number of a revision, or after its whole id; or delete it",
        )
