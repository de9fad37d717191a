"""How values are written, as in ``postgresql.conf``: each parser takes a name, for its error, and a text."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tsext.errors import SettingsError

if TYPE_CHECKING:
    from tsext.maintenance import Window

_SIZES = {unit: 1024**power for power, unit in enumerate(("B", "kB", "MB", "GB", "TB"))}
"""PostgreSQL's units of memory, in bytes."""

_UNITS = {"ms": "milliseconds", "s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


def choice(*allowed: str) -> Any:
    """One of several words."""

    def parse(name: str, text: str) -> str:
        if text not in allowed:
            raise SettingsError(f"{name} is {text!r}", hint=f"use one of: {', '.join(allowed)}")
        return text

    return parse


def duration(name: str, text: str) -> timedelta:
    """A number with one of PostgreSQL's time units, as in ``postgresql.conf``: ``500ms``, ``30s``, ``5min``."""
    found = re.fullmatch(r"(\d+)\s*(ms|s|min|h|d)", text.strip())
    if not found:
        raise SettingsError(f"{name} is {text!r}", hint="write a number and a unit: 500ms, 30s, 5min, 1h or 1d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


_WINDOW = re.compile(r"(?P<cron>\S.*?)\s+for\s+(?P<duration>.+?)(?:\s+in\s+(?P<zone>\S+))?")


def windows(name: str, text: str) -> tuple[Window, ...]:
    """Maintenance windows, one a line: ``0 2 * * SUN for 3h in Europe/Zurich``; without a time zone UTC holds."""
    return tuple(_window(name, line.strip()) for line in re.split(r"[\n;]", text) if line.strip())


def _window(name: str, line: str) -> Window:
    from tsext.maintenance import Window  # few settings have one

    found = _WINDOW.fullmatch(line)
    try:
        if not found:
            raise ValueError("it is not of the form CRON for DURATION in TIME ZONE")
        return Window(found["cron"], duration(name, found["duration"]), ZoneInfo(found["zone"] or "UTC"))
    except ZoneInfoNotFoundError as error:
        raise SettingsError(
            f"{name} names a time zone that is not known: {line!r}",
            hint="use a name of the tz database: Europe/Zurich, America/New_York, UTC",
        ) from error
    except ValueError as error:
        raise SettingsError(
            f"{name} has {line!r}: {error}",
            hint="write minute, hour, day of the month, month and day of the week as cron does, then for how long: "
            "0 2 * * SUN for 3h in Europe/Zurich",
        ) from error


def text(name: str, text: str) -> str:
    """Any text."""
    return text.strip()


def durations(name: str, text: str) -> tuple[timedelta, ...]:
    """Several of them, each at least a millisecond, separated by blanks or commas: ``10ms 50ms 200ms``."""
    durations = tuple(duration(name, each) for each in text.replace(",", " ").split())
    if not durations or min(durations) < timedelta(milliseconds=1):
        raise SettingsError(f"{name} is {text!r}", hint="write at least one time above zero: 10ms 50ms")
    return durations


class Size(int):
    """Bytes; printed in the largest of PostgreSQL's units that divides them, as in ``postgresql.conf``."""

    def __str__(self) -> str:
        unit = next(unit for unit, size in reversed(_SIZES.items()) if self % size == 0 and (self or unit == "B"))
        return f"{int(self) // _SIZES[unit]}{unit}"


def size(name: str, text: str) -> Size:
    """A number with one of PostgreSQL's units of memory: ``500MB``, ``20GB``."""
    found = re.fullmatch(r"(\d+)\s*(B|kB|MB|GB|TB)", text.strip())
    if not found:
        raise SettingsError(f"{name} is {text!r}", hint="write a number and a unit: 500MB, 20GB or 2TB")
    return Size(int(found[1]) * _SIZES[found[2]])


def count(name: str, text: str) -> int:
    """A number of at least 1."""
    if not re.fullmatch(r"[1-9]\d*", text.strip()):
        raise SettingsError(f"{name} is {text!r}", hint="write a number of at least 1")
    return int(text)


def number(name: str, text: str) -> int:
    """A number of at least 0."""
    if not re.fullmatch(r"\d+", text.strip()):
        raise SettingsError(f"{name} is {text!r}", hint="write a number of at least 0")
    return int(text)


def percent(name: str, text: str) -> int:
    """Without a percent sign, which an ini file would take for the begin of a reference."""
    if not re.fullmatch(r"\d{1,2}", text.strip()):
        raise SettingsError(f"{name} is {text!r}", hint="write a share of a hundred as a number, as in 10")
    return int(text)


def or_off(parse: Any) -> Any:
    """What ``parse`` reads, or ``off``, which is None."""

    def parsed(name: str, text: str) -> Any:
        return None if text.strip() == "off" else parse(name, text)

    return parsed


def spelled(value: Any) -> str:
    """A value as it would stand in a section."""
    if value in ((), None, ""):
        return "none"
    if isinstance(value, tuple):
        return " ".join(map(spelled, value))
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        return f"{int(seconds)}s" if seconds.is_integer() else f"{seconds * 1000:g}ms"
    return str(value)
