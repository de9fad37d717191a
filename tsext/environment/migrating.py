"""An upgrade, downgrade or stamp: lock, verify, refuse, run, record, load seeds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from sqlalchemy import Connection

from tsext import history, preflight
from tsext.environment.admission import Gate
from tsext.environment.committing import Committing
from tsext.environment.connecting import upgrade_lock
from tsext.environment.failing import fail
from tsext.environment.locking import locks_of
from tsext.environment.validating import Invalid, TakeBack, Validating, refuse_slow
from tsext.environment.watching import Watching
from tsext.errors import HistoryError, RevisionRefused
from tsext.history import Project, Recorder, bookkeeping, numbers, records
from tsext.locks import Locks
from tsext.operations.optional import SKIPPED
from tsext.settings import Settings
from tsext.steps import Steps, seen_first

if TYPE_CHECKING:
    from tsext.environment.running import Run

log = logging.getLogger("alembic.tsext")

Asking = Callable[[Steps], Steps]
"""Wraps the function that lists the steps: each acquires its locks by the policy, and is watched."""


def migrate(run: Run, connection: Connection) -> None:
    """Take the database where the command says, one revision after the other."""
    state = preflight.check(connection)
    with upgrade_lock(connection, run.settings, state):
        history.refuse_elsewhere(connection)
        bookkeeping.upgrade(connection)
        project = Project.read(run.environment.script, run.settings.sql_location)
        fixed = records.fixed_numbers(connection)
        connection.rollback()  # inside a transaction, Alembic would leave the commit to us
        recorder = Recorder(project, numbers.assign(project.ordered, fixed), run.settings.environment, who=state.who)
        gate, validating = Gate(run.settings, recorder), Validating(run, recorder, state.search_path)
        watching = Watching(connection, run.settings, recorder, gate.touched, off=state.single_client)
        with locks_of(connection, run.settings, state, gate.locked_by) as held, watching:
            _let_record(recorder, held)
            asking = watching.over(held)
            committing = Committing(recorder)
            steps_of = committing.following(validating.following(_admitted(run, recorder, gate, asking)))
            context = run.configure(**_followed(run, recorder, steps_of), connection=connection)
            _verify(run, context, recorder, fixed)
            try:
                take_back = partial(_take_back, run, recorder, asking)
                _run_validated(run, committing, context, validating, take_back)
            except RevisionRefused as refused:
                refuse_slow(run.settings, recorder, refused)
                raise
            except Exception as error:
                fail(connection, recorder, error, single_client=state.single_client)
            _load_seeds(run, context, recorder, held)
            refuse_slow(run.settings, recorder)


def _let_record(recorder: Recorder, held: Locks) -> None:
    """Let the recorder tell what it took to get the locks, and begin with a step again where they do."""
    recorder.observers.append(lambda: held.attempts.details)
    recorder.commits = lambda: held.committed
    recorder.role_may_differ = lambda: held.role_may_differ
    held.before_again.append(recorder.skipped.clear)


def write_script(run: Run) -> None:
    """Print the SQL of the command at hand: offline mode."""
    project = Project.read(run.environment.script, run.settings.sql_location)
    recorder = Recorder(project, numbers.assign(project.ordered, {}), run.settings.environment)
    gate = Gate(run.settings, recorder)
    run.configure(
        **(_followed(run, recorder, _admitted(run, recorder, gate)) if "destination_rev" in run.asked else {}),
        dialect_name="postgresql",
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
    )
    run.run_steps()


def _run_validated(
    run: Run, committing: Committing, context: MigrationContext, validating: Validating, take_back: TakeBack
) -> None:
    """Run the steps, as far as they may run; what turns out invalid is answered as the environment says.

    :raises RevisionRefused: if they may not all run, once those that did are found to be valid.
    """
    refused, connection = None, context.connection
    assert connection is not None
    try:
        refused = _run_admitted(run, committing, context)
        validating.put_session_back(connection)
        if validating.done:
            validating.at_end(context, at_head=refused is None and _at_head(run, context))
    except Invalid as invalid:
        if refused is not None:
            log.warning("%s", refused)
        validating.put_session_back(connection)
        validating.answer(invalid, connection, take_back)
    if refused is not None:
        raise refused


def _run_admitted(run: Run, committing: Committing, context: MigrationContext) -> RevisionRefused | None:
    """Run the steps; returns why no more of them, if the gate stopped them."""
    assert context.connection is not None
    try:
        committing.run(context.connection, run.run_steps)
    except RevisionRefused as refused:
        context.connection.rollback()  # in which the gate looked
        return refused
    return None


def _take_back(
    run: Run, recorder: Recorder, asking: Asking, connection: Connection, steps: Sequence[MigrationStep]
) -> None:
    """Run downgrades in this order, recorded and watched as those of a command are."""

    def steps_of(heads: Any, context: MigrationContext) -> Iterator[MigrationStep]:
        yield from steps

    run.configure(**_followed(run, recorder, recorder.following(asking(steps_of))), connection=connection)
    run.run_steps()


def _admitted(run: Run, recorder: Recorder, gate: Gate, asking: Asking = lambda steps: steps) -> Steps:
    """The steps that the command asks for, as far as they may run.

    :param asking: has each acquire its locks by the policy.
    """
    able = seen_first(run.asked["fn"], partial(_refuse_lacking, run.settings))
    return gate.admitting(recorder.following(asking(gate.reading(able))))


def _followed(run: Run, recorder: Recorder, steps_of: Steps) -> dict[str, Any]:
    """What ``context.configure`` takes so that the recorder follows the steps."""
    theirs = run.options.get("on_version_apply") or ()
    hooks = tuple(theirs) if isinstance(theirs, tuple | list | set) else (theirs,)
    return {
        "fn": steps_of,
        "on_version_apply": (recorder.on_version_apply, *hooks),
        "tsext_refuse_foreign_file": partial(_refuse_foreign_file, recorder),
        SKIPPED: recorder.skipped,
    }


def _refuse_lacking(settings: Settings, connection: Connection, steps: Sequence[RevisionStep]) -> None:
    """Refuse at once what a later revision needs and this server lacks."""
    from tsext.operations import calling

    calls = [call for step in steps for call in calling.calls_of(step.revision, step.migration_fn)]
    if calls:
        from tsext.operations import pending  # brings the nouns

        pending.refuse(connection, calls, settings)


def _verify(run: Run, context: MigrationContext, recorder: Recorder, bridged: dict[str, int]) -> None:
    connection = context.connection
    assert connection is not None
    recorded = records.applied(connection)
    heads = context.get_current_heads()
    connection.rollback()
    recorder.applied = {record.revision for record in recorded if record.revision}
    if run.is_stamp:
        return
    if recorded and not heads and context.version_table_schema:
        raise HistoryError(
            f"migration_history has {len(recorded)} applied revisions, but nothing is applied according to "
            f"{context.version_table_schema}.{context.version_table}",
            hint=history.ONE_PER_DATABASE,
        )
    findings = history.verify(recorder.project, recorded, heads, bridged)
    if findings and run.settings.history_policy == "fail":
        raise HistoryError("the files and the history of this database disagree", findings=findings)
    for finding in findings:
        log.warning("%s", finding)


def _refuse_foreign_file(recorder: Recorder, path: Path) -> None:
    """What ``op.execute_file`` asks before it runs a file."""
    info = getattr(recorder.step, "info", None)
    if info is not None:
        script = recorder.project.revision(info.up_revision_id)
        history.refuse_foreign(script, recorder.project.files(script), path)


def _at_head(run: Run, context: MigrationContext) -> bool:
    connection = context.connection
    assert connection is not None
    heads = run.environment.script.get_heads(consider_depends_on=True)
    at_head = set(context.get_current_heads()) == set(heads)
    connection.rollback()
    return at_head


def _load_seeds(run: Run, context: MigrationContext, recorder: Recorder, held: Locks) -> None:
    if not recorder.steps_done or not run.settings.loads_seeds or run.is_stamp:
        return
    if _at_head(run, context):
        from tsext import seeds  # brings the grammar

        assert context.connection is not None
        seeds.load(context.connection, run.settings, asking=held.again)
