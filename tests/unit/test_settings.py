"""What a user may write in a section of settings, and what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from alembic.config import Config

from tsext import durations
from tsext.errors import SettingsError
from tsext.settings import Settings, Size


def read(tmp_path, line):
    (tmp_path / "alembic.ini").write_text(f"[alembic]\nscript_location = alembic\n\n[tsext]\n{line}\n")
    return Settings.read(Config(tmp_path / "alembic.ini"))


def test_sizes_and_shares(tmp_path):
    assert read(tmp_path, "preflight_disk_size = 1500 MB").preflight_disk_size == 1500 * 1024**2
    assert read(tmp_path, "preflight_disk_reserve = 12").preflight_disk_reserve == 12
    assert [str(Size(each)) for each in (0, 1000, 1024, 3 * 1024**3, 1024**4)] == ["0B", "1000B", "1kB", "3GB", "1TB"]


@pytest.mark.parametrize("text", ["0ms", "999ms", "1500ms", "59s", "1min", "90min", "36h", "1d", "1000000d"])
def test_times_are_spelled_as_they_are_written(text):
    assert durations.spelled(durations.read(text)) == text


def test_times_are_spelled_in_the_largest_unit_that_divides_them():
    assert durations.spelled(timedelta(seconds=600)) == "10min"
    measured = {0.25: "0.2 s", 12.4: "12 s", 59.6: "1 min", 75: "1 min 15 s", 7200: "2 h", 3661: "1 h 1 min"}
    assert {each: durations.measured(each) for each in measured} == measured
    assert durations.measured(3 * 86_400 + 59) == "3 d"
    assert durations.spelled(timedelta(hours=24)) == "1d"


@pytest.mark.parametrize(
    "line",
    ["preflight_disk_size = 10", "preflight_disk_reserve = 5 GB", "preflight_locks = maybe", "lock_deadline = 10"],
)
def test_what_cannot_be_read_is_refused(tmp_path, line):
    with pytest.raises(SettingsError, match=line.split()[0]):
        read(tmp_path, line)
