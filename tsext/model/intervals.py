"""Lengths of time as values that can be compared."""

from __future__ import annotations

import re
from datetime import timedelta

from tsext.errors import InvalidObject

Interval = timedelta | int | str
"""Length of a chunk: ``timedelta``, text such as ``"12 hours"``, or, for an integer column, an integer."""

Span = timedelta | int | str
"""A length that may have months, and is text then: ``"6 months"``; else as an interval."""

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
_MONTHS = {
    1: "mon mons month months",
    12: "y yr yrs year years",
    120: "decade decades",
    1200: "c cent century centuries",
    12000: "mil mils millennium millennia",
}
_MONTHS_OF = {word: months for months, words in _MONTHS.items() for word in words.split()}
_MONTH = timedelta(days=30)
"""What PostgreSQL takes a month for, where it orders intervals."""
_PART = re.compile(
    r"(?P<sign>[+-]?)(?:(?P<clock>\d+:\d\d(?::\d\d(?:\.\d+)?)?)|(?P<count>\d+(?:\.\d+)?)\s*(?P<unit>[a-zµ]+))"
)


def interval(given: object, argument: str = "chunk_time_interval") -> timedelta | int:
    """The length of chunks as a value that can be compared; text is made a ``timedelta``.

    :param given: ``timedelta``, an integer, or text as PostgreSQL reads it: ``"1 day 06:00"``, ``"P1D"``.
    :param argument: what it is called, for messages.
    :raises InvalidObject: if it is not positive, has no fixed length, or cannot be read.
    """
    length = span(argument, given)
    if isinstance(length, str):
        raise InvalidObject(
            f"{argument} {given!r} has no fixed length",
            hint='TimescaleDB stores microseconds; write days, for example timedelta(days=30) or "30 days"',
        )
    return length


def span(what: str, given: object, *, positive: bool = True) -> Span:
    """A length as a value that can be compared: text that has months is normalised, other text made a ``timedelta``.

    So ``"12 months"`` is ``"1 year"``, and ``"24 hours"`` is ``timedelta(days=1)``; but ``"1 month"`` is not 30 days.

    :param what: what it is the length of, for messages.
    :param given: ``timedelta``, an integer, or text as PostgreSQL reads it: ``"1 month 2 days"``, ``"P1M2D"``.
    :param positive: whether it must be longer than nothing.
    :raises InvalidObject: if it is not, or cannot be read.
    """
    length = _read(what, given) if isinstance(given, str) else given
    if isinstance(length, bool) or not isinstance(length, timedelta | int | str):
        raise InvalidObject(
            f"{what} is {given!r}",
            hint='write timedelta(days=7) or "7 days"; for an integer column an integer',
        )
    if positive and not _is_positive(length):
        raise InvalidObject(f"{what} {given!r} is not positive", hint="write timedelta(days=7)")
    return length


def _read(what: str, text: str) -> timedelta | str:
    words = text.strip().lower()
    if words.startswith("p"):
        date, _, time = words[1:].partition("t")
        words = f"{date.replace('m', 'month')} {time}"
    parts = list(_PART.finditer(words))
    if not parts or _PART.sub("", words).strip(" ,@") or not all(_known(part) for part in parts):
        raise InvalidObject(
            f"{what} {text!r} cannot be read",
            hint='write timedelta(days=7), or a number and a unit: "7 days", "12 hours"',
        )
    months = int(sum(float(_signed(part)) * _MONTHS_OF[part["unit"]] for part in parts if part["unit"] in _MONTHS_OF))
    rest = sum((_length(part) for part in parts if part["unit"] not in _MONTHS_OF), timedelta())
    return _with_months(months, rest) if months else rest


def _known(part: re.Match[str]) -> bool:
    if part["unit"] in _MONTHS_OF:
        return float(part["count"]) * _MONTHS_OF[part["unit"]] % 1 == 0
    return part["clock"] is not None or part["unit"] in _UNIT_OF


def _signed(part: re.Match[str]) -> str:
    return str(part["sign"] + part["count"])


def _length(part: re.Match[str]) -> timedelta:
    if part["clock"] is None:
        return timedelta(**{_UNIT_OF[part["unit"]]: float(_signed(part))})
    hours, minutes, seconds = (*part["clock"].split(":"), "0")[:3]
    length = timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))
    return -length if part["sign"] == "-" else length


def _with_months(months: int, rest: timedelta) -> str:
    sign = "-" if months < 0 else ""
    years, months = divmod(abs(months), 12)
    counts = ((years, "year"), (months, "month"))
    parts = [f"{sign}{count} {unit}{'' if count == 1 else 's'}" for count, unit in counts if count]
    return " ".join([*parts, *([str(rest).replace(",", "").removesuffix(" 0:00:00")] if rest else [])])


def _is_positive(length: Span) -> bool:
    length = estimated(length)
    return length > timedelta() if isinstance(length, timedelta) else length > 0


def estimated(length: Span) -> timedelta | int:
    """A length that can be ordered: as PostgreSQL does it, with months of 30 days."""
    if not isinstance(length, str):
        return length
    parts = list(_PART.finditer(length))
    months = (int(_signed(part)) * _MONTHS_OF[part["unit"]] for part in parts if part["unit"] in _MONTHS_OF)
    rest = (_length(part) for part in parts if part["unit"] not in _MONTHS_OF)
    return sum(months) * _MONTH + sum(rest, timedelta())


def microseconds(length: Interval) -> int:
    """A length as TimescaleDB stores it; an integer is that already."""
    value = interval(length)
    return value // timedelta(microseconds=1) if isinstance(value, timedelta) else value
