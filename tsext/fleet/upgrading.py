"""One target's upgrade: look, run ``alembic upgrade`` in a process of its own, look again."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from tsext.fleet.project import Where, read
from tsext.fleet.standing import Position, Standing, look
from tsext.fleet.targets import Target
from tsext.fleet.urls import hidden

_GRACE = 2.0
"""Seconds between asking a process to end and ending it. The server then ends what it was running: tsext has it look
every second whether we are still there."""


class State(StrEnum):
    """How the upgrade of one target ended."""

    UPGRADED = "upgraded"
    UP_TO_DATE = "up to date"
    """There was nothing to do."""
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"
    NOT_BEGUN = "not begun"

    @property
    def is_failure(self) -> bool:
        """Whether it counts against ``max_failures``."""
        return self in (State.FAILED, State.UNREACHABLE, State.CANCELLED)


@dataclass(frozen=True)
class Job:
    """All that a worker must know; it may be on another machine that has the project at the same place."""

    target: Target
    where: Where
    revision: str
    wanted: frozenset[str]
    """All revisions that an upgrade to this one applies, as read on the machine where the rollout was begun."""


@dataclass(frozen=True)
class Outcome:
    """How the upgrade of one target ended, and what it took."""

    target: Target
    state: State
    before: tuple[str, ...] = ()
    """The heads in ``alembic_version`` before the upgrade."""
    after: tuple[str, ...] = ()
    """The heads afterwards."""
    revisions: int = 0
    """How many revisions were applied."""
    seconds: float = 0.0
    error: str = ""
    """Why it failed, and what to do about it."""
    output: str = ""
    """All that ``alembic upgrade`` printed."""


def upgrade(job: Job) -> Outcome:
    """Upgrade one target; never raises for what is wrong with it.

    Nothing is run where nothing is to be done.
    """
    began = time.monotonic()
    at = read(job.where)
    if at.wanted(job.revision) != job.wanted:
        return Outcome(job.target, State.FAILED, error=f"{platform.node()} has other revisions; deploy the same there")
    before = look(job.target, at)
    outcome = _needless(before, job.wanted)
    if outcome is None:
        ended = _run(job)
        outcome = _judged(before, look(job.target, at), job.wanted, ended)
    return replace(outcome, seconds=time.monotonic() - began)


def _needless(standing: Standing, wanted: frozenset[str]) -> Outcome | None:
    """How it went, if no process is needed to tell."""
    if standing.position is Position.UNREACHABLE:
        hint = standing.findings[0].hint
        return Outcome(standing.target, State.UNREACHABLE, error=f"{standing.told}\n  hint: {hint}")
    if standing.position.is_sound and wanted <= standing.applied:
        return Outcome(standing.target, State.UP_TO_DATE, standing.revisions, standing.revisions)
    return None


@dataclass(frozen=True)
class _Ended:
    """A process that has ended."""

    code: int
    """Its exit code; negative: the signal that has ended it."""
    output: str
    """What it printed, without the password of the URL."""


def _judged(before: Standing, after: Standing, wanted: frozenset[str], ended: _Ended) -> Outcome:
    state, error = State.UPGRADED, ""
    if ended.code in (_CANCELLED, -signal.SIGINT, -signal.SIGTERM):
        state, error = State.CANCELLED, "it was cancelled; its revision is rolled back, those before it stay"
    elif ended.code:
        state, error = State.FAILED, _error(ended.output)
    elif not wanted <= after.applied:
        state, error = State.FAILED, after.told or "the command succeeded, but not all revisions are applied"
    return Outcome(
        before.target,
        state,
        before.revisions,
        after.revisions,
        revisions=len(after.applied - before.applied),
        error=error,
        output=ended.output,
    )


def _error(output: str) -> str:
    """What Alembic says it failed with, or the last line of what Python says."""
    _, failed, told = output.rpartition("FAILED: ")
    lines = output.strip().splitlines()
    return told.strip() if failed else lines[-1].strip() if lines else "it said nothing"


# --- processes

_CANCELLED = 130
"""Exit code of a program that SIGINT has ended, as shells have it."""

_running: set[subprocess.Popen[bytes]] = set()
_cancelled = threading.Event()


def cancel() -> None:
    """End the processes of this process's targets: first ask them, then end them."""
    _cancelled.set()
    for signum, delay in ((signal.SIGINT, 0.0), (signal.SIGTERM, _GRACE)):
        timer = threading.Timer(delay, _send, (list(_running), signum))
        timer.daemon = True
        timer.start()


def begin() -> None:
    """Forget that an earlier rollout of this process was cancelled."""
    _cancelled.clear()


def _send(processes: Sequence[subprocess.Popen[bytes]], signum: signal.Signals) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signum)


def _run(job: Job) -> _Ended:
    if _cancelled.is_set():
        return _Ended(_CANCELLED, "")
    command = [sys.executable, "-m", "alembic", *job.where.arguments, "upgrade", job.revision]
    # a file, not a pipe: if we are killed, the process goes on to the end of its revision
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            command,
            env=_environment(job.target),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # ^C at the terminal is for us to answer
        )
        _running.add(process)
        try:
            if _cancelled.is_set():  # while it was being started
                process.terminate()
            code = process.wait()
        finally:
            _running.discard(process)
        printed.seek(0)
        return _Ended(code, hidden(printed.read().decode(errors="replace"), job.target.url))


def _environment(target: Target) -> dict[str, str]:
    """The URL goes by the environment, where other users do not see it."""
    own = {"TSEXT_DATABASE_URL": target.url.render_as_string(hide_password=False)}
    if target.environment is not None:
        own["TSEXT_ENV"] = target.environment
    return {**os.environ, **own}
