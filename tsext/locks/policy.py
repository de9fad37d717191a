"""How long to ask for a lock, by what the statement is, and how often it was refused."""

from __future__ import annotations

import random
from typing import NamedTuple

from tsext.locks.statements import Kind
from tsext.settings import Settings

GRACE = 0.1
"""Seconds. Who has held a lock for less will most probably be gone before anybody minds that we wait for it."""

JITTER = 0.25
"""Part of a timeout by which it varies, so that it does not go in step with what it collides with."""


class Policy(NamedTuple):
    """Timeouts, in seconds."""

    tables: tuple[float, ...]
    rows: tuple[float, ...]
    deadline: float
    """For a whole step, from the moment at which something is in the way."""

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """As the settings have it."""
        return cls(
            tuple(each.total_seconds() for each in settings.lock_timeouts),
            tuple(each.total_seconds() for each in settings.lock_timeouts_of_rows),
            settings.lock_deadline.total_seconds(),
        )

    def timeout(self, kind: Kind, refusals: int) -> float:
        """How long to stand in the queue; never without an end."""
        if kind is Kind.TRANSACTIONS:
            return self.deadline
        ladder = self.rows if kind is Kind.ROWS else self.tables
        rung = ladder[min(refusals, len(ladder) - 1)]
        return rung * random.uniform(1 - JITTER, 1 + JITTER) if refusals else rung

    def patience(self, timeout: float) -> float:
        """The age, in seconds, from which a transaction is too old to be gone within a timeout."""
        return max(GRACE, 2 * timeout)
