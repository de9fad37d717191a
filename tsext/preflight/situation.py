"""What a check looks at, and what it says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from sqlalchemy import Connection

from tsext import catalog
from tsext.catalog import RelationSize, Server
from tsext.errors import Finding
from tsext.model.locks import Work
from tsext.settings import Settings


class Touch(NamedTuple):
    """A relation that a pending statement locks, chunks and partitions included, and what is done to it."""

    relation: str
    """As it stands in SQL."""
    work: Work | None = None
    """None: only the catalog changes."""
    drops: bool = False
    """Whether it is dropped, or its chunks, with their indexes."""
    all_indexes: bool = False
    """Whether what is built is all of its indexes, as by REINDEX, not a new one."""


Pending = Mapping[str, Sequence[Touch]]
"""What each revision touches in its transaction, by its id, in the order in which they run."""


class State(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    OFF = "off"


class Observation(NamedTuple):
    """What a check saw."""

    says: str
    """In a few words, for the table."""
    findings: tuple[Finding, ...] = ()
    """What is wrong; none if all is well."""
    known: bool = True
    """Whether it could see what it has to judge; if not, ``says`` tells why."""
    matters: bool = True
    """Whether a warning is due if it is not known."""


class Result(NamedTuple):
    """One line of ``tsext preflight``."""

    check: str
    state: State
    message: str
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Situation:
    """The server, and what is to be done on it."""

    connection: Connection
    pending: Pending
    settings: Settings
    server: Server
    unread: Collection[str] = ()
    """Revisions of which the end cannot be told without running them."""

    def estimated(self, says: str, findings: tuple[Finding, ...]) -> Observation:
        """What follows from an estimate, which may lack what could not be read."""
        if findings or not self.unread:
            return Observation(says, findings)
        untold = f"what {', '.join(self.unread)} does cannot be told without running it"
        # the environment's policy warns of such a revision already
        return Observation(f"{says}; {untold}", known=False, matters=False)

    @cached_property
    def touched(self) -> list[str]:
        """The relations that are touched, each once."""
        return sorted({touch.relation for touches in self.pending.values() for touch in touches})

    @cached_property
    def sizes(self) -> dict[str, RelationSize]:
        """How large those of them are that there are now."""
        return catalog.sizes(self.connection, self.touched)
