"""Table locks: PostgreSQL's eight modes, from weakest to strongest."""

from __future__ import annotations

from enum import StrEnum


class LockMode(StrEnum):
    """A mode of a table lock, as ``pg_locks.mode`` names it.

    Source: PostgreSQL's documentation, "Explicit Locking", table 13.2.
    """

    ACCESS_SHARE = "AccessShareLock"
    ROW_SHARE = "RowShareLock"
    ROW_EXCLUSIVE = "RowExclusiveLock"
    SHARE_UPDATE_EXCLUSIVE = "ShareUpdateExclusiveLock"
    SHARE = "ShareLock"
    SHARE_ROW_EXCLUSIVE = "ShareRowExclusiveLock"
    EXCLUSIVE = "ExclusiveLock"
    ACCESS_EXCLUSIVE = "AccessExclusiveLock"

    @property
    def strength(self) -> int:
        """1 for the weakest, 8 for the strongest."""
        return list(LockMode).index(self) + 1

    @property
    def blocks_reads(self) -> bool:
        """Whether SELECT waits for it."""
        return self is LockMode.ACCESS_EXCLUSIVE

    @property
    def blocks_writes(self) -> bool:
        """Whether INSERT, UPDATE and DELETE wait for it."""
        return self.strength >= LockMode.SHARE.strength

    @property
    def conflicts(self) -> tuple[LockMode, ...]:
        """The modes that nobody else may hold, or wait for, if it is to be had at once."""
        weakest = _CONFLICTS_FROM[self.strength]
        return tuple(each for each in LockMode if each.strength >= weakest and not each is self is LockMode.SHARE)


_CONFLICTS_FROM = {1: 8, 2: 7, 3: 5, 4: 4, 5: 3, 6: 3, 7: 2, 8: 1}
"""The weakest mode that each conflicts with, by strength. All stronger ones do too, but for SHARE with itself."""


class Work(StrEnum):
    """What is done while the lock is held, beyond an instant change of the catalog."""

    SCAN = "scan"
    REWRITE = "rewrite"
    BUILD = "build"
