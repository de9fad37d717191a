"""Lengths of time: those that are set, as in ``postgresql.conf`` (``500ms``, ``5min``, ``1d``), and those measured."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "min": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


def read(text: str) -> timedelta:
    """A number with one of the units.

    :raises ValueError: saying how it is written.
    """
    found = re.fullmatch(r"(\d+)\s*(ms|s|min|h|d)", text.strip())
    if not found:
        raise ValueError("write a number and a unit: 500ms, 30s, 5min, 1h or 1d")
    return int(found[1]) * _UNITS[found[2]]


def spelled(duration: timedelta) -> str:
    """In the largest unit that divides it, as :func:`read` reads it; to the millisecond."""
    unit = next((unit for unit, length in _UNITS.items() if duration and not duration % length), "ms")
    return f"{duration // _UNITS[unit]}{unit}"


_SAID = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def measured(seconds: float) -> str:
    """As people say it, in two units at most: ``0.3 s``, ``12 s``, ``1 min 15 s``, ``2 h``, ``3 d 4 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    left, counts = round(seconds), []
    for unit, length in _SAID:
        counts.append((left // length, unit))
        left %= length
    first = next(place for place, (count, _) in enumerate(counts) if count)
    return " ".join(f"{count} {unit}" for count, unit in counts[first : first + 2] if count)
