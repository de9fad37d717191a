"""What the README tells a newcomer to do, done literally."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def block(language, beginning):
    """The first block of a language that begins so."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(each for each in blocks if each.startswith(beginning))


@pytest.mark.one_version
def test_the_first_steps(project):
    """On what ``alembic init`` writes, with the lines to add added, and its placeholder of a URL deleted."""
    project.path = project.path / "new"
    project.path.mkdir()
    project.run("alembic", "init", "alembic")
    (project.path / "alembic" / "env.py").write_text(block("python", "from logging.config"))
    (project.path / "models.py").write_text(block("python", "from datetime import timedelta"))
    ini = project.path / "alembic.ini"
    written = [line for line in ini.read_text().splitlines() if not line.startswith("sqlalchemy.url")]
    section, *lines = block("ini", "[alembic]").splitlines()
    assert set(lines[:2]) <= set(written)
    ini.write_text("\n".join(written).replace(section, "\n".join([section, *lines[2:]]), 1))

    project.run("alembic", "revision", "--autogenerate", "-m", "ticks")
    revision = (project.versions / "001_ticks.py").read_text()
    for line in block("python", "op.create_hypertable").splitlines():
        assert line in revision

    commands = re.findall(r"(?m)^\$ (alembic|tsext) (.*?)(?: +#.*)?$", block("console", "$ tsext lint"))
    printed = [project.run(program, *arguments.split()) for program, arguments in commands]
    assert [program for program, _ in commands] == ["tsext", "alembic", "tsext", "tsext", "tsext"]
    assert "1 safe, 0 unsafe" in printed[0]
    assert "001" in printed[2] and "applied" in printed[2]
    assert printed[3].splitlines()[-1].startswith("valid:")
    assert project.scalar("SELECT to_regclass('ticks')") is None
