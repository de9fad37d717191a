"""A throwaway TimescaleDB server for development and tests: no Docker, no root, no download page."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from tsext.errors import LocalServerError
from tsext.localdb import debian
from tsext.localdb.server import Cluster

DEFAULT = "2.19"


@dataclass(frozen=True)
class Source:
    """Where a version comes from."""

    suite: str
    """Suite of Debian."""
    package: str


VERSIONS = {
    "2.19": Source("trixie", "postgresql-17-timescaledb"),
    "2.31": Source("forky", "postgresql-18-timescaledb"),
}


def cache_dir() -> Path:
    """Where programs are kept: ``TSEXT_CACHE_DIR``, else the user's cache; root's must be readable by others."""
    if given := os.environ.get("TSEXT_CACHE_DIR"):
        return Path(given)
    return Path("/var/cache/tsext") if os.geteuid() == 0 else Path(platformdirs.user_cache_dir("tsext"))


def state_dir() -> Path:
    """Where data are kept: ``TSEXT_STATE_DIR``, else the user's state folder."""
    if given := os.environ.get("TSEXT_STATE_DIR"):
        return Path(given)
    return Path("/var/lib/tsext") if os.geteuid() == 0 else Path(platformdirs.user_state_dir("tsext"))


def ensure(version: str | None = None, *, name: str = "development", fsync: bool = True) -> Cluster:
    """The running server of a version; it is made and started if need be.

    :param version: ``2.19`` or ``2.31``; None takes the default.
    :param name: clusters of different names share programs, not data.
    :param fsync: off is faster and unsafe, for tests.
    :raises LocalServerError: if this machine can have none; says how to go on.
    """
    wanted = _checked(version)
    with _only_one():
        cluster = Cluster(wanted, find(version), state_dir() / f"{name}-{wanted}", fsync)
        cluster.start()
    return cluster


def existing(version: str | None = None, *, name: str = "development") -> Cluster | None:
    """The cluster of a version if one was made, running or not."""
    wanted = _checked(version)
    home = state_dir() / f"{name}-{wanted}"
    if not (home / "data" / "PG_VERSION").is_file():
        return None
    return Cluster(wanted, find(version), home)


def find(version: str | None = None) -> Path:
    """The folder of PostgreSQL's programs for a version of TimescaleDB, making it as a last resort.

    Looks at ``TSEXT_PG_BINDIR``, at the installed PostgreSQL versions, at the cache; then unpacks Debian's packages.

    :raises LocalServerError: naming what was tried.
    """
    wanted = _checked(version)
    if given := os.environ.get("TSEXT_PG_BINDIR"):
        return _named_by_user(Path(given))
    for bindir in _installed():
        found = timescaledb_version(bindir)
        if found is not None and (version is None or found.startswith(f"{wanted}.")):
            return bindir
    prefix = cache_dir() / "localdb" / VERSIONS[wanted].suite
    if not (cached := _programs(prefix)):
        reason = debian.possible()
        if reason is not None:
            raise _impossible(reason)
        prefix.parent.mkdir(parents=True, exist_ok=True)
        debian.build(prefix, VERSIONS[wanted].suite, VERSIONS[wanted].package)
        cached = _programs(prefix)
    return cached[0]


def timescaledb_version(bindir: Path) -> str | None:
    """The version of TimescaleDB beside a PostgreSQL, read from its control file; None if it has none."""
    major = bindir.parent.name
    candidates = [bindir.parents[3] / "share" / "postgresql" / major, bindir.parent / "share"]
    pg_config = bindir / "pg_config"
    if pg_config.is_file():
        done = subprocess.run([pg_config, "--sharedir"], capture_output=True, text=True, check=False)
        candidates.append(Path(done.stdout.strip()))
    for share in candidates:
        control = share / "extension" / "timescaledb.control"
        if control.is_file():
            found = re.search(r"default_version\s*=\s*'([^']+)'", control.read_text())
            return found[1] if found else None
    return None


def _checked(version: str | None) -> str:
    wanted = version or DEFAULT
    if wanted not in VERSIONS:
        raise LocalServerError(f"there is no local server {wanted}", hint=f"use one of: {', '.join(VERSIONS)}")
    return wanted


def _named_by_user(bindir: Path) -> Path:
    if not (bindir / "postgres").is_file():
        raise LocalServerError(
            f"TSEXT_PG_BINDIR is {bindir}, which has no postgres",
            hint="name the folder that initdb and postgres are in",
        )
    return bindir


def _installed() -> list[Path]:
    found = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)]
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).resolve().parent)
    return found


def _programs(prefix: Path) -> list[Path]:
    return [path.parent for path in sorted(prefix.glob("usr/lib/postgresql/*/bin/postgres"))]


def _impossible(reason: str) -> LocalServerError:
    return LocalServerError(
        "no PostgreSQL with TimescaleDB here: TSEXT_PG_BINDIR is not set, no installed PostgreSQL has TimescaleDB, "
        f"the cache {cache_dir()} is empty, and Debian's packages cannot be unpacked: {reason}",
        hint="run `docker compose up -d` with the compose.yaml of the project, or set TSEXT_DATABASE_URL",
    )


@contextmanager
def _only_one() -> Iterator[None]:
    """Hold a lock against another process that makes or starts a server."""
    folder = state_dir()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


__all__ = ["DEFAULT", "VERSIONS", "Cluster", "LocalServerError", "cache_dir", "ensure", "existing", "find", "state_dir"]
