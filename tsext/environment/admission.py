"""Which of the pending revisions may run here and now: the run stops before the first that may not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from sqlalchemy import Connection

from tsext.environment.foreseeing import Foreseen, foreseen, looking
from tsext.environment.locking import locked_by
from tsext.history import Recorder
from tsext.phases import Phase
from tsext.settings import Settings
from tsext.steps import Steps, seen_first

if TYPE_CHECKING:
    from tsext.model.locks import LockMode
    from tsext.review import Verdict


@dataclass
class Gate:
    """Lets a run go as far as it may: it stops at the boundary before the first revision that must not run.

    It asks the database in the transaction of the revision that follows: before the first one, Alembic has made its
    version table there.
    """

    settings: Settings
    recorder: Recorder
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """By revision; empty where the policy needs none."""
    phases: dict[str, Phase] = field(default_factory=dict)
    """Of those revisions that are upgraded to and have one."""
    foreseen: Foreseen | None = None
    """What the pending revisions would do; None if the database holds nothing that they could hurt."""

    def reading(self, steps_of: Steps) -> Steps:
        """Alembic's function that lists the steps; what they would do is read before the first of them."""
        return seen_first(steps_of, self._read)

    def admitting(self, steps_of: Steps) -> Steps:
        """Alembic's function that lists the steps, up to the first that must not run now."""

        def admitted(heads: Any, context: MigrationContext) -> Iterator[MigrationStep]:
            for step in steps_of(heads, context):
                if not context.as_sql and isinstance(step, RevisionStep):
                    assert context.connection is not None
                    self._admit(context.connection, step)
                yield step

        return admitted

    def touched(self, revision: str) -> Collection[str] | None:
        """The tables that a revision locks, among those that were there before the run; None if that cannot be told."""
        return self.foreseen.tables_of(revision) if self.foreseen else ()

    def locked_by(self, statement: str) -> Mapping[str, LockMode]:
        """What a statement locks, in the light of the catalog as it was before the run; else as its text has it."""
        known = locked_by(statement, self.foreseen.facts_and_functions) if self.foreseen else {}
        return known or locked_by(statement)

    def _read(self, connection: Connection, steps: list[RevisionStep]) -> None:
        """Look at all that is pending, before the first of it."""
        from tsext.preflight import checking

        for step in steps:
            phase = Phase.of(step.revision)
            if step.is_upgrade and phase.requires_application:
                self.phases[step.revision.revision] = phase
        with looking(connection):
            found = foreseen(connection, [(step.revision, step.is_downgrade) for step in steps], self.settings)
            checking.refuse(connection, found.touched if found else {}, self.settings)
        self.foreseen = found
        if self.settings.unsafe_revisions == "ignore" or found is None:
            return
        from tsext import review  # brings the grammar
        from tsext.environment import policy

        verdicts = review.judge(found.readings, found.facts)
        self.verdicts = {verdict.reading.name: verdict for verdict in verdicts}
        policy.refuse_what_fails(verdicts)
        for verdict in verdicts:
            policy.tell(verdict, self.settings)

    def _admit(self, connection: Connection, step: RevisionStep) -> None:
        """Look at one revision, right before it."""
        script = step.revision
        if script.revision in self.phases:
            from tsext.environment import releases  # few revisions wait for a version of the application

            releases.refuse_early(connection, script, self.phases[script.revision], self.settings)
        verdict = self.verdicts.get(script.revision)
        if verdict is not None:
            from tsext.environment import policy

            self.recorder.notes[script.revision] = policy.admit(verdict, self.settings)
