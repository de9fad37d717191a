"""How a rollout proceeds, and when it stops."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tsext.errors import SettingsError
from tsext.settings import values


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


def _share(name: str, text: str) -> str:
    if not re.fullmatch(r"\d+|(\d|[1-9]\d)(\.\d+)?%|100%", text):
        raise SettingsError(f"{name} is {text!r}", hint="write how many targets may fail, as in 3, or 5% of them")
    return text


_PARSERS = {"concurrency": values.count, "max_failures": _share, "canaries": values.number, "bake": values.duration}
