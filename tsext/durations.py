"""Lengths of time, written as in ``postgresql.conf``: ``500ms``, ``30s``, ``5min``, ``1h``, ``1d``."""

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
