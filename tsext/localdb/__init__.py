"""A throwaway TimescaleDB server for development and tests: no Docker, no root, no download page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from tsext.errors import LocalServerError
from tsext.localdb import debian, folders, postmaster, programs
from tsext.localdb.programs import timescaledb_version
from tsext.localdb.server import Cluster

DEFAULT = "2.19"

DEVELOPMENT = "development"
"""The name of the clusters that a command uses where no database URL is set, and that ``tsext localdb`` is about."""


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
        return Path(given).absolute()
    return Path("/var/cache/tsext") if os.geteuid() == 0 else Path(platformdirs.user_cache_dir("tsext"))


def state_dir() -> Path:
    """Where data are kept: ``TSEXT_STATE_DIR``, else the user's state folder."""
    if given := os.environ.get("TSEXT_STATE_DIR"):
        return Path(given).absolute()
    return Path("/var/lib/tsext") if os.geteuid() == 0 else Path(platformdirs.user_state_dir("tsext"))


def ensure(version: str | None = None, *, name: str = DEVELOPMENT, fsync: bool = True) -> Cluster:
    """The running server of a version; it is made and started if need be.

    :param version: ``2.19`` or ``2.31``; None takes what is installed, else the default.
    :param name: clusters of different names share programs, not data.
    :param fsync: off is faster and unsafe, for tests.
    :raises LocalServerError: if this machine can have none; says how to go on.
    """
    cluster = _cluster(version, name, fsync)
    cluster.start()
    return cluster


@contextmanager
def shared(version: str | None = None, *, name: str, fsync: bool = True) -> Iterator[Cluster]:
    """The running server of a version, as ``ensure``; the last process that uses it this way stops it."""
    cluster = _cluster(version, name, fsync)
    with folders.shared(cluster.home, at_end=cluster.stop):
        cluster.start()
        yield cluster


def existing(version: str | None = None, *, name: str = DEVELOPMENT) -> Cluster | None:
    """The cluster of a version if one was made, running or not; its programs may be gone."""
    label = _label(version)
    bindir = _cached(version) or _prefix(version)
    with suppress(LocalServerError):  # programs that do not fit would matter for a start only
        bindir = _at_hand(version) or bindir
    cluster = Cluster(label, bindir, state_dir() / f"{name}-{label}")
    with folders.using(cluster.home, "TSEXT_STATE_DIR"):
        return cluster if cluster.made else None


def serves(port: int) -> bool:
    """Whether a server of development is running on a TCP port of this machine."""
    return any(postmaster.port(home / "data") == port for home in state_dir().glob(f"{DEVELOPMENT}-*"))


def find(version: str | None = None) -> Path:
    """The folder of PostgreSQL's programs for a version of TimescaleDB, making it as a last resort.

    Looks at ``TSEXT_PG_BINDIR``, at the installed PostgreSQL versions, at the cache; then unpacks Debian's packages.

    :raises LocalServerError: naming what was tried.
    """
    _require_known(version)
    return _at_hand(version) or _ready(version) or _made(version)


def default() -> str:
    """The version where none is asked for: that of ``TSEXT_PG_BINDIR`` or of an installed TimescaleDB, else 2.19."""
    bindir = _at_hand(None)
    found = bindir and timescaledb_version(bindir)
    return ".".join(found.split(".")[:2]) if found else DEFAULT


def _cluster(version: str | None, name: str, fsync: bool) -> Cluster:
    label = _label(version)
    return Cluster(label, find(version), state_dir() / f"{name}-{label}", fsync)


def _label(version: str | None) -> str:
    _require_known(version)
    return version or default()


def _require_known(version: str | None) -> None:
    if version is not None and version not in VERSIONS:
        raise LocalServerError(f"there is no local server {version}", hint=f"use one of: {', '.join(VERSIONS)}")


def _at_hand(version: str | None) -> Path | None:
    if given := programs.named_by_user(version):
        return given
    return next((each for each in _installed() if programs.is_of(timescaledb_version(each), version)), None)


def _installed() -> list[Path]:
    found = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)]
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).resolve().parent)
    return found


def _prefix(version: str | None) -> Path:
    return cache_dir() / "localdb" / VERSIONS[version or DEFAULT].suite


def _cached(version: str | None) -> Path | None:
    found = sorted(_prefix(version).glob("usr/lib/postgresql/*/bin/postgres"))
    return found[0].parent if found else None


def _ready(version: str | None) -> Path | None:
    cached = _cached(version)
    return cached if cached and programs.run(cached) else None


def _made(version: str | None) -> Path:
    prefix, source = _prefix(version), VERSIONS[version or DEFAULT]
    if not prefix.exists():
        _require_debian()
    with folders.using(prefix.parent, "TSEXT_CACHE_DIR"), folders.locked(prefix):
        if made_while_we_waited := _ready(version):
            return made_while_we_waited
        if prefix.exists():  # it was moved here, or is broken
            with suppress(LocalServerError):
                debian.rebind(prefix)
        if not _ready(version):
            _require_debian()
            debian.build(prefix, source.suite, source.package)
    if not (made := _ready(version)):
        raise LocalServerError(f"the programs in {prefix} do not run", hint="run `docker compose up -d` instead")
    return made


def _require_debian() -> None:
    if obstacle := debian.obstacle():
        raise LocalServerError(
            "no PostgreSQL with TimescaleDB here: TSEXT_PG_BINDIR is not set, no installed PostgreSQL has TimescaleDB, "
            f"the cache {cache_dir()} has none, and Debian's packages cannot be unpacked: {obstacle.message}",
            hint=f"{obstacle.hint}; or run `docker compose up -d` with the compose.yaml of the project, "
            "or set TSEXT_DATABASE_URL",
        )


__all__ = [
    "DEFAULT",
    "DEVELOPMENT",
    "VERSIONS",
    "Cluster",
    "LocalServerError",
    "cache_dir",
    "default",
    "ensure",
    "existing",
    "find",
    "serves",
    "shared",
    "state_dir",
    "timescaledb_version",
]
