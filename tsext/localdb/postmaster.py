"""The process that serves a data directory, found by ``postmaster.pid`` and by what it really is."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tsext.errors import LocalServerError

PATIENCE = 60.0
"""Seconds a server has to write its memory to disk and end; pg_ctl's default."""

_PROCESSES = Path("/proc")


def find(data: Path) -> int | None:
    """Process id of the server of a data directory; None if it is not running."""
    pid = _written(data)
    return pid if pid is not None and _serves(pid, data) else None


def stop(data: Path) -> None:
    """End the server of a data directory if it runs, with its connections, and wait until it has ended.

    By a signal and not by ``pg_ctl``, so that it works without the programs, too.

    :raises LocalServerError: if it belongs to another user, or does not end.
    """
    pid = find(data)
    if pid is None:
        return
    try:
        os.kill(pid, signal.SIGINT)  # PostgreSQL's fast shutdown
    except PermissionError:
        raise LocalServerError(
            f"the local server, process {pid}, belongs to another user", hint="stop it as that user or as root"
        ) from None
    deadline = time.monotonic() + PATIENCE
    while _serves(pid, data):
        if time.monotonic() > deadline:
            raise LocalServerError(
                f"the local server, process {pid}, has not ended in {PATIENCE:.0f} s", hint=f"kill -QUIT {pid}"
            )
        time.sleep(0.02)


def forget(data: Path) -> None:
    """Remove a ``postmaster.pid`` whose number another process has got: PostgreSQL would refuse to start."""
    pid = _written(data)
    if pid is not None and _alive(pid) and not _serves(pid, data):
        (data / "postmaster.pid").unlink()


def port(data: Path) -> int | None:
    """TCP port of the server of a data directory; None if it is not running."""
    if find(data) is None:
        return None
    try:
        return int((data / "postmaster.pid").read_text().splitlines()[3])
    except (OSError, IndexError):  # it has just ended
        return None


def _written(data: Path) -> int | None:
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pid if pid > 0 else None  # a single-user session writes its number negated


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True  # but not ours
    except ProcessLookupError:
        return False
    return True


def _serves(pid: int, data: Path) -> bool:
    """Whether a process lives and is the postmaster of a data directory, by its command line.

    Anybody may read that; in a container even root may not look at another account's working directory, which tells
    it where PostgreSQL was started by hand, without ``-D``.
    """
    if not (_PROCESSES / "self").exists():
        return _alive(pid)
    process = _PROCESSES / str(pid)
    try:
        program, *arguments = os.fsdecode((process / "cmdline").read_bytes()).split("\0")
        served = arguments[arguments.index("-D") + 1] if "-D" in arguments else (process / "cwd").readlink()
    except (OSError, IndexError):
        return False
    return Path(program).name == "postgres" and Path(served).resolve() == data.resolve()
