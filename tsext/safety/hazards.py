"""What is known of a statement that may hurt: a finding with its axis, lock and cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from tsext.errors import Finding


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


class Work(StrEnum):
    """What is done while the lock is held, beyond an instant change of the catalog."""

    SCAN = "scan"
    REWRITE = "rewrite"
    BUILD = "build"


@dataclass(frozen=True)
class Statement:
    """One statement, whoever wrote it, and where it stands."""

    text: str
    path: Path | None = None
    """The file it stands in; None if it is an operation's."""
    line: int = 1
    """Where it begins in the file, from 1."""


@dataclass(frozen=True, kw_only=True)
class Hazard(Finding):
    """A finding on one statement: rule, why (``message``), and the safe way ready to paste (``hint``)."""

    axis: Axis
    statement: Statement
    mode: str | None = None
    """The table lock as ``pg_locks`` names it, for example ``AccessExclusiveLock``."""
    work: Work | None = None
    relations: tuple[str, ...] = ()
    """What is locked, referenced tables included; quoted where SQL needs it."""
    estimate: timedelta | None = None
    """How long the lock is held, told from sizes; None without a database."""
