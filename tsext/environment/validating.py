"""An upgrade's validation: each revision after its commit, the whole at the end; and what follows if it fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from sqlalchemy import Connection, MetaData

from tsext import durations
from tsext.errors import Finding, RevisionRefused, Severity, ValidationFailed
from tsext.history import Recorder, records
from tsext.settings import Settings
from tsext.steps import Steps

if TYPE_CHECKING:
    from tsext.environment.running import Run

log = logging.getLogger("alembic.tsext")

TakeBack = Callable[[Sequence[MigrationStep]], None]
"""Runs steps, as the command itself would."""


class Invalid(Exception):
    """What was found, on its way to :meth:`Validating.answer`."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(findings)
        self.findings = findings


@dataclass
class Validating:
    """Follows the steps of one run; downgrades and stamps are not validated."""

    run: Run
    recorder: Recorder
    search_path: str
    """Of the connection, before any revision sets another."""
    done: list[RevisionStep] = field(default_factory=list)
    """Upgrades of this run, in order."""
    before: set[Finding] | None = None
    """What was wrong with indexes and constraints when the run began; None until then."""

    def following(self, steps_of: Steps) -> Steps:
        """The steps, each validated when Alembic, having committed it, asks for the next.

        :raises Invalid: instead of the next step.
        """

        def followed(heads: Any, context: MigrationContext) -> Iterator[MigrationStep]:
            for step in steps_of(heads, context):
                if context.as_sql or not isinstance(step, RevisionStep) or step.is_downgrade:
                    yield step
                else:
                    assert context.connection is not None
                    yield from self._validated(context.connection, step)

        return followed

    def _validated(self, connection: Connection, step: RevisionStep) -> Iterator[MigrationStep]:
        from tsext import validation  # brings the catalog

        settings = self.run.settings
        if self.before is None:
            self.before = set(self._of_relations(connection))
        script, checks = step.revision, settings.validate_checks != "off"
        counts = validation.counted(connection, script, settings.validation_timeout) if checks else {}
        yield step
        self.done.append(step)
        if checks:
            check = self.recorder.project.index.check(script)
            findings = validation.of_revision(connection, script, check, settings.validation_timeout, counts)
            self._judge(findings, settings.validate_checks)

    def put_session_back(self, connection: Connection) -> None:
        """Let who looks at what was made see the database as its next client does, whatever a revision has set."""
        if self.recorder.steps_done:
            connection.rollback()
            if self.recorder.who is not None and self.recorder.role_may_differ():
                self.recorder.who.becomes(connection, local=False)
            connection.exec_driver_sql("SELECT set_config('search_path', %(path)s, false)", {"path": self.search_path})
            connection.commit()

    def at_end(self, context: MigrationContext, *, at_head: bool) -> None:
        """Validate what the run as a whole has made.

        :raises Invalid: with what the environment does not let pass.
        """
        from tsext import validation  # brings the catalog

        connection = context.connection
        assert connection is not None
        new = [each for each in self._of_relations(connection) if each not in (self.before or ())]
        connection.rollback()
        of_indexes = [each for each in new if each.rule.startswith("index")]
        self._judge(of_indexes, self.run.settings.validate_indexes)
        self._judge([each for each in new if each not in of_indexes], self.run.settings.validate_constraints)
        if at_head and self.run.settings.validate_models != "off" and _has_tables(self.run.metadata):
            environment = self.run.environment
            found = validation.compared(context, environment.config, environment.script)
            connection.rollback()
            self._judge(list(found.findings), self.run.settings.validate_models)

    def _of_relations(self, connection: Connection) -> Iterator[Finding]:
        from tsext import validation  # brings the catalog

        if self.run.settings.validate_indexes != "off":
            yield from validation.indexes(connection)
        if self.run.settings.validate_constraints != "off":
            yield from validation.constraints(connection)

    def _judge(self, findings: Sequence[Finding], answer: str) -> None:
        errors = [each for each in findings if answer == "fail" and each.severity is Severity.ERROR]
        for each in findings:
            if each not in errors:
                log.warning("validation: %s", each)
        if errors:
            raise Invalid(errors)

    # --- what follows

    def answer(self, invalid: Invalid, connection: Connection, take_back: TakeBack) -> NoReturn:
        """Record, tell, and roll back or stop, as the environment says.

        :param take_back: runs the downgrades.
        :raises ValidationFailed: with all that was found.
        """
        names = [step.revision.revision for step in self.done]
        lasting = [name for name, step in zip(names, self.done, strict=True) if not self._has_way_back(step)]
        rolls_back = self.run.settings.on_validation_failure == "rollback"
        answer = "rollback" if rolls_back and not lasting else "stop"
        self._record(connection, invalid, {"answer": answer, "revisions": names})
        for finding in invalid.findings:
            log.error("validation failed: %s", finding)
        if answer == "rollback":
            take_back(
                [RevisionStep(step.revision_map, step.revision, is_upgrade=False) for step in reversed(self.done)]
            )
            outcome, cure = f"{', '.join(names)} rolled back", "mend the revision, and run the same command again"
        else:
            outcome = f"{', '.join(names)} stay applied"
            cure = "mend what was found, then run `tsext validate`; or go back with `tsext rollback`"
            if rolls_back:
                cure = f"there is no way back from {', '.join(lasting)}, so nothing was rolled back; {cure}"
        raise ValidationFailed(f"validation failed; {outcome}", hint=cure, findings=invalid.findings)

    def _has_way_back(self, step: RevisionStep) -> bool:
        return self.recorder.project.files(step.revision).rollback_available

    def _record(self, connection: Connection, invalid: Invalid, details: dict[str, Any]) -> None:
        connection.rollback()
        entry = self.recorder.entry("validation", self.done[-1].revision, self.recorder.elapsed_ms)
        reason = "; ".join(finding.message for finding in invalid.findings)
        records.write(connection, replace(entry, error=reason, details=details))
        connection.commit()


def refuse_slow(settings: Settings, recorder: Recorder, refused: RevisionRefused | None = None) -> None:
    """Whether every revision that was run took no longer than it may.

    :param refused: why others were not run, which is then told as well.
    :raises ValidationFailed: naming those that took longer.
    """
    limit = settings.max_execution_time
    if limit is None:
        return
    most = f"max_execution_time ({durations.spelled(limit)})"
    slow = [
        Finding(
            "slow-revision",
            f"revision {revision} took {durations.measured(taken / 1000)}, longer than {most}",
            "split it, do its work in the background, or raise max_execution_time if that is what it takes",
        )
        for revision, taken in recorder.taken.items()
        if timedelta(milliseconds=taken) > limit
    ]
    if slow:
        if refused is not None:
            log.warning("%s", refused)
        raise ValidationFailed(
            f"{len(slow)} revision(s) took too long; they are applied in {settings.environment}",
            hint="see to it before they run in production",
            findings=slow,
        )


def _has_tables(metadata: MetaData | Sequence[MetaData] | None) -> bool:
    """Whether there are models at all: without one, everything would be surplus."""
    several = [metadata] if isinstance(metadata, MetaData) else metadata or ()
    return any(each.tables for each in several)
