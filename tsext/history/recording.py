"""Following a run: which step is at work, how long it takes, and recording it with the deed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationInfo, MigrationStep
from alembic.script import Script
from sqlalchemy import Connection, RootTransaction

from tsext.history import bookkeeping, numbers, records
from tsext.history.records import Entry
from tsext.history.roles import Printed, Who
from tsext.history.verification import Project
from tsext.sql.quoting import literal
from tsext.steps import Steps

LONG_RUN = 50
"""Steps from which on a run does not wait after each until it is on disk, only after the last.

So many build a database anew. The log is written in order: a crash of the server takes back the newest revisions,
whole and with their records, and the next run goes on from there."""


@dataclass
class Recorder:
    """Records every step of one run, in the step's own transaction."""

    project: Project
    numbers: dict[str, int]
    """Revision to number, of all revisions."""
    environment: str
    applied: set[str] = field(default_factory=set)
    """Revisions in ``migration_history``; kept up to date by the steps."""
    step: MigrationStep | None = None
    """The step at work, None between steps."""
    started: float = 0.0
    committed: bool = False
    """Whether the step at work has committed anything itself, as an autocommit block does."""
    commits: Callable[[], bool] = lambda: False
    """Asked whether it has, where SQLAlchemy does not know of it: ``COMMIT`` as text."""
    worked: bool = False
    """Whether the function of the step at work has ended, so that only its record and its commit are missing."""
    steps_done: int = 0
    skipped: list[str] = field(default_factory=list)
    """What the step at work left out."""
    who: Who | None = None
    """Who records, if a step may leave another role behind."""
    role_may_differ: Callable[[], bool] = lambda: False
    """Asked whether one has done so."""
    observers: list[Callable[[], dict[str, Any]]] = field(default_factory=list)
    """Asked for what else the event of the step at work should say."""
    flush: bool = True
    """Whether the commit of the step at work waits until it is on disk."""
    printed: Printed = field(default_factory=Printed)
    """The steps of a script."""
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What else there is to tell of a revision, for the details of its event."""
    taken: dict[str, int] = field(default_factory=dict)
    """Revisions that were run, with their milliseconds."""

    def following(self, steps_of: Steps) -> Steps:
        """Alembic's function that lists the steps, with each step's work timed."""

        def followed(heads: Any, context: MigrationContext) -> Iterator[MigrationStep]:
            if context.as_sql:
                write_script(context, bookkeeping.script(), in_transaction=True)
            steps = list(steps_of(heads, context))
            for step in steps:
                if context.as_sql:
                    step.migration_fn = self.printed.keeping(step.migration_fn, context)
                step.migration_fn = self._timed(step, step.migration_fn, context)
                self.flush = len(steps) < LONG_RUN or step is steps[-1]
                yield step

        return followed

    def _timed(self, step: MigrationStep, work: Callable[..., Any], context: MigrationContext) -> Callable[..., Any]:
        @wraps(work, assigned=["__name__"], updated=())  # which Alembic logs
        def timed(**kw: Any) -> Any:
            self.step, self.started, self.worked = step, time.perf_counter(), False
            self.skipped.clear()
            begun = _transaction(context)
            try:
                done = work(**kw)
            finally:
                self.committed = _transaction(context) is not begun or self.commits()
            self.worked = True
            return done

        return timed

    def on_version_apply(
        self, *, ctx: MigrationContext, step: MigrationInfo, heads: Collection[str], **kw: Any
    ) -> None:
        """Alembic's hook, called after it has written its version, in the same transaction."""
        for entry in self._entries(step, heads):
            if entry.kind in ("downgrade", "stamp-removed"):
                self.applied.discard(entry.revision)
            else:
                self.applied.add(entry.revision)
            if ctx.as_sql:
                write_script(ctx, [*([bookkeeping.query("become_kept")] if self.printed.kept else []), call(entry)])
            else:
                if self.who is not None and self.role_may_differ():
                    self.who.becomes(_connection(ctx), local=True)
                records.write(_connection(ctx), entry, flush=self.flush)
        self.step = None
        self.steps_done += 1

    def _entries(self, step: MigrationInfo, heads: Collection[str]) -> Iterator[Entry]:
        if not step.is_stamp:
            script, elapsed_ms = step.up_revision, self.elapsed_ms
            assert isinstance(script, Script)
            self.taken[script.revision] = elapsed_ms
            yield self.entry("upgrade" if step.is_upgrade else "downgrade", script, elapsed_ms)
            return
        after = {each.revision: each for each in self.project.behind(heads)}
        for each in reversed(self.project.ordered):
            if each.revision in self.applied and each.revision not in after:
                yield self.entry("stamp-removed", each, 0)
        for each in self.project.ordered:
            if each.revision in after and each.revision not in self.applied:
                yield self.entry("stamp", each, 0)

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since the step at work began."""
        return round((time.perf_counter() - self.started) * 1000)

    def entry(self, kind: str, script: Script, execution_time_ms: int | None) -> Entry:
        """What there is to record of a revision."""
        files = self.project.files(script)
        return Entry(
            kind=kind,
            revision=script.revision,
            version=self.numbers[script.revision],
            name=numbers.name_of(script),
            rollback_available=files.rollback_available,
            checksum=files.checksum,
            files=files.checksums,
            execution_time_ms=execution_time_ms,
            environment=self.environment,
            details=self._details(script) or None,
        )

    def _details(self, script: Script) -> dict[str, Any]:
        details = dict(self.notes.get(script.revision, {}))
        if self.skipped:
            details["skipped"] = list(self.skipped)
        for observe in self.observers:
            details.update(observe())
        return details

    def failed_entry(self) -> Entry | None:
        """What there is to record of the step at work, if it is a revision's."""
        info = getattr(self.step, "info", None)
        if info is None or info.is_stamp or info.up_revision_id is None:
            return None
        script = self.project.revision(info.up_revision_id)
        return self.entry("upgrade" if info.is_upgrade else "downgrade", script, self.elapsed_ms)


def call(entry: Entry) -> str:
    """The call of ``tsext.record`` with its arguments written out, for a script; the server takes the time."""
    arguments = {**entry.parameters, "execution_time_ms": None, "flush": True}
    return f"CALL tsext.record({', '.join(literal(value) for value in arguments.values())})"


def write_script(context: MigrationContext, statements: Collection[str], in_transaction: bool = False) -> None:
    """Print statements in offline mode as they are; Alembic's own printing would turn tabs into spaces."""
    buffer = context.impl.output_buffer
    assert buffer is not None
    lines = [f"{statement.strip().removesuffix(';')};\n\n" for statement in statements]
    buffer.write("".join(["BEGIN;\n\n", *lines, "COMMIT;\n\n"] if in_transaction else lines))


def _transaction(context: MigrationContext) -> RootTransaction | None:
    return None if context.as_sql else _connection(context).get_transaction()


def _connection(context: MigrationContext) -> Connection:
    assert context.connection is not None
    return context.connection
