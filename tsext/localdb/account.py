"""The account that PostgreSQL runs as."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from tsext.errors import LocalServerError


def unprivileged() -> pwd.struct_passwd | None:
    """The account to run PostgreSQL as if we are root, whom it refuses; None if we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise LocalServerError(
        "PostgreSQL refuses to run as root, and there is no account postgres or nobody",
        hint="run this as an ordinary user",
    )


def owner(folder: Path) -> pwd.struct_passwd | None:
    """The account to serve a data directory as if we are root: its owner, or of a new one ``unprivileged``."""
    if os.geteuid() == 0 and folder.exists() and (uid := folder.stat().st_uid):
        return pwd.getpwuid(uid)
    return unprivileged()


def barrier(path: Path, account: pwd.struct_passwd) -> Path | None:
    """The first folder on the way to ``path`` whose mode keeps an account out; None if there is none."""
    return next((each for each in reversed(path.parents) if each.exists() and not _may_enter(each, account)), None)


def _may_enter(folder: Path, account: pwd.struct_passwd) -> bool:
    status = folder.stat()
    if status.st_uid == account.pw_uid:
        return bool(status.st_mode & 0o100)
    return bool(status.st_mode & (0o010 if status.st_gid == account.pw_gid else 0o001))
