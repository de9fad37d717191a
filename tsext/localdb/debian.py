"""Making a PostgreSQL with TimescaleDB out of Debian's packages, without root: unpacked, not installed."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tsext.errors import Finding, LocalServerError
from tsext.localdb import binding, folders, sources

KEYRINGS = tuple(Path("/usr/share/keyrings") / f"debian-archive-keyring.{suffix}" for suffix in ("gpg", "pgp"))

_NOT_NEEDED = re.compile(
    r"(perl|libperl|libgdbm|systemd|adduser|debconf|locales|passwd|login|ucf|netbase|procps|sensible-utils|"
    r"base-passwd|init-system|sysvinit|libc-bin|libc-l10n|libpam-|openssl$|readline-common|postgresql-.*common|ssl-cert|"
    r"lib(json|io-pty|ipc-run|text)-.*perl|libllvm|libz3|libedit|libffi|tzdata)"
)
"""Packages PostgreSQL runs without: maintenance scripts, the JIT compiler, accounts."""

_SURPLUS = ("usr/share/doc", "usr/share/locale", "usr/share/man")


def obstacle() -> Finding | None:
    """Why this machine cannot make a server this way, and what would help; None if it can."""
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        return Finding("no-apt", f"{' and '.join(missing)} not found", "this needs Debian or one of its relatives")
    if _keyring() is None:
        return Finding(
            "no-keyring",
            f"the keys of Debian's archive not found: {KEYRINGS[0]}",
            "apt-get install debian-archive-keyring (on Ubuntu it is in universe)",
        )
    if binding.patchelf() is None:
        return Finding("no-patchelf", "patchelf not found", binding.CURE)
    return None


def build(prefix: Path, suite: str, package: str) -> None:
    """Download a package with what it needs, unpack it, bind it to its own libraries, and name it ``prefix``.

    Finished elsewhere and renamed at the end, so that an interrupted build leaves nothing that looks finished.

    :raises LocalServerError: if Debian's archive cannot be reached or lacks the package, or the disk is full.
    """
    from rich.console import Console  # costs more to import than the rest of a run that finds a server

    begun = f"TimescaleDB from Debian {suite}"
    with folders.beside(prefix) as work, Console(stderr=True).status(begun) as status:
        _fetch(work, suite, package, lambda what: status.update(f"{begun}: {what}"))
        status.update(f"{begun}: unpacking")
        _unpack(work / "debs", work / "root")
        binding.bind(work / "root", prefix)
        _replace(prefix, work / "root")


def rebind(prefix: Path) -> None:
    """Bind what was built in another folder, and moved or copied to ``prefix``, to where it is now."""
    with folders.beside(prefix) as work:
        shutil.copytree(prefix, work / "root", symlinks=True)
        binding.bind(work / "root", prefix)
        _replace(prefix, work / "root")


def _replace(prefix: Path, new: Path) -> None:
    shutil.rmtree(prefix, ignore_errors=True)
    new.rename(prefix)


def _fetch(work: Path, suite: str, package: str, say: Callable[[str], None]) -> None:
    for folder in ("lists/partial", "cache/archives/partial", "debs"):
        (work / folder).mkdir(parents=True)
    apt = _apt(work, suite)
    say("reading the list of packages")
    _run([*apt, "update"], work)
    names = _closure(_run([*apt, "install", "--no-install-recommends", "--print-uris", "-y", package], work))
    say(f"downloading {len(names)} packages (about 40 MB)")
    _run([*apt, "download", *names], work / "debs")


def _unpack(debs: Path, root: Path) -> None:
    root.mkdir()
    for deb in sorted(debs.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(deb), str(root)], debs)
    _thin_out(root)


def _keyring() -> Path | None:
    return next((each for each in KEYRINGS if each.is_file()), None)


def _apt(work: Path, suite: str) -> list[str]:
    (work / "sources.list").write_text(f"deb [signed-by={_keyring()}] {sources.mirror()} {suite} main\n")
    options = {
        "Dir::Etc::SourceList": work / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State::Lists": work / "lists",
        "Dir::Cache": work / "cache",
        "Dir::State::status": "/dev/null",
        "APT::Sandbox::User": "",
        "APT::Update::Error-Mode": "any",
    }
    return ["apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items())]


def _closure(uris: str) -> list[str]:
    """Names of the packages to fetch, from what ``apt-get --print-uris`` prints."""
    files = re.findall(r"(?m)^'[^']+' (\S+)_[^_\s]+_\w+\.deb ", uris)
    return [name for name in files if not _NOT_NEEDED.match(name)]


def _thin_out(root: Path) -> None:
    for surplus in _SURPLUS:
        shutil.rmtree(root / surplus, ignore_errors=True)
    for lib in root.glob("usr/lib/postgresql/*/lib"):
        shutil.rmtree(lib / "bitcode", ignore_errors=True)
        for jit in lib.glob("llvmjit*"):
            shutil.rmtree(jit) if jit.is_dir() else jit.unlink()


def _run(command: list[str], folder: Path) -> str:
    english = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, cwd=folder, env=english, capture_output=True, text=True, check=False)
    if done.returncode:
        output = (done.stderr or done.stdout).strip()
        if "No space left on device" in output:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        host = urlsplit(sources.mirror()).hostname
        raise LocalServerError(
            f"{Path(command[0]).name} failed: {output.splitlines()[-1] if output else done.returncode}",
            hint=f"is {host} reachable? Otherwise use `docker compose up -d` or set TSEXT_DATABASE_URL",
        )
    return done.stdout
