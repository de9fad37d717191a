"""A rollout: the canaries, a pause, the others; so many at once, until too many fail or somebody interrupts it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from types import FrameType
from typing import Protocol

from tsext.fleet import upgrading
from tsext.fleet.limits import Limits
from tsext.fleet.project import Read, Where, read
from tsext.fleet.standing import look
from tsext.fleet.targets import Target
from tsext.fleet.upgrading import Job, Outcome, State
from tsext.fleet.waves import Wave, planned

_POLL = 0.1
"""Seconds between two looks at whether somebody has interrupted."""


class Told(Protocol):
    """Who is told how a rollout goes on, such as a report on the terminal."""

    def begun(self, target: Target) -> None:
        """A target is being worked on."""

    def ended(self, outcome: Outcome) -> None:
        """It no longer is."""

    def baking(self, left: timedelta) -> None:
        """The canaries are being watched for so long yet; called again and again."""

    def said(self, text: str) -> None:
        """Something people must know."""

    def confirmed(self, others: int) -> bool:
        """Whether to go on with the others, of which there are so many; ^C raises KeyboardInterrupt."""


@dataclass
class Report:
    """How a rollout ended."""

    outcomes: list[Outcome]
    """One for each target, in the order of the file."""
    stopped: str = ""
    """Why some were not begun."""

    @property
    def succeeded(self) -> bool:
        """Whether every target has what it should have."""
        return all(outcome.state in (State.UPGRADED, State.UP_TO_DATE) for outcome in self.outcomes)


@dataclass
class Rollout:
    """An upgrade of many databases: which, to which revision, within which limits."""

    targets: tuple[Target, ...]
    where: Where
    limits: Limits
    told: Told
    revision: str = "head"
    confirm: bool = False
    """Whether somebody is asked after the canaries."""
    executor: Executor | None = None
    """What runs the jobs, as many at once as it can and the limits let it; None: threads of this process."""
    _at: Read = field(init=False)
    _wanted: frozenset[str] = field(init=False)
    _done: dict[str, Outcome] = field(init=False, default_factory=dict)
    _interrupts: int = field(init=False, default=0)
    _cancelling: bool = field(init=False, default=False)
    _asking: bool = field(init=False, default=False)

    def run(self) -> Report:
        """Roll out, once; a new rollout goes on with what this one has left.

        :raises CommandError: if there is no such revision, before anything is begun.
        """
        self._at = read(self.where)
        self._wanted = self._at.wanted(self.revision)
        upgrading.begin()
        plan = planned(self.targets, self.limits)
        with self._interruptible(), self._executor() as executor:
            stopped = self._wave(executor, plan.canaries)
            if not stopped and plan.canaries.targets and plan.others.targets:
                stopped = self._between(plan.canaries, len(plan.others.targets))
            stopped = stopped or self._wave(executor, plan.others)
        outcomes = [self._done.get(each.name, Outcome(each, State.NOT_BEGUN)) for each in self.targets]
        return Report(outcomes, stopped)

    def _executor(self) -> AbstractContextManager[Executor]:
        """That which was given stays its owner's."""
        return nullcontext(self.executor) if self.executor else ThreadPoolExecutor(self.limits.concurrency)

    # --- one wave

    def _wave(self, executor: Executor, wave: Wave) -> str:
        """Work on its targets; returns why it stopped, if it did."""
        waiting, running = list(wave.targets), dict[Future[Outcome], Target]()
        stopped = ""
        while running or (waiting and not stopped):
            while waiting and not stopped and len(running) < self.limits.concurrency:
                target = waiting.pop(0)
                self.told.begun(target)
                running[executor.submit(upgrading.upgrade, self._job(target))] = target
            ended, _ = wait(running, timeout=_POLL, return_when=FIRST_COMPLETED)
            for future in ended:
                self._note(running.pop(future), future)
            stopped = stopped or self._reason_to_stop(wave, len(running))
            if self._interrupts > 1 and not self._cancelling:
                self._cancel(running)
        return stopped

    def _job(self, target: Target) -> Job:
        return Job(target, self.where, self.revision, self._wanted)

    def _note(self, target: Target, future: Future[Outcome]) -> None:
        try:
            outcome = future.result()
        except CancelledError:
            outcome = Outcome(target, State.NOT_BEGUN)
        except Exception as error:  # a worker that died, a project that another machine does not have
            outcome = Outcome(target, State.FAILED, error=f"{type(error).__name__}: {error}")
        self._done[target.name] = outcome
        self.told.ended(outcome)

    def _reason_to_stop(self, wave: Wave, running: int) -> str:
        failed = [name for name, outcome in self._done.items() if outcome.state.is_failure]
        if self._interrupts:
            if running:
                self.told.said(f"interrupted: waiting for {running} that run; interrupt again to cancel them")
            return "interrupted"
        if len(failed) > wave.allowed:
            more = f": {len(failed)} have, {wave.allowed} may" if wave.allowed else ""
            return f"{wave.what} {failed[-1]} failed{more}"
        return ""

    def _cancel(self, running: dict[Future[Outcome], Target]) -> None:
        self._cancelling = True
        self.told.said(f"cancelling {len(running)}")
        upgrading.cancel()
        for future in running:
            future.cancel()

    # --- between the waves

    def _between(self, canaries: Wave, others: int) -> str:
        """Wait until the canaries have baked, then ask whether to go on; returns why not, if so."""
        until = time.monotonic() + self._left(canaries).total_seconds()
        while (left := until - time.monotonic()) > 0:
            if self._interrupts:
                return "interrupted"
            self.told.baking(timedelta(seconds=left))
            time.sleep(min(_POLL, left))
        for target in canaries.targets if self.limits.bake else ():
            standing = look(target, self._at)
            if not self._wanted <= standing.applied:
                return f"the canary {target.name} no longer has what it was given: {standing.told or 'rolled back'}"
        return self._unconfirmed(others)

    def _left(self, canaries: Wave) -> timedelta:
        """How long they have to bake yet; a rollout that is run again does not begin anew."""
        if not self.limits.bake:
            return timedelta(0)
        ages = [look(target, self._at).since for target in canaries.targets]
        return max((self.limits.bake - age for age in ages if age is not None), default=timedelta(0))

    def _unconfirmed(self, others: int) -> str:
        if not self.confirm:
            return ""
        self._asking = True
        try:
            return "" if self.told.confirmed(others) else "not confirmed"
        except KeyboardInterrupt:
            return "interrupted"
        finally:
            self._asking = False

    # --- signals

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """SIGINT and SIGTERM only count while a rollout runs, so that its report is told in any case."""

        def count(signum: int, _: FrameType | None) -> None:
            self._interrupts += 1
            if self._asking:
                raise KeyboardInterrupt

        ours = threading.current_thread() is threading.main_thread()  # only there can they be caught
        before = {each: signal.signal(each, count) for each in (signal.SIGINT, signal.SIGTERM) if ours}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)
