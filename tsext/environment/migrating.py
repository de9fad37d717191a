"""An upgrade, downgrade or stamp: lock, verify, refuse, run, record, load seeds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
from tsext.environment.validating import Invalid, Validating, refuse_slow
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
        gate = Gate(run.settings, recorder)
        watching = Watching(connection, run.settings, recorder, gate.touched, off=state.single_client)
        with locks_of(connection, run.settings, state, gate.locked_by) as held, watching:
            _let_record(recorder, held)
            migration = Migration(run, connection, recorder, gate, watching.over(held), state.search_path)
            migration.verify(fixed)
            try:
                migration.run_validated()
            except RevisionRefused as refused:
                refuse_slow(run.settings, recorder, refused)
                raise
            except Exception as error:
                fail(connection, recorder, error, single_client=state.single_client)
            migration.load_seeds(held)
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


@dataclass
class Migration:
    """What a command does to a database: the steps, and what precedes and follows them."""

    run: Run
    connection: Connection
    recorder: Recorder
    gate: Gate
    asking: Asking
    search_path: str
    """Of the connection, before any revision sets another."""

    def __post_init__(self) -> None:
        """Have the steps listed that may run: each is validated, and what could not be committed begins again."""
        self.validating = Validating(self.run, self.recorder, self.search_path)
        self.committing = Committing(self.recorder)
        admitted = _admitted(self.run, self.recorder, self.gate, self.asking)
        self.context = self._configured(self.committing.following(self.validating.following(admitted)))

    def _configured(self, steps_of: Steps) -> MigrationContext:
        return self.run.configure(**_followed(self.run, self.recorder, steps_of), connection=self.connection)

    def verify(self, bridged: dict[str, int]) -> None:
        """Whether the files and the history agree.

        :param bridged: the numbers that revisions were recorded with.
        :raises HistoryError: if they do not, and the settings do not let that pass.
        """
        run, recorder = self.run, self.recorder
        recorded = records.applied(self.connection)
        heads = self.context.get_current_heads()
        self.connection.rollback()
        recorder.applied = {record.revision for record in recorded if record.revision}
        if run.is_stamp:
            return
        if recorded and not heads and self.context.version_table_schema:
            raise HistoryError(
                f"migration_history has {len(recorded)} applied revisions, but nothing is applied according to "
                f"{self.context.version_table_schema}.{self.context.version_table}",
                hint=history.ONE_PER_DATABASE,
            )
        findings = history.verify(recorder.project, recorded, heads, bridged)
        if findings and run.settings.history_policy == "fail":
            raise HistoryError("the files and the history of this database disagree", findings=findings)
        for finding in findings:
            log.warning("%s", finding)

    def run_validated(self) -> None:
        """Run the steps, as far as they may run; what turns out invalid is answered as the environment says.

        :raises RevisionRefused: if they may not all run, once those that did are found to be valid.
        """
        refused, validating = None, self.validating
        try:
            refused = self._run_admitted()
            validating.put_session_back(self.connection)
            if validating.done:
                validating.at_end(self.context, at_head=refused is None and self._is_at_head())
        except Invalid as invalid:
            if refused is not None:
                log.warning("%s", refused)
            validating.put_session_back(self.connection)
            validating.answer(invalid, self.connection, self._take_back)
        if refused is not None:
            raise refused

    def _run_admitted(self) -> RevisionRefused | None:
        """Run the steps; returns why no more of them, if the gate stopped them."""
        try:
            self.committing.run(self.connection, self.run.run_steps)
        except RevisionRefused as refused:
            self.connection.rollback()  # in which the gate looked
            return refused
        return None

    def _take_back(self, steps: Sequence[MigrationStep]) -> None:
        """Run downgrades in this order, recorded and watched as those of a command are."""

        def steps_of(heads: Any, context: MigrationContext) -> Iterator[MigrationStep]:
            yield from steps

        self._configured(self.recorder.following(self.asking(steps_of)))
        self.run.run_steps()

    def _is_at_head(self) -> bool:
        heads = self.run.environment.script.get_heads(consider_depends_on=True)
        at_head = set(self.context.get_current_heads()) == set(heads)
        self.connection.rollback()
        return at_head

    def load_seeds(self, held: Locks) -> None:
        """Load what the environment wants of seeds, once the database is at its head."""
        if not self.recorder.steps_done or not self.run.settings.loads_seeds or self.run.is_stamp:
            return
        if self._is_at_head():
            from tsext import seeds  # brings the grammar

            seeds.load(self.connection, self.run.settings, asking=held.again)


# --- what the steps are


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


def _refuse_foreign_file(recorder: Recorder, path: Path) -> None:
    """What ``op.execute_file`` asks before it runs a file."""
    info = getattr(recorder.step, "info", None)
    if info is not None:
        script = recorder.project.revision(info.up_revision_id)
        history.refuse_foreign(script, recorder.project.files(script), path)
