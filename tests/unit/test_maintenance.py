"""Maintenance windows: how they are written, when they are open, and what the change of the clock does to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from alembic.config import Config

from tsext.errors import SettingsError
from tsext.maintenance import Window, next_opening, open_window
from tsext.settings import Settings

ZURICH = ZoneInfo("Europe/Zurich")


def windows(tmp_path, text, x=None):
    indented = text.replace("\n", "\n    ")
    (tmp_path / "alembic.ini").write_text(
        f"[alembic]\nscript_location = alembic\n[tsext]\nmaintenance_windows = {indented}"
    )
    return Settings.read(Config(tmp_path / "alembic.ini"), x).maintenance_windows


def at(text):
    """An instant, as the clock in Zurich shows it with its offset, or in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def test_several_windows_in_an_ini_file(tmp_path):
    text = "0 2 * * SUN for 3h in Europe/Zurich\n30 22 1,15 * * for 90min"
    sunday, twice_a_month = windows(tmp_path, text)
    assert sunday == Window("0 2 * * SUN", timedelta(hours=3), ZURICH)
    assert str(sunday) == "0 2 * * SUN for 3h in Europe/Zurich"
    assert str(twice_a_month) == "30 22 1,15 * * for 90min in UTC"


def test_windows_in_a_pyproject(tmp_path):
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = alembic\n")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.tsext.production]\nmaintenance_windows = ["0 2 * * SUN for 3h", "0 3 * * * for 30min"]\n'
    )
    config = Config(tmp_path / "alembic.ini", toml_file=tmp_path / "pyproject.toml")
    assert len(Settings.read(config, {"env": "production"}).maintenance_windows) == 2
    assert Settings.read(config, {"env": "staging"}).maintenance_windows == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 2 * * SUN", "not of the form CRON for DURATION in TIME ZONE"),
        ("0 2 * * for 3h", "has 4 fields, not 5"),
        ("0 25 * * SUN for 3h", "Bad hour"),
        ("0 2 31 2 * for 3h", "Bad day-of-month"),
        ("0 2 * * SUN for 3 hours", "write a number and a unit"),
        ("0 2 * * SUN for 0h", "no time for a window"),
        ("0 2 * * SUN for 3h in Europe/Zuerich", "names a time zone that is not known"),
    ],
)
def test_what_is_no_window_is_refused(tmp_path, text, said):
    with pytest.raises(SettingsError, match=said):
        windows(tmp_path, text)


def test_a_reason_must_say_something(tmp_path):
    with pytest.raises(SettingsError, match="-x maintenance-window is empty"):
        windows(tmp_path, "", {"maintenance-window": " "})


NIGHT = Window("30 2 * * *", timedelta(hours=2), ZURICH)


@pytest.mark.parametrize(
    ("now", "closes"),
    [
        ("2026-11-25T02:29:59+01:00", None),
        ("2026-11-25T02:30:00+01:00", "2026-11-25T04:30:00+01:00"),
        ("2026-11-25T04:29:59.999+01:00", "2026-11-25T04:30:00+01:00"),
        ("2026-11-25T04:30:00+01:00", None),
        # In spring 02:00 is followed by 03:00: it opens then, and stays open for two hours.
        ("2026-03-29T01:59:59+01:00", None),
        ("2026-03-29T03:00:00+02:00", "2026-03-29T05:00:00+02:00"),
        ("2026-03-29T04:59:00+02:00", "2026-03-29T05:00:00+02:00"),
        ("2026-03-29T05:00:00+02:00", None),
        # In autumn 03:00 is followed by 02:00: it opens at the first 02:30, two hours before 03:30.
        ("2026-10-25T02:29:00+02:00", None),
        ("2026-10-25T02:30:00+02:00", "2026-10-25T03:30:00+01:00"),
        ("2026-10-25T02:15:00+01:00", "2026-10-25T03:30:00+01:00"),
        ("2026-10-25T02:45:00+01:00", "2026-10-25T03:30:00+01:00"),
        ("2026-10-25T03:30:00+01:00", None),
    ],
)
def test_when_it_is_open(now, closes):
    assert NIGHT.closes(at(now)) == (closes and at(closes))


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-25T02:30:00+01:00", "2026-11-26T02:30:00+01:00"),
        ("2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"),
        ("2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"),
        ("2026-10-25T02:15:00+02:00", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:15:00+01:00", "2026-10-26T02:30:00+01:00"),
    ],
)
def test_when_it_opens_next(now, opens):
    assert NIGHT.opens(at(now)) == at(opens)


def test_every_hour_of_a_long_night():
    hourly = Window("0 * * * *", timedelta(minutes=1), ZURICH)
    assert hourly.closes(at("2026-10-25T02:00:30+02:00"))
    assert hourly.closes(at("2026-10-25T02:00:30+01:00"))


def test_the_window_that_closes_last_of_those_that_are_open():
    long, short = Window("0 0 * * SAT", timedelta(days=2), ZURICH), Window("0 1 * * *", timedelta(hours=1), ZURICH)
    saturday = at("2026-11-28T01:30:00+01:00")
    assert open_window([short, long], saturday) is long
    assert open_window([short, long], at("2026-11-27T12:00:00+01:00")) is None
    assert open_window([], saturday) is None
    opens, which = next_opening([long, short], at("2026-11-27T12:00:00+01:00"))
    assert (opens, which) == (at("2026-11-28T00:00:00+01:00"), long)
    assert next_opening([], saturday) is None
