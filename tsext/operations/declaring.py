"""Verbs whose work is a backfill: the revision declares it, and workers anywhere may do it before the upgrade."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill import kinds, ledger, workers
from tsext.backfill.ledger import Backfill, Declaration, State
from tsext.backfill.throttle import NOT_LIMITS, PREFIX
from tsext.errors import BackfillError
from tsext.operations.stepped import SteppedOperation
from tsext.settings import Settings

log = logging.getLogger("alembic.tsext")

_OVER = (State.APPLIED, State.FINISHED)

_SECONDS = 10.0
"""Between two lines in the log."""


class DeclaringOperation(SteppedOperation):
    """A verb that declares a backfill, works on it or finds it done, and then takes it over."""

    settings: Settings = Settings()

    def declaration(self, connection: Connection) -> Declaration:
        """What is to be done."""
        raise NotImplementedError(type(self).__name__)

    def declare(self, connection: Connection, revision: str | None = None) -> Backfill:
        """Enter it in the ledger, unless it is there; what an earlier upgrade has taken over is entered anew.

        The limits of the settings hold for it, where it is new.
        """
        wanted = self.declaration(connection)
        former = ledger.named(connection, wanted.name)
        if former is not None and former.state in _OVER:
            ledger.forget(connection, former)
        declared = ledger.declare(connection, wanted, revision)
        if declared.begun_at is None and not declared.limits and (given := limits_given(self.settings)):
            ledger.limit(connection, declared, dict(given))
            return ledger.find(connection, declared.name)
        return declared

    def run(self, connection: Connection) -> None:
        """Work on it until it is done, if it is not."""
        self.work(connection, self.declare(connection))

    def work(self, connection: Connection, declared: Backfill) -> None:
        """Work on it here, unless workers have done it before.

        :raises BackfillError: if it would take too long, or comes to another end.
        """
        if declared.state is State.DONE:
            log.info("backfill %s is done already", declared.name)
            return
        if declared.state in (State.PAUSED, State.CANCELLED, State.FAILED):
            workers.refuse_failed(declared)
        self._refuse_long(connection, declared)
        workers.refuse_failed(work(connection, declared, self.settings.backfill_workers))

    def _refuse_long(self, connection: Connection, declared: Backfill) -> None:
        """Refuse what would keep the upgrade for long."""
        bound, kind = self.settings.backfill_in_upgrade, kinds.of(declared)
        if bound is None:
            return
        if kinds.can(kind, "prepare"):
            kind.prepare(connection, declared)
        progress = ledger.progress(connection, declared)
        left = (progress.expected or 0) - progress.seen
        if left > bound:
            if kinds.can(kind, "stopped"):
                kind.stopped(connection, declared)
            raise BackfillError(
                f"op.{self.verb}: backfill {declared.name} has about {left} rows of {declared.source} to go through, "
                f"more than backfill_in_upgrade ({bound}), which an upgrade does itself",
                hint=f"work on it before the upgrade, on as many machines as you like: tsext backfill run "
                f"{declared.name}; then run alembic again",
            )

    def take_over(self, operations: Operations) -> None:
        """Note that the revision is applied, in the transaction that says so."""
        if not operations.migration_context.as_sql:
            connection = operations.get_bind()
            ledger.set_state(
                connection, ledger.find(connection, self.declaration(connection).name), State.APPLIED, only=[State.DONE]
            )


def work(connection: Connection, declared: Backfill, threads: int) -> Backfill:
    """Work on a backfill in this process, with its progress in the log; the backfill as it is then.

    :param connection: in autocommit mode, outside a transaction.
    """
    if catalog.takes_one_client(connection):
        workers.work_on(connection, declared.name)
    else:
        workers.employ(connection.engine, declared.name, workers=threads, tell=_telling(connection, declared))
    return ledger.find(connection, declared.name)


def _telling(connection: Connection, declared: Backfill) -> Callable[[], None]:
    last = time.monotonic()

    def tell() -> None:
        nonlocal last
        if time.monotonic() - last < _SECONDS:
            return
        last = time.monotonic()
        now, progress = ledger.find(connection, declared.name), ledger.progress(connection, declared)
        left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
        log.info("backfill %s: %s, %.0f %%%s%s", now.name, now.state, 100 * progress.fraction, left,
                 f"; waits: {now.reason}" if now.reason else "")  # fmt: skip

    return tell


def limits_given(settings: Settings) -> dict[str, str]:
    """The limits in which settings differ from the default, as text by name."""
    default = Settings().texts()
    return {
        name.removeprefix(PREFIX): text
        for name, text in settings.texts().items()
        if name.startswith(PREFIX) and name not in NOT_LIMITS and text != default[name]
    }
