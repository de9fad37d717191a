"""Finding PostgreSQL's programs for a version of TimescaleDB, or making them out of Debian's packages."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tsext.errors import LocalServerError
from tsext.localdb import debian, folders, programs
from tsext.localdb.places import cache_dir

DEFAULT = "2.19"
"""The version to make where none is asked for and none is installed."""


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
"""The versions of TimescaleDB that can be asked for."""


def find(version: str | None = None) -> Path:
    """The folder of PostgreSQL's programs for a version of TimescaleDB, making it as a last resort.

    Looks at ``TSEXT_PG_BINDIR``, at the installed PostgreSQL versions, at the cache; then unpacks Debian's packages.

    :param version: one of :data:`VERSIONS`; None takes what is at hand, else the default.
    :raises LocalServerError: naming what was tried.
    """
    require_known(version)
    return _at_hand(version) or _cached_that_runs(version) or _made(version)


def look(version: str | None = None) -> Path:
    """The folder as :func:`find` would find it; where it would be if it had to be made, which this does not do."""
    with suppress(LocalServerError):  # programs that do not fit matter only to who wants to start them
        if at_hand := _at_hand(version):
            return at_hand
    return _cached(version) or _prefix(version)


def default() -> str:
    """The version where none is asked for: that of ``TSEXT_PG_BINDIR`` or of an installed TimescaleDB, else 2.19."""
    bindir = _at_hand(None)
    found = bindir and programs.timescaledb_version(bindir)
    return ".".join(found.split(".")[:2]) if found else DEFAULT


def require_known(version: str | None) -> None:
    """Refuse a version that is not one of :data:`VERSIONS`; None passes.

    :raises LocalServerError: naming those that there are.
    """
    if version is not None and version not in VERSIONS:
        raise LocalServerError(f"there is no local server {version}", hint=f"use one of: {', '.join(VERSIONS)}")


def _at_hand(version: str | None) -> Path | None:
    """Programs that tsext has not made: named by the user, or installed."""
    if given := programs.named_by_user(version):
        return given
    return next((each for each in _installed() if programs.is_of(programs.timescaledb_version(each), version)), None)


def _installed() -> list[Path]:
    """Folders of programs where Debian's packages put them, newest PostgreSQL first, then that on the PATH."""
    found = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)]
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).resolve().parent)
    return found


def _prefix(version: str | None) -> Path:
    """Where in the cache Debian's packages for a version are unpacked."""
    return cache_dir() / "localdb" / VERSIONS[version or DEFAULT].suite


def _cached(version: str | None) -> Path | None:
    found = sorted(_prefix(version).glob("usr/lib/postgresql/*/bin/postgres"))
    return found[0].parent if found else None


def _cached_that_runs(version: str | None) -> Path | None:
    cached = _cached(version)
    return cached if cached and programs.run(cached) else None


def _made(version: str | None) -> Path:
    prefix, source = _prefix(version), VERSIONS[version or DEFAULT]
    if not prefix.exists():
        _require_debian()
    with folders.using(prefix.parent, "TSEXT_CACHE_DIR"), folders.locked(prefix):
        if made_while_we_waited := _cached_that_runs(version):
            return made_while_we_waited
        if prefix.exists():  # it was moved here, or is broken
            with suppress(LocalServerError):
                debian.rebind(prefix)
        if not _cached_that_runs(version):
            _require_debian()
            debian.build(prefix, source.suite, source.package)
    if not (made := _cached_that_runs(version)):
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
