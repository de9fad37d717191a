"""An Alembic project for a benchmark, and the Python that runs it."""

from __future__ import annotations

import subprocess
import venv
from importlib.metadata import version
from pathlib import Path

TSEXT = "from alembic import context\nfrom tsext import environment\n\nenvironment.run(context, None)\n"
"""The ``env.py`` of a project that uses tsext."""


ALEMBIC = tuple(f"{each}=={version(each)}" for each in ("alembic", "sqlalchemy", "psycopg2-binary"))
"""What tsext stands on, as it is here."""

OURSELVES = str(Path(__file__).parents[1])
"""tsext, as a package to install: run from its sources, it would be compiled anew where Python writes no bytecode."""


def programs(folder: Path, *packages: str) -> Path:
    """The programs of a virtual environment with these packages and nothing else, so that none slows another."""
    venv.create(folder, with_pip=True)
    command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages]
    subprocess.run(command, check=True)
    return folder / "bin"


def project(folder: Path, env: str, revisions: dict[str, str]) -> None:
    """Make it.

    :param revisions: their texts, by id.
    """
    versions = folder / "alembic" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic" / "env.py").write_text(env)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\n")
    for name, text in revisions.items():
        (versions / f"{name}.py").write_text(text)


def line(text: str, count: int) -> dict[str, str]:
    """So many revisions, each after the one before.

    :param text: with ``{revision}``, ``{down!r}`` and ``{n}`` to be filled in.
    """
    names = [None, *(f"{n:03d}_t{n}" for n in range(1, count + 1))]
    return {str(names[n]): text.format(revision=names[n], down=names[n - 1], n=n) for n in range(1, count + 1)}
