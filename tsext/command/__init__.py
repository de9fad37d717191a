"""The verbs of tsext as functions of an Alembic ``Config``, beside ``alembic.command``; safe to call from threads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations.ops import MigrationScript
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from tsext import environment, history, reflection, review, safety, seeds, validation
from tsext.command.reaching import Database, applied_revisions, look_at, url_of, x_arguments
from tsext.command.statuses import RevisionStatus, status_lines
from tsext.errors import Finding, HistoryError, Severity, ValidationFailed
from tsext.history import Project, Recorder, adoption, bookkeeping, numbers, records, renumbering
from tsext.operations.files import ExecuteFileOp, ExecuteRollbackFileOp
from tsext.preflight import check, connect
from tsext.preflight.checking import examine
from tsext.preflight.situation import Result, State
from tsext.settings import Settings

__all__ = [
    "RevisionStatus",
    "adopt",
    "downgrade",
    "lint",
    "merge",
    "migrate",
    "preflight",
    "receipt",
    "reflect",
    "renumber",
    "repair",
    "revision",
    "rollback",
    "seed",
    "status",
    "upgrade",
    "validate",
]


log = logging.getLogger("alembic.tsext")


def upgrade(config: Config, revision: str = "head", **options: Any) -> None:
    """``alembic.command.upgrade``, one at a time in this process."""
    with history.in_process:
        command.upgrade(config, revision, **options)


def downgrade(config: Config, revision: str, **options: Any) -> None:
    """``alembic.command.downgrade``, one at a time in this process."""
    with history.in_process:
        command.downgrade(config, revision, **options)


def migrate(config: Config, target: str = "latest", sql: bool = False) -> None:
    """Upgrade to a number of ``migration_history``, or to the latest revision.

    :raises HistoryError: if no revision has that number, or the database is beyond it.
    """
    if target == "latest":
        upgrade(config, "heads", sql=sql)
        return
    wanted = _revision_with(config, target)
    if not sql and wanted in _applied_beyond(config, target):
        raise HistoryError(
            f"the database is beyond {target} already", hint=f"go back with: tsext rollback --target={target}"
        )
    upgrade(config, wanted, sql=sql)


def rollback(config: Config, target: str) -> None:
    """Downgrade to a number of ``migration_history``; 0 is the empty database.

    :raises HistoryError: if no revision has that number.
    """
    downgrade(config, "base" if target.strip("0") == "" else _revision_with(config, target))


def revision(
    config: Config, message: str | None = None, rev_id: str | None = None, **options: Any
) -> Script | list[Script | None] | None:
    """Write a revision whose body is a SQL file: the ``.py``, ``NNN_slug.sql`` and ``rollback/NNN_rollback.sql``."""
    settings = Settings.read(config)
    script = ScriptDirectory.from_config(config)
    history.load(config, script, settings)
    name = rev_id or numbers.revision_id(numbers.next_number(script), message)
    forth, back = f"{name}.sql", f"{numbers.key_of(name)}_rollback.sql"

    def run_the_files(context: MigrationContext, current: Any, directives: list[MigrationScript]) -> None:
        for directive in directives:
            assert directive.upgrade_ops and directive.downgrade_ops
            directive.upgrade_ops.ops = [ExecuteFileOp(forth)]
            directive.downgrade_ops.ops = [ExecuteRollbackFileOp(back)]

    with history.in_process:
        written = command.revision(config, message, rev_id=name, process_revision_directives=run_the_files, **options)
    _scaffold(settings.sql_location / forth, f"-- {message or name}\n")
    _scaffold(settings.sql_location / "rollback" / back, f"-- Undoes {forth}\n")
    return written


def merge(config: Config, revisions: str | list[str], message: str | None = None, **options: Any) -> Script | None:
    """``alembic.command.merge``, which names the merge after its message; Alembic's own function hides the message.

    :param options: anything else that takes.
    """
    script, settings = ScriptDirectory.from_config(config), Settings.read(config, x_arguments(config))
    history.load(config, script, settings)
    if numbers.numbers_new_revisions(script, settings.revision_ids):
        options.setdefault("rev_id", numbers.revision_id(numbers.next_number(script), message or "merge"))
    with history.in_process:
        config.attributes[environment.REV_ID] = options.get("rev_id")
        try:
            return command.merge(config, revisions, message=message, **options)
        finally:
            del config.attributes[environment.REV_ID]


def status(config: Config) -> list[RevisionStatus]:
    """Every revision, applied or pending, lowest number first."""

    def look(at: Database) -> list[RevisionStatus]:
        recorded = {record.version: record for record in history.applied(at.connection)}
        assigned = numbers.assign(at.project.ordered, history.fixed_numbers(at.connection))
        return status_lines(at.project, assigned, recorded)

    return look_at(config, look)


def receipt(config: Config, revision: str = "heads") -> dict[str, dict[str, Any]]:
    """What revisions did to others when they ran last, by revision; without those of which that is not recorded.

    :raises CommandError: if there is no such revision.
    """

    def look(at: Database) -> dict[str, dict[str, Any]]:
        found = {}
        for script in at.project.script.get_revisions(revision):
            told = records.newest_receipt(at.connection, script.revision) if script is not None else None
            if script is not None and told is not None:
                found[script.revision] = told
        return found

    return look_at(config, look)


def validate(config: Config, *, models: bool = True) -> list[Finding]:
    """All that is not as it should be: history, head, indexes, constraints, checks, models; empty if all is well.

    :param models: whether to compare the models with the schema, if nothing else is wrong.
    """

    def look(at: Database) -> list[Finding]:
        recorded = history.applied(at.connection)
        findings = [
            *history.verify(at.project, recorded, at.heads, history.fixed_numbers(at.connection)),
            *validation.history_intact(at.connection, recorded),
            *validation.at_head(at.project, at.heads),
            *validation.checks_belong(at.project),
            *validation.indexes(at.connection),
            *validation.constraints(at.connection),
            *_of_applied_revisions(at),
        ]
        return findings if findings or not models else _models_equal_schema(config, at)

    return look_at(config, look)


def _of_applied_revisions(at: Database) -> Iterator[Finding]:
    """What fails of the revisions' own checks."""
    for each in at.project.behind(at.heads):
        check = at.project.index.check(each)
        yield from validation.of_revision(at.connection, each, check, at.settings.validation_timeout)


