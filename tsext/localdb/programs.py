"""PostgreSQL's programs on this machine, and the version of TimescaleDB that is beside them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tsext.errors import LocalServerError


def timescaledb_version(bindir: Path) -> str | None:
    """The version of TimescaleDB beside a PostgreSQL, read from its control file; None if it has none."""
    for share in _share_folders(bindir):
        control = share / "extension" / "timescaledb.control"
        if control.is_file():
            found = re.search(r"default_version\s*=\s*'([^']+)'", control.read_text())
            return found[1] if found else None
    return None


def run(bindir: Path) -> bool:
    """Whether the programs of a folder run here: not if they were bound to another folder or machine."""
    try:
        return subprocess.run([bindir / "postgres", "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def named_by_user(version: str | None) -> Path | None:
    """The folder ``TSEXT_PG_BINDIR``; None if it is not set.

    :param version: that it must have, for example ``2.19``; None takes any.
    :raises LocalServerError: if it is not a PostgreSQL with that TimescaleDB.
    """
    if not (given := os.environ.get("TSEXT_PG_BINDIR")):
        return None
    bindir = Path(given).absolute()
    if not (bindir / "postgres").is_file():
        raise LocalServerError(
            f"TSEXT_PG_BINDIR is {bindir}, which has no postgres",
            hint="name the folder that initdb and postgres are in",
        )
    found = timescaledb_version(bindir)
    if found is None:
        raise LocalServerError(
            f"TSEXT_PG_BINDIR is {bindir}, whose PostgreSQL has no TimescaleDB",
            hint="install TimescaleDB for it, name another folder, or unset TSEXT_PG_BINDIR",
        )
    if not is_of(found, version):
        raise LocalServerError(
            f"TSEXT_PG_BINDIR is {bindir}, which has TimescaleDB {found}, not {version}",
            hint="name another folder, or unset TSEXT_PG_BINDIR; to use this one, `tsext localdb start` it without "
            "--version and set TSEXT_DATABASE_URL to what `tsext localdb url` prints",
        )
    return bindir


def is_of(found: str | None, version: str | None) -> bool:
    """Whether the release ``found`` is one of ``version``; None for a version takes any, but not no release."""
    return found is not None and (version is None or found.startswith(f"{version}."))


def _share_folders(bindir: Path) -> list[Path]:
    home = (bindir / "postgres").resolve().parent.parent
    debian = [each / "share" / "postgresql" / home.name for each in home.parents[2:3]]
    candidates = [*debian, home / "share", home / "share" / "postgresql"]
    if (bindir / "pg_config").is_file():
        done = subprocess.run([bindir / "pg_config", "--sharedir"], capture_output=True, text=True, check=False)
        candidates.append(Path(done.stdout.strip()))
    return candidates
