"""Taking over a database that plain Alembic migrated, and accepting files as they are now."""

from __future__ import annotations

from sqlalchemy import Connection

from tsext.errors import HistoryError
from tsext.history import records
from tsext.history.recording import Recorder


def adopt(connection: Connection, recorder: Recorder, heads: tuple[str, ...]) -> list[str]:
    """Record every revision that ``alembic_version`` says is applied and the history does not know.

    :returns: the revisions recorded, in order.
    :raises HistoryError: if a head is no revision of this project.
    """
    known = {each.revision for each in recorder.project.ordered}
    if unknown := sorted(set(heads) - known):
        raise HistoryError(
            f"alembic_version says {', '.join(unknown)}, but no file has that revision",
            hint="restore its file from version control, then adopt",
        )
    recorded = {record.revision for record in records.applied(connection)}
    new = [each for each in recorder.project.behind(heads) if each.revision not in recorded]
    for script in new:
        records.write(connection, recorder.entry("adopt", script, 0))
    return [each.revision for each in new]


def repair(connection: Connection, recorder: Recorder, wanted: str) -> list[str]:
    """Take the files of applied revisions as they are now into the history, with an event for each.

    :param wanted: a revision's id or number, or ``all``.
    :raises HistoryError: if it is not applied.
    """
    scripts = {each.revision: each for each in recorder.project.ordered}
    applied = {record.revision: record for record in records.applied(connection) if record.revision in scripts}
    chosen = [
        name
        for name, record in applied.items()
        if wanted in ("all", name) or (wanted.isdigit() and int(wanted) == record.version)
    ]
    if not chosen and wanted != "all":
        raise HistoryError(f"{wanted} is not an applied revision", hint="see `tsext status` for those that are")
    changed = []
    for name in chosen:
        if name is None:
            continue
        entry = recorder.entry("repair", scripts[name], 0)
        if (entry.checksum, entry.files) != (applied[name].checksum, applied[name].files):
            records.write(connection, entry)
            changed.append(name)
    return changed