def preflight(config: Config) -> list[Result]:
    """What an upgrade to the head looks at before its first statement; reads only."""

    def look(at: Database) -> list[Result]:
        applied = {each.revision for each in at.project.behind(at.heads)}
        pending = [(each, False) for each in at.project.ordered if each.revision not in applied]
        found = environment.foreseen(at.connection, pending, at.settings)
        work, unread = (found.touched, found.unread) if found else ({}, [])
        server, *others = examine(at.connection, work, at.settings, unread)
        return [server, _history_state(at), *others]

    return look_at(config, look)


def _history_state(at: Database) -> Result:
    fixed = history.fixed_numbers(at.connection)
    findings = history.verify(at.project, history.applied(at.connection), at.heads, fixed)
    if not findings:
        return Result("history", State.OK, "files, history and alembic_version agree")
    messages = "; ".join(finding.message for finding in findings)
    return Result("history", State(at.settings.history_policy), messages, tuple(each.hint for each in findings))


def refuse(findings: list[Finding]) -> None:
    """Raise if there is any finding.

    :raises ValidationFailed: with all of them.
    """
    if findings:
        raise ValidationFailed(f"validation found {len(findings)} fault(s)", findings=findings)


def adopt(config: Config) -> list[str]:
    """Take over a database that plain Alembic migrated: fill the history without running anything.

    :returns: the revisions recorded, in order.
    """
    return _with_recorder(config, adoption.adopt)


def repair(config: Config, revision: str) -> list[str]:
    """Accept the files of an applied revision as they are now; leaves an event.

    :param revision: its id or number; ``all`` for every applied one that has changed.
    :returns: the revisions whose record was changed.
    """

    def accept(connection: Connection, recorder: Recorder, heads: tuple[str, ...]) -> list[str]:
        return adoption.repair(connection, recorder, revision)

    return _with_recorder(config, accept)


def renumber(config: Config) -> list[tuple[str, str]]:
    """Give revisions that clash with others, or come late, the next free numbers.

    :returns: (old id, new id) of each.
    :raises HistoryError: if one that would have to change is applied.
    """
    settings = Settings.read(config, x_arguments(config))
    with connect(create_engine(url_of(settings), poolclass=NullPool)) as connection:
        applied, heads = applied_revisions(config, connection)
    script = ScriptDirectory.from_config(config)
    return renumbering.renumber(script, settings.sql_location, applied, () if applied else heads)


