"""What the tutorial tells to do, done literally, from its first block to its last."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text("utf-8")


def is_in(line, text):
    """Whether a line stands in a text, however that is broken into lines."""
    return "".join(line.split()) in "".join(text.split()).replace(",)", ")")


@pytest.mark.one_version
def test_every_step(project):
    project.environment["TSEXT_ENV"] = "production"
    project.execute("CREATE EXTENSION timescaledb")
    for language, text in re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL):
        first, _, rest = text.partition("\n")
        if language == "sql":
            project.execute(text)
        elif first == "# models.py":
            project.models(rest)
        elif language == "python":
            written = (project.path / first.removeprefix("# ")).read_text()
            assert [line for line in rest.splitlines() if not is_in(line, written)] == []
        else:
            run(project, text)
    assert project.scalar("SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'prices'") > 8
    assert project.scalar("SELECT count(*) FROM prices") == 2 * (59 * 288 + 1)


def run(project, commands):
    """Each command, of which what follows is some of what it prints."""
    for each in re.split(r"(?m)^\$ ", commands)[1:]:
        command, *printed = each.splitlines()
        said = project.run(*shlex.split(command))
        assert [line for line in printed if line not in said] == []
