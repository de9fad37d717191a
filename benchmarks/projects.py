"""An Alembic project for a benchmark."""

from __future__ import annotations

from pathlib import Path

TSEXT = "from alembic import context\nfrom tsext import environment\n\nenvironment.run(context, None)\n"
"""The ``env.py`` of a project that uses tsext."""


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