def reflect(config: Config, schemas: Sequence[str] = (), tables: Sequence[str] = ()) -> str:
    """The declarations of the database as it is: a Python module with its tables and what TimescaleDB adds to them.

    :param schemas: none: the default schema.
    :param tables: names without their schema; none: all of them.
    :raises InvalidObject: if there is no such schema or table.
    """
    wanted = reflection.Wanted(schemas or (None,), tables)
    return look_at(config, lambda at: reflection.module(at.connection, wanted))


def lint(config: Config, wanted: review.Wanted | None = None, *, database: bool = False) -> list[review.Verdict]:
    """Judge what revisions and SQL files would do, without running them.

    :param wanted: which; None: all revisions, with a database those that are pending there.
    :param database: read the catalog of the database too; else nothing is connected to.
    :raises CommandError: if there is no such revision, or a file cannot be read.
    """
    wanted = wanted or review.Wanted()
    if database:
        return look_at(config, lambda at: _reviewed(at.project, at.settings, wanted, at))
    settings, script = Settings.read(config, x_arguments(config)), ScriptDirectory.from_config(config)
    history.load(config, script, settings)
    project = Project.read(script, settings.sql_location)
    with history.in_process, EnvironmentContext(config, script, as_sql=True):
        return _reviewed(project, settings, wanted)


def _reviewed(
    project: Project, settings: Settings, wanted: review.Wanted, at: Database | None = None
) -> list[review.Verdict]:
    applied = {each.revision for each in project.behind(at.heads)} if at is not None else set()
    offered = [each for each in project.ordered if (each.revision in applied) == (wanted.downgrade and at is not None)]
    readings = [review.read_file(path) for path in review.files(wanted)]
    for script in review.revisions(project, wanted, offered):
        readings.append(review.read(script, settings, downgrade=wanted.downgrade))
    if at is not None:
        return review.judge(readings, safety.facts(at.connection))
    return [verdict for reading in readings for verdict in review.judge([reading], safety.Facts())]


def seed(config: Config, names: list[str] | None = None) -> list[str]:
    """Load the seeds; returns their file names."""

    def load(at: Database) -> list[str]:
        state = check(at.connection)
        with environment.locks_of(at.connection, at.settings, state) as held:
            return seeds.load(at.connection, at.settings, names, asking=held.again)

    return look_at(config, load)


def _with_recorder(config: Config, work: Callable[[Connection, Recorder, tuple[str, ...]], list[str]]) -> list[str]:
    def write(at: Database) -> list[str]:
        with environment.upgrade_lock(at.connection, at.settings, check(at.connection)):
            bookkeeping.upgrade(at.connection)
            assigned = numbers.assign(at.project.ordered, history.fixed_numbers(at.connection))
            done = work(at.connection, Recorder(at.project, assigned, at.settings.environment), at.heads)
            at.connection.commit()
        return done

    return look_at(config, write)


def _revision_with(config: Config, target: str) -> str:
    """The id of the revision with a number; Alembic's own ids and symbols pass unchanged."""
    if not target.isdigit():
        return target
    script = ScriptDirectory.from_config(config)
    history.load(config, script, Settings.read(config, x_arguments(config)))
    ordered = numbers.in_order(script)
    fixed: dict[str, int] = {}
    if any(numbers.number_in(each.revision) is None for each in ordered):
        fixed = look_at(config, lambda at: history.fixed_numbers(at.connection))
    assigned = numbers.assign(ordered, fixed)
    found = [name for name, number in assigned.items() if number == int(target)]
    if not found:
        highest = max(assigned.values(), default=0)
        raise HistoryError(
            f"no revision has the number {target}", hint=f"numbers go from 1 to {highest}; see `tsext status`"
        )
    return found[0]


def _applied_beyond(config: Config, target: str) -> set[str]:
    """Applied revisions if one with a higher number than the target is applied, else none."""
    if not target.isdigit():
        return set()
    recorded = look_at(config, lambda at: history.applied(at.connection))
    if max((record.version for record in recorded), default=0) <= int(target):
        return set()
    return {record.revision for record in recorded if record.revision}


def _models_equal_schema(config: Config, at: Database) -> list[Finding]:
    if at.context.opts.get("target_metadata") is None:
        log.warning("env.py gives no models, so there is nothing to compare the schema with")
        return []
    found = validation.compared(at.context, config, at.project.script)
    return [replace(each, severity=Severity.ERROR) for each in found.findings]


def _scaffold(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(text, encoding="utf-8")
