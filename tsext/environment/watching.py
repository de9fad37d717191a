"""Watching a run: the watchdog around each step, and the receipt that goes with its record."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any

from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from sqlalchemy import Connection, event

from tsext.errors import RevisionStopped
from tsext.history import Recorder
from tsext.history.recording import LONG_RUN
from tsext.locks import Locks
from tsext.settings import Settings
from tsext.steps import Steps

if TYPE_CHECKING:
    from tsext.locks.receipt import Receipt
    from tsext.locks.watchdog import Watchdog

Touched = Callable[[str], Collection[str] | None]
"""Tells tables by the id of a revision."""


class Watching:
    """The steps of one run, watched; to be used in a ``with`` block.

    :param touched: the tables that were there before the run and that a revision locks; None if that cannot be told.
    """

    def __init__(
        self, connection: Connection, settings: Settings, recorder: Recorder, touched: Touched, *, off: bool
    ) -> None:
        self.connection = connection
        self.settings = settings
        self.recorder = recorder
        self.touched = touched
        self.off = off or settings.watchdog == "off"
        self.watchdog: Watchdog | None = None
        """None until the first step."""
        self._stack = ExitStack()
        self._lsn: str | None = None
        """Where the WAL was at the end of the step before."""

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        self._stack.close()

    def over(self, locks: Locks) -> Callable[[Steps], Steps]:
        """Wraps the function that lists the steps: each acquires its locks by the policy, and is watched."""

        def followed(steps_of: Steps) -> Steps:
            return self._following(locks, locks.following(steps_of))

        return followed

    def _following(self, locks: Locks, steps_of: Steps) -> Steps:
        """Alembic's function that lists the steps, with each revision's work watched."""
        if self.off:
            return steps_of

        def followed(heads: Any, context: MigrationContext) -> Iterator[MigrationStep]:
            steps = list(steps_of(heads, context))
            for step in steps:
                if isinstance(step, RevisionStep):
                    long = len(steps) >= LONG_RUN
                    step.migration_fn = self._watched(locks, step, step.migration_fn, long=long)
                yield step

        return followed

    def _watched(self, locks: Locks, step: RevisionStep, work: Callable[..., Any], *, long: bool) -> Callable[..., Any]:
        @wraps(work, assigned=["__name__"], updated=())  # which Alembic logs
        def watched(**kw: Any) -> Any:
            self._watchdog(locks).begin()
            with self._receipt(locks, step.revision.revision, long=long):
                try:
                    return work(**kw)
                except Exception as error:
                    raise self._why_stopped(error) from error

        return watched

    @contextmanager
    def _receipt(self, locks: Locks, revision: str, *, long: bool) -> Iterator[None]:
        """Make the receipt of a step, unless it fails.

        :param long: whether the run builds a database anew, where most tables are nobody's concern yet.
        """
        from tsext.locks.receipt import Receipt

        assert self.watchdog is not None
        touched = self.touched(revision)
        receipt = Receipt(
            self.watchdog, touched or (), self._lsn, harm_only=long and touched is not None and not touched
        )

        with nullcontext() if receipt.harm_only else self._looking(locks, receipt):
            yield
        if locks.holds is not None:
            self.recorder.notes.setdefault(revision, {}).update(receipt.details(self.connection, locks.holds))
            self._lsn = receipt.last_lsn

    @contextmanager
    def _looking(self, locks: Locks, receipt: Receipt) -> Iterator[None]:
        """Have the receipt look before whatever the step commits itself."""

        def look(connection: Connection) -> None:
            if locks.holds is not None and locks.holds.are_open:
                with locks.unseen():
                    receipt.look(connection, locks.holds)

        event.listen(self.connection, "commit", look)
        try:
            yield
        finally:
            event.remove(self.connection, "commit", look)

    def _watchdog(self, locks: Locks) -> Watchdog:
        if self.watchdog is None:
            from tsext.locks.watchdog import Watchdog  # with the first step: most runs have nothing to do

            driver: Any = self.connection.connection.dbapi_connection
            watchdog = Watchdog(self.connection.engine, self.settings, driver.info.backend_pid)
            self.watchdog = self._stack.enter_context(watchdog)
            locks.cancelled = self.watchdog.cancelled
            locks.before_again.append(self.watchdog.again)
            if sys.stderr.isatty():
                self.watchdog.show = self._stack.enter_context(_Status())
        return self.watchdog

    def _why_stopped(self, error: Exception) -> Exception:
        """The same error, or, if we have stopped it ourselves, one that tells why."""
        watchdog = self.watchdog
        if watchdog is None or not watchdog.reasons or not (watchdog.was_cancelled() or watchdog.ended):
            return error
        how = "its session was ended" if watchdog.ended else f"{watchdog.cancellations} times"
        return RevisionStopped(
            f"stopped by the watchdog, {how}: {watchdog.reasons[0].message}",
            hint=watchdog.reasons[0].hint,
            findings=watchdog.reasons,
        )


class _Status:
    """A line on the terminal that says how the step at work fares."""

    def __enter__(self) -> Callable[[str], None]:
        from rich.console import Console
        from rich.status import Status

        self.status = Status("", console=Console(stderr=True))
        self.status.start()
        return self.status.update

    def __exit__(self, *_: object) -> None:
        self.status.stop()
