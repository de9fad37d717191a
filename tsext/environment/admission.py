"""Which of the pending revisions may run here and now: the environment's policy, maintenance windows, phases."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from alembic.script import Script
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext.environment.foreseeing import Foreseen, foreseen
from tsext.environment.locking import locked_by
from tsext.errors import Finding, PreflightFailed, RevisionRefused, SettingsError, ValidationFailed
from tsext.history import Recorder
from tsext.history.recording import Steps
from tsext.phases import Phase, refused_versions, versions
from tsext.settings import Settings

if TYPE_CHECKING:
    from packaging.version import Version

    from tsext.maintenance import Window
    from tsext.model.locks import LockMode
    from tsext.review import Verdict

log = logging.getLogger("alembic.tsext")


def now() -> datetime:
    """The time that maintenance windows are compared with: the clock of this machine."""
    return datetime.now(UTC)


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

        def read(heads: Any, context: MigrationContext) -> Iterator[MigrationStep]:
            steps = list(steps_of(heads, context))
            revisions = [step for step in steps if isinstance(step, RevisionStep)]
            if not context.as_sql and revisions:
                assert context.connection is not None
                self._read(context.connection, revisions)
            yield from steps

        return read

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
        if self.foreseen is None:
            return ()
        if revision in self.foreseen.unread:
            return None
        return {touch.relation for touch in self.foreseen.touched.get(revision, ())} & self.foreseen.tables

    def locked_by(self, statement: str) -> Mapping[str, LockMode]:
        """What a statement locks, in the light of the catalog as it was before the run; else as its text has it."""
        known = locked_by(statement, self.foreseen.facts_and_functions) if self.foreseen else {}
        return known or locked_by(statement)

    def validate(self, refused: RevisionRefused | None = None) -> None:
        """Whether every revision that was run took no longer than it may.

        :param refused: why others were not run, which is then told as well.
        :raises ValidationFailed: naming those that took longer.
        """
        limit = self.settings.max_execution_time
        if limit is None:
            return
        slow = [
            Finding(
                "slow-revision",
                f"revision {revision} took {timedelta(milliseconds=taken)}, longer than max_execution_time ({limit})",
                "split it, do its work in the background, or raise max_execution_time if that is what it takes",
            )
            for revision, taken in self.recorder.taken.items()
            if timedelta(milliseconds=taken) > limit
        ]
        if slow:
            if refused is not None:
                log.warning("%s", refused)
            raise ValidationFailed(
                f"{len(slow)} revision(s) took too long; they are applied in {self.settings.environment}",
                hint="see to it before they run in production",
                findings=slow,
            )

    # --- before the first revision

    def _read(self, connection: Connection, steps: list[RevisionStep]) -> None:
        from tsext.preflight import checking

        for step in steps:
            phase = Phase.of(step.revision)
            if step.is_upgrade and phase.requires_application:
                self.phases[step.revision.revision] = phase
        with _looking(connection):
            found = foreseen(connection, [(step.revision, step.is_downgrade) for step in steps], self.settings)
            checking.refuse(connection, found.touched if found else {}, self.settings)
        self.foreseen = found
        if self.settings.unsafe_revisions == "ignore" or found is None:
            return
        from tsext import review  # brings the grammar

        verdicts = review.judge(found.readings, found.facts)
        self.verdicts = {verdict.reading.name: verdict for verdict in verdicts}
        _refuse_what_fails(verdicts)
        for verdict in verdicts:
            self._tell(verdict)

    def _tell(self, verdict: Verdict) -> None:
        from tsext import review

        for waived in verdict.expired:
            log.warning("%s: a waiver has expired: %s", review.place(waived.hazard), waived.waiver)
        if not verdict.is_unsafe:
            return
        if self.settings.unsafe_revisions == "warn":
            for finding in verdict.findings:
                log.warning("revision %s is unsafe: %s", verdict.reading.name, finding)
        elif self.settings.unsafe_revisions == "allow":
            log.info("revision %s is unsafe (%s): `tsext lint` tells more", verdict.reading.name, _rules(verdict))

    # --- before each revision

    def _admit(self, connection: Connection, step: RevisionStep) -> None:
        script = step.revision
        if script.revision in self.phases:
            self._refuse_early(connection, script)
        verdict = self.verdicts.get(script.revision)
        if verdict is not None:
            self.recorder.notes[script.revision] = {**_noted(verdict), **self._maintenance(verdict)}

    def _refuse_early(self, connection: Connection, script: Script) -> None:
        """Refuse what the application that is running does not allow yet."""
        phase = self.phases[script.revision]
        running = running_versions(connection, self.settings)
        if not running:
            raise RevisionRefused(
                f"revision {script.revision} requires application {phase.requires_application}, and nothing tells "
                "which version is running",
                hint="give it with -x app-version=2.4.1, or set application_version_query or application_version",
            )
        if refused := refused_versions(script, phase, running):
            raise RevisionRefused(
                f"revision {script.revision} requires application {phase.requires_application}, but "
                f"{', '.join(map(str, refused))} is running",
                hint="deploy the application everywhere, then run the same command again; revisions before it are "
                "applied",
            )

    def _maintenance(self, verdict: Verdict) -> dict[str, str]:
        """Why an unsafe revision may run now, for its event.

        :raises RevisionRefused: if it may not.
        """
        if not verdict.is_unsafe:
            return {}
        policy, reason = self.settings.unsafe_revisions, self.settings.maintenance_reason
        if verdict.reading.downgrade:  # whoever rolls back has a reason, and no time to wait
            if policy in ("window", "refuse"):
                log.warning("the downgrade of revision %s is unsafe: %s", verdict.reading.name, _rules(verdict))
            return {"maintenance_reason": reason} if reason else {}
        if policy == "refuse":
            raise _refusal(verdict, f"{self.settings.environment} refuses unsafe revisions", "make it safe")
        if reason:
            return {"maintenance_reason": reason}
        if policy != "window":
            return {}
        from tsext import maintenance

        moment, windows = now(), self.settings.maintenance_windows
        found = maintenance.open_window(windows, moment)
        if found is None:
            what = f"no maintenance window of {self.settings.environment} is open"
            raise _refusal(verdict, what, _when(maintenance.next_opening(windows, moment)))
        return {"maintenance_window": str(found)}


def running_versions(connection: Connection, settings: Settings) -> list[Version]:
    """The versions of the application that are running: given with ``-x``, asked for, or set; none if nothing tells.

    :raises SettingsError: if the query fails, or what it returns is no version.
    """
    if settings.version_given:
        return versions(settings.version_given, "-x app-version")
    if not settings.application_version_query:
        return versions(settings.application_version, "application_version")
    try:
        rows = connection.exec_driver_sql(
            settings.application_version_query, execution_options={"no_parameters": True}
        ).all()
    except DBAPIError as error:
        raise SettingsError(
            f"application_version_query failed: {str(error.orig).strip()}",
            hint="let it return one row for each version that is running",
        ) from error
    return versions(",".join(str(row[0]) for row in rows), "application_version_query")


@contextmanager
def _looking(connection: Connection) -> Iterator[None]:
    """Ask for sizes, which wait for whoever has locked a table against everything; not for long."""
    with connection.begin_nested() as savepoint:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
        try:
            yield
        except DBAPIError as error:
            if "lock timeout" not in str(error.orig):
                raise
            raise PreflightFailed(
                "what is pending cannot be judged: somebody holds a table locked against everything",
                hint="wait for it, or end it: SELECT pid, relation::regclass FROM pg_locks "
                "WHERE mode = 'AccessExclusiveLock' AND granted",
            ) from error
        savepoint.rollback()  # and with it the limit


def _refuse_what_fails(verdicts: list[Verdict]) -> None:
    """Refuse what the server surely would; of what is not there, or there already, it will tell itself.

    Whoever rolls back must not be held by a false alarm: the server may have the last word.
    """
    from tsext import review

    failing = [verdict for verdict in verdicts if verdict.will_fail and not verdict.reading.downgrade]
    if failing:
        raise PreflightFailed(
            f"revision {failing[0].reading.name} would fail; nothing has been run",
            hint="mend it; if it would not fail after all, waive the rule: with safety.assured(…)",
            findings=[finding for verdict in failing for finding in review.located(verdict.will_fail)],
        )


def _refusal(verdict: Verdict, what: str, cure: str) -> RevisionRefused:
    return RevisionRefused(
        f"revision {verdict.reading.name} is unsafe, and {what}; revisions before it are applied",
        hint=cure,
        findings=verdict.findings,
    )


def _when(opening: tuple[datetime, Window] | None) -> str:
    reason = 'give -x maintenance-window="why others may notice it now"'
    if opening is None:
        return f"declare one in the setting maintenance_windows, {reason}, or make the revision safe"
    opens, window = opening
    local = opens.astimezone(window.zone)
    return f"run it again when the next opens, {local:%a %Y-%m-%d %H:%M} {window.zone.key} ({window}); or {reason}"


def _rules(verdict: Verdict) -> str:
    return ", ".join(sorted({hazard.rule for hazard in verdict.hazards}))


def _noted(verdict: Verdict) -> dict[str, Any]:
    """What the event of a revision tells of its review."""
    noted: dict[str, Any] = {}
    if verdict.is_unsafe:
        noted["unsafe"] = sorted({hazard.rule for hazard in verdict.hazards})
    if verdict.waived:
        noted["waivers"] = [waived.details for waived in verdict.waived]
    return noted
