"""Documentation that could drift is compared with the code; its Python examples run."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations

from tsext import settings
from tsext.cli import TsextCommandLine
from tsext.preflight import checking

ROOT = Path(__file__).parents[2]


def test_every_setting_is_documented():
    page = (ROOT / "docs" / "settings.md").read_text()
    for each in settings.documented():
        assert f"| `{each.name}` | {each.takes} | {each.default} | {each.meaning} |" in page


def test_checks_of_preflight_are_documented_with_their_answers(tmp_path):
    page = (ROOT / "docs" / "preflight.md").read_text()
    for check in checking.CHECKS:
        (row,) = re.findall(rf"(?m)^\| `{check}` \|.*\| (\w+) \| (\w+) \| (\w+) \|$", page)
        for environment, answer in zip(settings.ENVIRONMENTS, row, strict=True):
            given = settings.Settings.read(Config(), {"env": environment})
            assert getattr(given, f"preflight_{check}") == answer
    (example,) = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    (tmp_path / "alembic.ini").write_text(f"[alembic]\nscript_location = alembic\n\n{example}")
    read = settings.Settings.read(Config(tmp_path / "alembic.ini"), {"env": "production"})
    assert (read.preflight_slots, read.preflight_transaction_age) == ("fail", timedelta(minutes=5))


def test_generated_pages_are_up_to_date():
    subprocess.run([sys.executable, ROOT / "docs" / "generate.py", "--check"], check=True)


def test_every_command_of_the_readme_exists():
    known = TsextCommandLine().subparsers.choices
    for name in re.findall(r"(?m)^\| `tsext (\w+)", (ROOT / "README.md").read_text()):
        assert name in known


def test_every_room_is_described():
    (contract,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rooms = {room.strip() for layer in contract["layers"] for room in layer.split("|")}
    rows = re.findall(r"(?m)^\| (`.*?) \|", (ROOT / "CONTRIBUTING.md").read_text())
    assert {room for row in rows for room in re.findall(r"`(\w+)`", row)} == rooms


WITH_DECLARATIONS = ["columnstore", "continuous_aggregates", "hypertables", "jobs", "policies", "reflect"]
PAGES = ["README.md", *(f"docs/{name}.md" for name in WITH_DECLARATIONS)]


@pytest.mark.parametrize("page", PAGES)
def test_declarations_in_the_documentation_run(page, tmp_path):
    examples = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    declarations = [example for example in examples if "MetaData()" in example]
    assert declarations
    for example in declarations:
        (tmp_path / "example.py").write_text(example)
        subprocess.run([sys.executable, tmp_path / "example.py"], check=True)


@pytest.mark.parametrize("page", ["safety.md"])
def test_examples_that_assert_hold(page):
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    assert examples
    for example in examples:
        exec(example, {})


@pytest.mark.parametrize("page", ["backfill.md", "columns.md", "constraints.md", "expanding.md", "indexes.md"])
def test_revisions_in_the_documentation_print_what_they_do(page):
    revisions = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    assert revisions
    for revision in (each for each in revisions if "def upgrade" in each):
        buffer = io.StringIO()
        context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": buffer})
        with Operations.context(context):
            functions: dict[str, Any] = {}
            exec(revision, functions)
            functions["upgrade"]()
            upgraded = buffer.tell()
            functions["downgrade"]()
        assert 0 < upgraded < buffer.tell()


@pytest.mark.parametrize("page", ["columnstore.md", "hypertables.md", "jobs.md", "policies.md"])
def test_verbs_say_what_the_documentation_says(page):
    rows = re.findall(r"(?m)^\| `(\w+\(.*?\))` \| `(.*?)` \|", (ROOT / "docs" / page).read_text())
    assert rows
    for call, sql in rows:
        buffer = io.StringIO()
        context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": buffer})
        eval(f"op.{call}", {"op": Operations(context), "timedelta": timedelta})
        assert buffer.getvalue() == "{};\n\n".format(sql.replace("\\|", "|"))


def test_limits_of_backfills_are_documented_with_their_defaults():
    page = (ROOT / "docs" / "backfill.md").read_text()
    rows = re.findall(r"(?m)^\| `[\w-]+`.*\| `(\w+)`.*\| (\S+) \|$", page)
    found = {name: text for name, text in rows if text != "none"}
    default = settings.Settings().texts()
    assert len(found) == 8
    for name, text in found.items():
        assert settings.Settings().given({f"backfill_{name}": text}).texts() == default


def test_commands_of_backfills_are_documented():
    page = (ROOT / "docs" / "backfill.md").read_text()
    (group,) = (each for each in TsextCommandLine().subparsers.choices["backfill"]._actions if each.dest == "action")
    assert set(group.choices) == set(re.findall(r"(?m)^\| `tsext backfill (\w+)", page)) | {"resume"}
