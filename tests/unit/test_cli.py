"""The command line where it is not Alembic's own, before it reaches a database."""

from __future__ import annotations

from importlib import metadata

import alembic
import pytest
from alembic.config import Config

from tsext import cli, command
from tsext.errors import SettingsError
from tsext.loading import transfers
from tsext.settings import sources


@pytest.mark.parametrize(
    "words",
    [
        ["repair"],  # not all of them because one was forgotten
        ["repair", "001", "002"],
        ["mend", "001"],
    ],
)
def test_history_takes_no_words_but_repair_and_one_revision(words, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["history", *words])
    assert ended.value.code == 2
    assert "repair REVISION, or repair all" in capsys.readouterr().err


def test_help_of_history_tells_of_repair(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["history", "repair", "--help"])
    assert ended.value.code == 0
    assert "Accept the files of an applied revision as they are now" in " ".join(capsys.readouterr().out.split())


def test_version_tells_tsexts_own(capsys):
    cli.main(["--version"])
    said = capsys.readouterr().out
    assert said.startswith(f"tsext {metadata.version('tsext')} ") and alembic.__version__ in said


@pytest.mark.parametrize(
    ("ini", "words", "said"),
    [
        (
            None,
            ["status", "--json"],
            "there is no alembic.ini here, or it has no script_location\n  hint: run",
        ),
        ("no section\n", ["status", "--json"], "the configuration cannot be read: File contains no section headers"),
        ("[alembic]\nscript_location = nowhere\n", ["validate", "--json"], "Path doesn't exist: nowhere"),
        ("[tsext]\nno_such = 1\n", ["load", "t", "f", "--json"], "no_such"),
        ("[tsext]\n", ["backfill", "list", "--json"], "cannot connect to postgresql+psycopg2://nobody@127.0.0.1:1/x"),
    ],
)
def test_what_is_refused_is_told_beside_json(tmp_path, monkeypatch, capsys, ini, words, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TSEXT_DATABASE_URL", "postgresql+psycopg2://nobody@127.0.0.1:1/x")
    if ini is not None:
        (tmp_path / "alembic.ini").write_text(ini)
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (-1, "")
    assert said in told.err


def test_a_revision_that_is_no_python_is_named(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = alembic\npath_separator = os\n")
    versions = tmp_path / "alembic" / "versions"
    versions.mkdir(parents=True)
    (versions / "001_a.py").write_text('revision = "001_a"\ndef upgrade(:\n    pass\n')
    with pytest.raises(SystemExit):
        cli.main(["status"])
    assert "001_a.py, line 2: invalid syntax: def upgrade(:\n  hint: mend the file" in caplog.text


def test_a_file_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "reflect", lambda *_: "metadata")
    with pytest.raises(SettingsError, match=r"nowhere/models\.py cannot be written: No such file"):
        cli.reflect(Config(), output=str(tmp_path / "nowhere" / "models.py"))


def test_what_is_no_url_is_refused(monkeypatch):
    with pytest.raises(SettingsError, match="the database URL cannot be read"):
        transfers._without_password("nonsense")
    monkeypatch.setenv("TSEXT_DATABASE_URL", " ")  # as of a secret that is missing
    with pytest.raises(SettingsError, match="TSEXT_DATABASE_URL is empty"):
        sources.database_url(Config())
