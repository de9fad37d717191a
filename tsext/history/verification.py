"""Do the files, ``alembic_version`` and ``migration_history`` tell the same story?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from alembic.script import Script, ScriptDirectory

from tsext.errors import Finding
from tsext.history.files import FileIndex, RevisionFiles
from tsext.history.numbers import assign, in_order, number_in
from tsext.history.records import RevisionRecord

_REPAIR = "run `tsext history repair {revision}` to accept it, which leaves an event"


@dataclass(frozen=True)
class Project:
    """The revisions of a project and their files; read once per run."""

    script: ScriptDirectory
    ordered: tuple[Script, ...]
    index: FileIndex

    @classmethod
    def read(cls, script: ScriptDirectory, sql_location: Path) -> Project:
        """Read the revisions; duplicates must have been refused before."""
        return cls(script, tuple(in_order(script)), FileIndex(sql_location))

    def revision(self, name: str) -> Script:
        """The revision with this id."""
        return next(each for each in self.ordered if each.revision == name)

    def files(self, script: Script) -> RevisionFiles:
        """The files of a revision."""
        return self.index.of(script)

    def behind(self, heads: Collection[str]) -> list[Script]:
        """The revisions that are applied when ``alembic_version`` holds these heads, in order."""
        needed = set(heads)
        for each in reversed(self.ordered):
            if each.revision in needed:
                needed.update(each._normalized_down_revisions)
        return [each for each in self.ordered if each.revision in needed]


def verify(
    project: Project, records: Collection[RevisionRecord], heads: Collection[str], bridged: Mapping[str, int]
) -> list[Finding]:
    """Everything in which files and history disagree; empty if all is well.

    :param records: what ``migration_history`` and the bridge say.
    :param heads: what ``alembic_version`` says.
    :param bridged: revision to number, of all that were ever recorded.
    """
    scripts = {each.revision: each for each in project.ordered}
    recorded = {record.revision: record for record in records if record.revision}
    ahead = _ahead(scripts, recorded, heads)
    findings = [finding for each in records if each not in ahead for finding in _of_record(project, scripts, each)]
    if not records and heads:
        return [_never_recorded(heads)]
    if ahead:
        findings.append(_newer(ahead, project))
    applied = {each.revision for each in project.behind(scripts if ahead else heads)}
    findings += _unlike_alembic(applied, recorded, heads, scripts)
    findings += _late(project, recorded, applied, bridged)
    return findings


def _of_record(project: Project, scripts: Mapping[str, Script], record: RevisionRecord) -> Iterator[Finding]:
    if record.revision is None:
        yield Finding(
            "bridge-row-missing",
            f"migration_history has {record.version:03d} {record.name}, the bridge does not know it",
            "restore the row in tsext.bridge from a backup, or delete the row in migration_history",
        )
    elif record.revision not in scripts:
        yield _gone(project, record)
    else:
        files = project.files(scripts[record.revision])
        if files.checksum != record.checksum or files.checksums.keys() != record.files.keys():
            yield _changed(files, record)


def _ahead(
    scripts: Mapping[str, Script], recorded: Mapping[str, RevisionRecord], heads: Collection[str]
) -> list[RevisionRecord]:
    """What is applied and has no files here, if that is no more than what follows all that has."""
    unknown = sorted((each for name, each in recorded.items() if name not in scripts), key=lambda each: each.version)
    newest = max((recorded[name].version for name in scripts if name in recorded), default=0)
    names = {each.revision for each in unknown}
    continues = scripts.keys() <= recorded.keys() and names.issuperset(heads)
    return unknown if scripts and unknown and continues and unknown[0].version > newest else []


def _newer(ahead: Collection[RevisionRecord], project: Project) -> Finding:
    names = ", ".join(str(each.revision) for each in ahead)
    files = ", ".join(name for each in ahead for name in each.files)
    last = " ".join(project.script.get_heads())
    return Finding(
        "database-ahead",
        f"the database is ahead of these files: {names} {'are' if len(ahead) > 1 else 'is'} applied, after {last}",
        f"check out the newer code; or, with it, take that back: alembic downgrade {last}; "
        f"if files were deleted, restore {files} from version control",
    )


def _gone(project: Project, record: RevisionRecord) -> Finding:
    contents = sorted(record.files.values())
    for script in project.ordered:
        same_number = number_in(script.revision) == record.version
        if same_number or sorted(project.files(script).checksums.values()) == contents:
            return Finding(
                "revision-renamed",
                f"revision {record.revision} was renamed to {script.revision} after it was applied",
                f"rename it back: the files were {', '.join(record.files)}",
            )
    return Finding(
        "revision-deleted",
        f"revision {record.revision} is applied, but its files are gone",
        f"restore {', '.join(record.files)} from version control",
    )


def _changed(files: RevisionFiles, record: RevisionRecord) -> Finding:
    now = files.checksums
    changed = [name for name in now if name in record.files and now[name] != record.files[name]]
    gone = [name for name in record.files if name not in now]
    new = [name for name in now if name not in record.files]
    renamed = [f"{old} to {name}" for old in gone for name in new if record.files[old] == now[name]]
    if renamed:
        return Finding(
            "file-renamed",
            f"revision {record.revision} had a file renamed after it was applied: {', '.join(renamed)}",
            f"rename it back, or {_REPAIR.format(revision=record.revision)}",
        )
    parts = [
        f"{word}: {', '.join(names)}"
        for word, names in (("edited", changed), ("deleted", gone), ("added", new))
        if names
    ]
    return Finding(
        "checksum-mismatch",
        f"revision {record.revision} has changed since it was applied ({'; '.join(parts) or 'checksum edited'})",
        f"restore {', '.join(changed + gone) or 'its row'} and put the change in a new revision, "
        f"or {_REPAIR.format(revision=record.revision)}",
    )


def _never_recorded(heads: Collection[str]) -> Finding:
    return Finding(
        "not-adopted",
        f"alembic_version says {', '.join(sorted(heads))}, but tsext has no history of this database",
        "run `tsext adopt`, which fills the history without running anything",
    )


def _unlike_alembic(
    applied: Collection[str],
    recorded: Mapping[str, RevisionRecord],
    heads: Collection[str],
    scripts: Mapping[str, Script],
) -> Iterator[Finding]:
    missing = sorted(head for head in heads if head not in scripts and head not in recorded)
    for head in missing:
        yield Finding(
            "revision-deleted",
            f"alembic_version says {head}, but no file has that revision",
            "restore its file from version control",
        )
    surplus = sorted(set(recorded) & scripts.keys() - set(applied))
    if surplus:
        yield Finding(
            "history-disagrees",
            f"migration_history has {', '.join(surplus)}, alembic_version ({', '.join(sorted(heads)) or 'empty'}) "
            "does not",
            "find out which is right; `alembic stamp REVISION` sets both",
        )


def _late(
    project: Project,
    recorded: Mapping[str, RevisionRecord],
    applied: Collection[str],
    bridged: Mapping[str, int],
) -> Iterator[Finding]:
    numbers = assign(project.ordered, bridged)
    newest = max((number_in(name) or record.version for name, record in recorded.items()), default=0)
    for script in project.ordered:
        name = script.revision
        if name in recorded:
            continue
        if name in applied and name not in bridged and numbers[name] < newest:
            yield Finding(
                "revision-late",
                f"revision {name} stands before applied ones, but was never applied here",
                "give it a number of its own after the applied ones with `tsext renumber`",
            )
        elif name in applied:
            yield Finding(
                "history-disagrees",
                f"alembic_version says that {name} is applied, migration_history does not",
                "run `tsext adopt` if it was applied by plain Alembic; `alembic stamp REVISION` sets both",
            )
        elif number_in(name) is not None and numbers[name] < newest:
            yield Finding(
                "revision-late",
                f"revision {name} is pending, but {newest:03d} is already applied",
                "run `tsext renumber`, which gives it the next free number",
            )
