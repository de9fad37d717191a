"""The command line where it is not Alembic's own, before it reaches a database."""

from __future__ import annotations

import pytest

from tsext import cli


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
