"""Where one step stands: what of it can still be undone, and for how long it goes on asking."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tsext.locks.attempts import Attempts
from tsext.locks.holds import Holds
from tsext.locks.policy import Policy
from tsext.locks.session import Place, Session
from tsext.locks.statements import Kind, Statement

MUCH_WORK = 1.0
"""Seconds of work in a transaction from which on it is worth a savepoint not to lose it."""


@dataclass
class Step:
    """One revision, or one file of seeds."""

    policy: Policy
    may_run_again: bool
    holds: Holds
    attempts: Attempts = field(default_factory=Attempts)
    probes: bool = True
    """Whether to ask for a moment although somebody seems to be in the way: not with a timeout of the author's."""
    rung: int = 0
    """Which of the timeouts in the settings is in force: the next one each time that one was too short."""
    deadline: float | None = None
    """On the monotonic clock; None as long as nothing is in the way."""
    refused: Statement | None = None
    """What was refused last and could not be sent again by itself."""
    waited_for: dict[str, float] = field(default_factory=dict)
    """Texts of statements before which we have waited already, each with the seconds for which to ask then."""
    committed: bool = False
    """Whether something of it was committed."""
    defers: bool = False
    """Whether it may have left constraints to be checked at the commit."""
    ran: bool = False
    """Whether something of it ran in the transaction that is open."""
    since: float = field(default_factory=time.monotonic)
    """When that transaction began."""

    def __post_init__(self) -> None:
        self.climb(0)

    @property
    def can_restart(self) -> bool:
        """Whether all of it can be undone and run again."""
        return self.may_run_again and not self.committed

    def climb(self, rungs: int = 1) -> None:
        """Ask for longer from now on."""
        self.rung += rungs
        self._timeouts: dict[Kind, float] = {}

    def timeout(self, kind: Kind) -> float:
        """How long a statement may stand in the queue, in seconds; the same until :meth:`climb`."""
        if kind not in self._timeouts:
            self._timeouts[kind] = self.policy.timeout(kind, self.rung)
        return self._timeouts[kind]

    def expires(self) -> float:
        """Until when it may go on; the time runs from the first call, when something is in the way."""
        if self.deadline is None:
            self.deadline = time.monotonic() + self.policy.deadline
        return self.deadline

    def place(self, statement: Statement, session: Session) -> Place:
        """Where in its transaction a statement stands that is about to be sent; to be called for every one."""
        begins = session.is_idle
        self.holds.sending(statement, begins=begins)
        self.defers |= statement.kind is not Kind.SESSION and not statement.only_defines
        if begins:
            self.committed |= self.ran
            self.ran, self.since = False, time.monotonic()
            session.began()
            if statement.does_not_wait:
                return Place.AMID
            return Place.ALONE if session.autocommit else Place.FIRST
        worth_keeping = not self.can_restart or time.monotonic() - self.since > MUCH_WORK
        can_wait = statement.kind is Kind.TABLE and not statement.does_not_wait
        return Place.SAVEPOINT if worth_keeping and can_wait else Place.AMID

    def sent(self, session: Session) -> None:
        """A statement has succeeded."""
        self.ran = not session.is_idle
        self.committed |= session.is_idle
        if not self.ran:
            self.holds.end()

    def ended(self, statement: Statement) -> None:
        """A statement of its own has ended the transaction."""
        self.committed |= self.ran and statement.verb in ("COMMIT", "END")
        self.ran = False
        self.holds.end()

    def restarted(self) -> None:
        """All of it was undone."""
        self.attempts.restarted += 1
        self.holds.forget()
        self.ran, self.refused = False, None
