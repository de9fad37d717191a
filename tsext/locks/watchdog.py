"""The watchdog: watches from a connection of its own what a run does to others, and stops it before they mind."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tsext import catalog
from tsext.catalog import Waiter
from tsext.errors import Finding
from tsext.locks import guard_rails
from tsext.model.locks import LockMode
from tsext.settings import Settings
from tsext.sql.excerpt import shortened
from tsext.sql.sending import QUERY_CANCELED, said, sqlstate

log = logging.getLogger("alembic.tsext")

BUSY, QUIET = 0.03, 0.2
"""Seconds between two looks: while we wait or hold locks that others queue behind, and else."""

BRIEF = 0.1
"""Seconds that nobody minds: most steps last no longer, and looking costs them as much as others."""

GRACE = 1.0
"""Seconds after a cancellation in which the statement that is cancelled is taken to be the one that was meant."""

LAST_RESORT = 2.0
"""How many times as long as the limit others wait until a session that runs no statement is ended."""

GUARDED = 1.0
"""Seconds between two looks at the guard rails, as long as none is crossed."""


@dataclass
class Harm:
    """How long other sessions waited for the step at work."""

    ended: float = 0.0
    """Seconds of waits that are over, over all clients."""
    longest: float = 0.0
    """Seconds of the longest wait."""
    most: int = 0
    """How many waited at once, at most."""
    open: dict[int, float] = field(default_factory=dict)
    """Seconds of waits that go on, by pid."""

    def saw(self, waiters: list[Waiter], interval: float) -> None:
        """Take in a look; a wait that is over is taken to have ended halfway between two looks."""
        now = {each.pid: each.seconds for each in waiters}
        for pid, seconds in list(self.open.items()):
            if pid not in now or now[pid] < seconds:
                self.ended += seconds + interval / 2
                self.longest = max(self.longest, seconds + interval / 2)
                del self.open[pid]
        self.open.update(now)
        self.longest = max([self.longest, *now.values()])
        self.most = max(self.most, len(now))

    @property
    def client_seconds(self) -> float:
        """Seconds that clients waited for us, added up."""
        return self.ended + sum(self.open.values())


class Watchdog:
    """Watches one backend; to be used in a ``with`` block. A thread and a connection, both from the first step on."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        pid: int,
        guard: Callable[[Connection, Settings, int], list[Finding]] = guard_rails.crossed,
        *,
        eager: bool = True,
    ) -> None:
        """
        :param guard: what else is reason to stop it, asked every second.
        :param eager: whether to look often also while it holds a strong lock for which nobody waits yet.
        """
        self.guard = guard
        self.eager = eager
        self.engine = engine
        self.settings = settings
        self.pid = pid
        self.harm = Harm()
        self.cancellations = 0
        """Of the step at work."""
        self.ended = False
        """Whether our session was ended, which no retry survives."""
        self.reasons: list[Finding] = []
        """Why the step at work was stopped, last time."""
        self.show: Callable[[str], None] | None = None
        """Tells whoever looks on how the step at work fares."""
        self._cancelled_at = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self._tried = threading.Event()
        """Set once it is connected, or cannot be."""
        self._asking = threading.Lock()
        self._guarded_at = 0.0
        self._begun_at = 0.0

    def __enter__(self) -> Watchdog:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    # --- what the run tells and asks

    def begin(self) -> None:
        """A step begins."""
        self.harm, self.cancellations, self.reasons = Harm(), 0, []
        self._begun_at = time.monotonic()
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="tsext-watchdog", daemon=True)
            self._thread.start()

    def again(self) -> None:
        """The step was rolled back, and begins again; it may be stopped again at once."""
        self._cancelled_at = 0.0

    def cancelled(self) -> bool:
        """Whether the error at hand comes from our cancellation, and the step may be tried again."""
        return self.was_cancelled() and self.cancellations < self.settings.watchdog_attempts

    def was_cancelled(self) -> bool:
        """Whether the error at hand comes from our cancellation."""
        return time.monotonic() - self._cancelled_at < GRACE

    def ask(self, question: Any, *arguments: Any) -> Any:
        """Ask the database on the watchdog's connection; None if it has none any more, or the answer takes long."""
        self._tried.wait()
        with self._asking:
            if self._connection is None:
                return None
            try:
                return question(self._connection, *arguments)
            except DBAPIError as error:
                if error.connection_invalidated or sqlstate(error) != QUERY_CANCELED:
                    self._lose(error)
            except SQLAlchemyError as error:
                self._lose(error)
            return None

    # --- the thread

    def _connect(self) -> None:
        try:
            connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            # first: with TimescaleDB loaded, it would wait for whoever drops the extension
            connection.exec_driver_sql("SET timescaledb.disable_load = on")
            connection.exec_driver_sql("SET application_name = 'tsext-watchdog'")
            connection.exec_driver_sql("SET statement_timeout = '1s'")
            self._connection = connection
        except SQLAlchemyError as error:
            self._lose(error)
        finally:
            self._tried.set()

    def _lose(self, error: SQLAlchemyError) -> None:
        log.warning("going on unwatched: %s", said(error))
        self._connection = None

    def _watch(self) -> None:
        interval = BUSY
        with _closing(self), _surviving():
            self._connect()
            while self._connection is not None and not self._stop.wait(interval):
                interval = BUSY if self.ask(self._look, interval) else QUIET

    def _look(self, connection: Connection, interval: float) -> bool:
        """One look; whether the next should come soon."""
        seen = catalog.waiting(connection, self.pid)
        waiters = catalog.blocked_by(connection, self.pid) if seen.others_wait else []
        self.harm.saw(waiters, interval)
        if self.show is not None:
            self.show(f"{seen.strongest or 'no lock'}, {len(waiters)} waiting, longest {self.harm.longest:.2f} s")
        reasons = self._too_long(waiters) or self._guarded(connection)
        if reasons:
            self._stop_it(connection, reasons, max((each.seconds for each in waiters), default=0.0))
        strong = self.eager and seen.strongest is not None and seen.strongest.strength >= LockMode.SHARE.strength
        return seen.we_wait or seen.others_wait or (strong and time.monotonic() - self._begun_at > BRIEF)

    def _too_long(self, waiters: list[Waiter]) -> list[Finding]:
        settings = self.settings
        over = [each for each in waiters if each.seconds > settings.watchdog_wait_of_many.total_seconds()]
        longest = [each for each in waiters if each.seconds > settings.watchdog_longest_wait.total_seconds()]
        return [_finding(each) for each in (over if len(over) >= settings.watchdog_waiters else longest)]

    def _guarded(self, connection: Connection) -> list[Finding]:
        if time.monotonic() - self._guarded_at < GUARDED:
            return []
        found = self.guard(connection, self.settings, self.pid)
        # what is crossed is so still with the next statement, or when the step is tried again
        self._guarded_at = time.monotonic() if not found else 0.0
        return found

    def _stop_it(self, connection: Connection, reasons: list[Finding], waited: float) -> None:
        if self.was_cancelled():
            return
        backend = catalog.backend(connection, self.pid)
        if backend is None or backend.state == "idle":
            return
        self.reasons = reasons
        if backend.state == "active":
            self._cancelled_at = time.monotonic()
            self.cancellations += 1
            log.warning("cancelling our statement: %s", reasons[0].message)
            connection.exec_driver_sql("SELECT pg_cancel_backend(%(pid)s)", {"pid": self.pid})
        elif waited > LAST_RESORT * self.settings.watchdog_longest_wait.total_seconds():
            self.ended = True
            log.warning("ending our session, which holds locks and runs nothing: %s", reasons[0].message)
            connection.exec_driver_sql("SELECT pg_terminate_backend(%(pid)s)", {"pid": self.pid})


@contextmanager
def _closing(watchdog: Watchdog) -> Iterator[None]:
    try:
        yield
    finally:
        with watchdog._asking:
            if watchdog._connection is not None:
                watchdog._connection.close()
                watchdog._connection = None


@contextmanager
def _surviving() -> Iterator[None]:
    """Whatever happens to the watchdog, the run goes on."""
    try:
        yield
    except Exception as error:
        log.warning("going on unwatched: %s", error)


def _finding(waiter: Waiter) -> Finding:
    who = f"pid {waiter.pid}" + (f" ({waiter.application!r})" if waiter.application else "")
    what = f" on {waiter.relation}" if waiter.relation else ""
    return Finding(
        "others-wait",
        f"{who} has waited {waiter.seconds:.2f} s for {waiter.mode}{what}: {shortened(waiter.query or '')}",
        "run it at a quieter time, make the revision smaller, or raise watchdog_longest_wait",
    )
