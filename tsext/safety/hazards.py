"""What is known of a statement that may hurt: a finding with its axis, lock and cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from tsext.errors import Finding, Severity
from tsext.model.locks import LockMode, Work


class Axis(StrEnum):
    """In which way a statement may hurt."""

    LOCK = "lock"
    """Others wait for it."""
    COMPATIBILITY = "compatibility"
    """It breaks the application that is running."""
    DATA_LOSS = "data-loss"
    """What it removes cannot be brought back by its downgrade."""
    WILL_FAIL = "will-fail"
    """The server will refuse it."""
    UNKNOWN = "unknown"
    """What it does cannot be told before it runs, as with dynamic SQL."""


class Category(StrEnum):
    """What follows from the findings on a revision."""

    SAFE = "safe"
    """Zero downtime: it may run at any time."""
    UNSAFE = "unsafe"
    """It belongs in a maintenance window."""


@dataclass(frozen=True)
class Statement:
    """One statement, whoever wrote it, and where it stands."""

    text: str
    path: Path | None = None
    """The file it stands in; None if it is an operation's."""
    line: int = 1
    """Where it begins in the file, from 1."""
    in_transaction: bool | None = None
    """Whether it runs in the revision's transaction; None: as it needs."""


@dataclass(frozen=True)
class Lock:
    """A table lock that a statement takes, and what is done under it."""

    relation: str
    """Quoted where SQL needs it; with its schema as it is written or, where the catalog is known, unless it is the
    default schema. Of a hypertable, its chunks too."""
    mode: LockMode
    work: Work | None = None
    """None: it is held for an instant, or as long as the transaction goes on."""
    chunks: int = 0
    """How many chunks or partitions are locked with it, as far as is known."""
    estimate: timedelta | None = None
    """How long the work takes, told from the size; None if that is not known."""


@dataclass(frozen=True, kw_only=True)
class Hazard(Finding):
    """A finding on one statement: rule, why (``message``), and the safe way ready to paste (``hint``)."""

    axis: Axis
    statement: Statement
    """As it was given."""
    line: int = 1
    """Where what it is about begins in the file, should the statement given be several."""
    mode: LockMode | None = None
    work: Work | None = None
    relations: tuple[str, ...] = ()
    """What is locked, referenced tables included; quoted where SQL needs it."""
    estimate: timedelta | None = None
    """How long the lock is held, told from sizes; None without a database."""

    @property
    def category(self) -> Category:
        """What follows from it: an error is unsafe, whatever its axis."""
        return Category.UNSAFE if self.severity is Severity.ERROR else Category.SAFE


def category(hazards: Iterable[Hazard]) -> Category:
    """What follows from all that was found on a revision."""
    return max((each.category for each in hazards), key=list(Category).index, default=Category.SAFE)
