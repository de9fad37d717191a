"""How values are written, as in ``postgresql.conf``: each parser takes a name, for its error, and a text."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tsext import durations
from tsext.errors import SettingsError

if TYPE_CHECKING:
    from tsext.maintenance import Window

_SIZES = {unit: 1024**power for power, unit in enumerate(("B", "kB", "MB", "GB", "TB"))}
"""PostgreSQL's units of memory, in bytes."""

Parse = TypeVar("Parse", bound=Callable[[str, str], Any])


def _takes(what: str) -> Callable[[Parse], Parse]:
    """Has a parser tell the documentation what may be written."""

    def marked(parse: Parse) -> Parse:
        parse.__dict__["takes"] = what
        return parse

    return marked


def choice(*allowed: str) -> Any:
    """One of several words."""

    @_takes(", ".join(f"`{each}`" for each in allowed))
    def parse(name: str, text: str) -> str:
        if text not in allowed:
            raise SettingsError(f"{name} is {text!r}", hint=f"use one of: {', '.join(allowed)}")
        return text

    return parse


@_takes("a time")
def duration(name: str, text: str) -> timedelta:
    """A length of time: ``500ms``, ``30s``, ``5min``."""
    try:
        return durations.read(text)
    except ValueError as error:
        raise SettingsError(f"{name} is {text!r}", hint=str(error)) from None


_WINDOW = re.compile(r"(?P<cron>\S.*?)\s+for\s+(?P<duration>.+?)(?:\s+in\s+(?P<zone>\S+))?")


@_takes("windows")
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


@_takes("text")
def text(name: str, text: str) -> str:
    """Any text."""
    return text.strip()


@_takes("times")
def times(name: str, text: str) -> tuple[timedelta, ...]:
    """Several of them, each at least a millisecond, separated by blanks or commas: ``10ms 50ms 200ms``."""
    times = tuple(duration(name, each) for each in text.replace(",", " ").split())
    if not times or min(times) < timedelta(milliseconds=1):
        raise SettingsError(f"{name} is {text!r}", hint="write at least one time above zero: 10ms 50ms")
    return times


class Size(int):
    """Bytes; printed in the largest of PostgreSQL's units that divides them, as in ``postgresql.conf``."""

    def __str__(self) -> str:
        unit = next(unit for unit, size in reversed(_SIZES.items()) if self % size == 0 and (self or unit == "B"))
        return f"{int(self) // _SIZES[unit]}{unit}"


@_takes("a size")
def size(name: str, text: str) -> Size:
    """A number with one of PostgreSQL's units of memory: ``500MB``, ``20GB``."""
    found = re.fullmatch(r"(\d+)\s*(B|kB|MB|GB|TB)", text.strip())
    if not found:
        raise SettingsError(f"{name} is {text!r}", hint="write a number and a unit: 500MB, 20GB or 2TB")
    return Size(int(found[1]) * _SIZES[found[2]])


@_takes("1 or more")
def count(name: str, text: str) -> int:
    """A number of at least 1."""
    if not re.fullmatch(r"[1-9]\d*", text.strip()):
        raise SettingsError(f"{name} is {text!r}", hint="write a number of at least 1")
    return int(text)


@_takes("0 or more")
def number(name: str, text: str) -> int:
    """A number of at least 0."""
    if not re.fullmatch(r"\d+", text.strip()):
        raise SettingsError(f"{name} is {text!r}", hint="write a number of at least 0")
    return int(text)


@_takes("0 to 99")
def percent(name: str, text: str) -> int:
    """Without a percent sign, which an ini file would take for the begin of a reference."""
    if not re.fullmatch(r"\d{1,2}", text.strip()):
        raise SettingsError(f"{name} is {text!r}", hint="write a share of a hundred as a number, as in 10")
    return int(text)


def or_off(parse: Any) -> Any:
    """What ``parse`` reads, or ``off``, which is None."""

    @_takes(f"{parse.takes}, `off`")
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
        return durations.spelled(value)
    return str(value)
