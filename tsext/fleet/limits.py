"""How a rollout proceeds, and when it stops."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tsext.errors import SettingsError

_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600}


@dataclass(frozen=True)
class Limits:
    """What the file says, or else the command line, which wins."""

    concurrency: int = 4
    """How many targets are worked on at once."""
    max_failures: str = "0"
    """How many may fail without stopping the rest: a number, or ``5%`` of all targets of the run."""
    canaries: int | None = None
    """How many come first: those that are declared, then the first of the file; None: those that are declared."""
    bake: timedelta = timedelta(0)
    """How long the canaries must have run with their newest revision before the others follow."""

    @staticmethod
    def parsed(name: str, text: str) -> dict[str, Any]:
        """The field of that name, for :func:`dataclasses.replace`.

        :raises SettingsError: if the value makes no sense.
        """
        return {name: _PARSERS[name](name, text.strip())}

    def allowed(self, total: int) -> int:
        """How many of so many targets may fail; a share is rounded down."""
        if self.max_failures.endswith("%"):
            return int(total * float(self.max_failures[:-1]) / 100)
        return int(self.max_failures)


def _number(name: str, text: str) -> int:
    least = 1 if name == "concurrency" else 0
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise SettingsError(f"{name} is {text!r}", hint=f"write a number of at least {least}")
    return int(text)


def _share(name: str, text: str) -> str:
    if not re.fullmatch(r"\d+|(\d|[1-9]\d)(\.\d+)?%|100%", text):
        raise SettingsError(f"{name} is {text!r}", hint="write how many targets may fail, as in 3, or 5% of them")
    return text


def _duration(name: str, text: str) -> timedelta:
    found = re.fullmatch(r"(\d+)\s*(s|m|min|h)", text)
    if not found:
        raise SettingsError(f"{name} is {text!r}", hint="write a number and a unit: 30s, 10m or 1h")
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])


_PARSERS = {"concurrency": _number, "max_failures": _share, "canaries": _number, "bake": _duration}
