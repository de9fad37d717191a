"""The lines of ``tsext status``."""

from __future__ import annotations

from dataclasses import dataclass, replace

from alembic.script import Script

from tsext import history
from tsext.history import Project, numbers
from tsext.phases import Phase


@dataclass(frozen=True)
class RevisionStatus:
    """One line of ``tsext status``."""

    version: int
    revision: str
    name: str
    state: str
    """``applied`` or ``pending``."""
    applied_at: str | None
    applied_by: str | None
    execution_time_ms: int | None
    rollback_available: bool
    checksum: str
    checksum_state: str
    """``ok``, ``changed``, ``missing`` (files gone) or ``-`` (pending)."""
    phase: str = ""
    """``expand``, ``migrate`` or ``contract``, and the application it requires."""


def status_lines(
    project: Project, assigned: dict[str, int], recorded: dict[int, history.RevisionRecord]
) -> list[RevisionStatus]:
    """Every revision, applied or pending, lowest number first.

    :param assigned: the number of each revision.
    :param recorded: what the history has, by number.
    """
    lines = [_pending_or_applied(project, each, assigned, recorded) for each in project.ordered]
    known = {line.version for line in lines if line.state == "applied"}
    lines += [_missing(record) for version, record in recorded.items() if version not in known]
    return sorted(lines, key=lambda line: line.version)


def _pending_or_applied(
    project: Project, script: Script, assigned: dict[str, int], recorded: dict[int, history.RevisionRecord]
) -> RevisionStatus:
    files = project.files(script)
    number = assigned[script.revision]
    record = recorded.get(number)
    if record is None or record.revision != script.revision:
        return RevisionStatus(
            number, script.revision, numbers.name_of(script), "pending", None, None, None,
            files.rollback_available, files.checksum, "-", str(Phase.of(script)),
        )  # fmt: skip
    state = "ok" if files.checksum == record.checksum else "changed"
    return replace(_applied(record, script.revision, state), phase=str(Phase.of(script)))


def _missing(record: history.RevisionRecord) -> RevisionStatus:
    return _applied(record, record.revision or "?", "missing")


def _applied(record: history.RevisionRecord, name: str, checksum_state: str) -> RevisionStatus:
    return RevisionStatus(
        version=record.version,
        revision=name,
        name=record.name,
        state="applied",
        applied_at=record.applied_at.isoformat(timespec="seconds"),
        applied_by=record.applied_by,
        execution_time_ms=record.execution_time_ms,
        rollback_available=record.rollback_available,
        checksum=record.checksum,
        checksum_state=checksum_state,
    )
