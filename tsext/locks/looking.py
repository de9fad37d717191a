"""Looking who is in the way, and waiting outside the queue until nobody is who will take long."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto

from sqlalchemy import Connection

from tsext import catalog
from tsext.catalog import Holder
from tsext.locks import reporting
from tsext.locks.attempts import Attempts
from tsext.locks.policy import GRACE
from tsext.model.locks import LockMode

log = logging.getLogger("alembic.tsext")

POLL = 0.02
"""Seconds between two looks; more where a look takes long itself."""

QUIET = 0.05
"""Seconds for which it is taken as true that nobody has a long transaction: none can have aged by more than that."""

WHILE = 1.0
"""Seconds after which the log says that we wait, and after which we compare who was in the way with who is."""

PROBES = 5.0
"""Seconds until the first time that we ask although somebody seems to be in the way, in case the statement needs less
than we think; then three times as long, and so on."""


class Seen(Enum):
    """Why a wait has ended."""

    CLEAR = auto()
    """Nobody is in the way who will take long."""
    CHANGING = auto()
    """There is always somebody, but never the same for long: asking for longer may help."""
    PROBE = auto()
    """It is time to ask all the same, as briefly as can be."""
    VACUUM = auto()
    """Only autovacuum is in the way, which gives way if it is asked to."""
    EXPIRED = auto()
    """There is no time left."""


@dataclass
class Wait:
    """One wait for a statement's locks."""

    needs: Mapping[str, LockMode]
    """What it asks for, by relation."""
    patience: float
    """In seconds: who is older than that will take long."""
    deadline: float
    """On the monotonic clock."""
    after_look: Callable[[], None]
    """Ends the transaction in which we looked, or at least lets us see anew in it."""
    label: str
    """What waits, for the log."""
    probes: bool
    """Whether to ask once in a while all the same."""


@dataclass
class Vigil:
    """What goes on from one wait to the next, until nobody is in the way."""

    since: float = field(default_factory=time.monotonic)
    told: bool = False
    """Whether it was said that we wait."""
    asks_at: float = 0.0
    """When to ask although somebody seems to be in the way."""
    between_probes: float = PROBES
    compared: float = 0.0
    """When it was last looked whether others are in the way now."""
    before: set[str] = field(default_factory=set)
    """Transactions that were in the way then."""

    def __post_init__(self) -> None:
        self.asks_at, self.compared = self.since + self.between_probes, self.since

    def is_time_to_probe(self, now: float) -> bool:
        """Whether to ask all the same; each time it takes three times as long until the next."""
        if now < self.asks_at:
            return False
        self.between_probes *= 3
        self.asks_at = now + self.between_probes
        return True

    def has_changed(self, now: float, old: list[Holder]) -> bool:
        """Whether none of those who were in the way a while ago are now, but others."""
        present = {each.transaction for each in old}
        if not self.before:
            self.before = present
        if now - self.compared < WHILE:
            return False
        changed = not self.before & present
        self.compared, self.before = now, present
        return changed


@dataclass
class Lookout:
    """Looks on the connection of the run itself."""

    connection: Connection
    first_seen: dict[str, float] = field(default_factory=dict)
    """When we first saw a transaction whose age we are not told."""
    quiet_until: float = 0.0
    said: bool = False
    """Whether it was said that we may not see everything."""
    vigil: Vigil | None = None
    """None while nobody is in the way."""
    busy: bool = False
    """Whether what the connection sends is our own."""

    @contextmanager
    def ourselves(self) -> Iterator[None]:
        """While we send something by SQLAlchemy, which must not wait for anything."""
        self.busy = True
        try:
            yield
        finally:
            self.busy = False

    def may_be_crowded(self) -> bool:
        """Whether anybody in this database has a transaction that may be in the way for long."""
        if time.monotonic() < self.quiet_until:
            return False
        with self.ourselves():
            found, may_look = catalog.long_transactions(self.connection, GRACE)
        if not may_look and not self.said:
            self.said = True
            log.warning(
                "this role may not see what others are doing, so locks are asked for without knowing how old their "
                "transactions are; GRANT pg_read_all_stats to it"
            )
        if not found:
            self.quiet_until = time.monotonic() + QUIET
        return found

    def holders(self, needs: Mapping[str, LockMode]) -> list[Holder]:
        """Who holds or wants locks that do not go with these."""
        with self.ourselves():
            found = catalog.lock_holders(self.connection, {name: mode.conflicts for name, mode in needs.items()})
        return [each if each.age is not None else each._replace(age=self._watched(each)) for each in found]

    def oldest(self) -> list[Holder]:
        """Who has had a transaction for longest."""
        with self.ourselves():
            return catalog.oldest_transactions(self.connection)

    def holds_locks(self) -> bool:
        """Whether we hold what others may want."""
        with self.ourselves():
            return catalog.holds_locks(self.connection)

    def _watched(self, holder: Holder) -> float:
        now = time.monotonic()
        return now - self.first_seen.setdefault(holder.transaction, now)

    def wait(self, wait: Wait, attempts: Attempts) -> tuple[Seen, list[Holder]]:
        """Wait until it makes sense to ask; tells why it ended, and who is in the way still."""
        while True:
            looked = time.monotonic()
            found = self.holders(wait.needs)
            wait.after_look()
            old = [each for each in found if (each.age or 0.0) > wait.patience]
            attempts.saw(found if attempts.refused else old)
            if not old:
                self.vigil = None
                return Seen.CLEAR, old
            now = time.monotonic()
            self.vigil = self.vigil or Vigil()
            if ended := self._ended(self.vigil, old, now, wait):
                return ended, old
            time.sleep(min(max(POLL, 5 * (now - looked)), max(0.0, wait.deadline - now)))

    def _ended(self, vigil: Vigil, old: list[Holder], now: float, wait: Wait) -> Seen | None:
        if now >= wait.deadline:
            return Seen.EXPIRED
        if all(each.is_vacuum and each.granted for each in old):
            return Seen.VACUUM
        if now - vigil.since > WHILE and not vigil.told:
            vigil.told = True
            log.warning("%s waits for its locks: %s", wait.label, "; ".join(map(reporting.described, old)))
        if vigil.has_changed(now, old):
            return Seen.CHANGING
        return Seen.PROBE if wait.probes and vigil.is_time_to_probe(now) else None
