"""Folders that several processes and another account share: made, locked, and filled so that none is ever half full."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tsext.errors import LocalServerError


def make(folder: Path) -> None:
    """Make a folder and its parents; if we are root, the server's account may enter them whatever our umask is."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            each.chmod(0o755)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which need not exist: a file beside it, unlocked if this process is killed."""
    make(folder.parent)
    with folder.with_name(f"{folder.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def shared(folder: Path, *, at_end: Callable[[], None]) -> Iterator[None]:
    """Be one of the users of a folder; the last of them to leave, in whatever process, does ``at_end``.

    A killed process leaves, too. Who comes while ``at_end`` is being done waits for it.
    """
    make(folder.parent)
    with folder.with_name(f"{folder.name}.users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield
        finally:
            with suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                at_end()


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """A new folder to make another in, removed afterwards together with what killed processes have left.

    Its name is new each time: what a killed process had started may still be writing into the old one.
    """
    for leftover in folder.parent.glob(f"{folder.name}.making-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=f"{folder.name}.making-", dir=folder.parent))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def using(folder: Path, variable: str) -> Iterator[None]:
    """Explain what the operating system refuses: a folder that is read-only or somebody else's, a full disk.

    :param variable: the environment variable that moves the folder.
    :raises LocalServerError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise LocalServerError(
            f"cannot use {error.filename or folder}: {error.strerror}",
            hint=f"set {variable} to a folder that you can write and that has 500 MB free",
        ) from error
