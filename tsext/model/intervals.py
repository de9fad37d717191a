"""Lengths of chunks as values that can be compared."""

from __future__ import annotations

import re
from datetime import timedelta

from tsext.errors import InvalidObject

Interval = timedelta | int | str
"""Length of a chunk: ``timedelta``, text such as ``"12 hours"``, or, for an integer column, an integer."""

_UNITS = {
    "weeks": "w week weeks",
    "days": "d day days",
    "hours": "h hr hrs hour hours",
    "minutes": "m min mins minute minutes",
    "seconds": "s sec secs second seconds",
    "milliseconds": "ms msec msecs msecond mseconds millisecond milliseconds",
    "microseconds": "us usec usecs usecond useconds microsecond microseconds",
}
_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words.split()}
_CALENDAR = re.compile(r"y|yrs?|years?|mons?|months?|decades?|c|cent|century|centuries|mil|mils|millennium|millennia")
_PART = re.compile(r"(?P<clock>\d+:\d\d(?::\d\d(?:\.\d+)?)?)|(?P<count>\d+(?:\.\d+)?)\s*(?P<unit>[a-zµ]+)")


def interval(given: object, argument: str = "chunk_time_interval") -> timedelta | int:
    """The length of chunks as a value that can be compared; text is made a ``timedelta``.

    :param given: ``timedelta``, an integer, or text as PostgreSQL reads it: ``"1 day 06:00"``, ``"P1D"``.
    :param argument: what it is called, for messages.
    :raises InvalidObject: if it is not positive, has no fixed length, or cannot be read.
    """
    length = _duration(given, argument) if isinstance(given, str) else given
    if isinstance(length, bool) or not isinstance(length, timedelta | int):
        raise InvalidObject(
            f"{argument} is {given!r}",
            hint='write timedelta(days=7) or "7 days"; for an integer column an integer',
        )
    if length <= type(length)():  # type: ignore[operator]
        raise InvalidObject(f"{argument} {given!r} is not positive", hint="write timedelta(days=7)")
    return length


def _duration(text: str, argument: str) -> timedelta:
    words = text.strip().lower()
    if words.startswith("p"):
        date, _, time = words[1:].partition("t")
        words = f"{date.replace('m', 'month')} {time}"
    parts = list(_PART.finditer(words))
    if any(_CALENDAR.fullmatch(part["unit"] or "") for part in parts):
        raise InvalidObject(
            f"{argument} {text!r} has no fixed length",
            hint='TimescaleDB stores microseconds; write days, for example timedelta(days=30) or "30 days"',
        )
    if not parts or _PART.sub("", words).strip(" ,@") or not all(_known(part) for part in parts):
        raise InvalidObject(
            f"{argument} {text!r} cannot be read",
            hint='write timedelta(days=7), or a number and a unit: "7 days", "12 hours"',
        )
    return sum(map(_length, parts), timedelta())


def _known(part: re.Match[str]) -> bool:
    return part["clock"] is not None or part["unit"] in _UNIT_OF


def _length(part: re.Match[str]) -> timedelta:
    if part["clock"] is None:
        return timedelta(**{_UNIT_OF[part["unit"]]: float(part["count"])})
    hours, minutes, seconds = (*part["clock"].split(":"), "0")[:3]
    return timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))


def microseconds(length: Interval) -> int:
    """A length as TimescaleDB stores it; an integer is that already."""
    value = interval(length)
    return value // timedelta(microseconds=1) if isinstance(value, timedelta) else value
