"""What others are doing: who holds locks, or waits for them, and since when."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from tsext.catalog.asking import rows
from tsext.model.locks import LockMode


class Holder(NamedTuple):
    """A transaction that holds a lock on a relation, or stands in the queue for one."""

    pid: int | None
    """None for a prepared transaction."""
    transaction: str
    """The virtual transaction: the same as long as it lasts."""
    relation: str
    """Empty if it was not asked about locks, and so is the mode."""
    mode: str
    """As in ``pg_locks``: ``AccessShareLock``."""
    granted: bool
    age: float | None
    """Seconds since it began, or was prepared; None if this role may not see that."""
    application: str
    role: str
    backend_type: str
    state: str
    query: str
    gid: str | None
    """The name of a prepared transaction."""

    @property
    def is_vacuum(self) -> bool:
        """Whether autovacuum is at work, which gives way to one that waits for longer than ``deadlock_timeout``."""
        return self.backend_type == "autovacuum worker" and not self.prevents_wraparound

    @property
    def prevents_wraparound(self) -> bool:
        """Whether autovacuum is at work that does not give way."""
        return self.backend_type == "autovacuum worker" and self.query.endswith("(to prevent wraparound)")


def lock_holders(connection: Connection, modes: Mapping[str, Sequence[LockMode]]) -> list[Holder]:
    """Other transactions with locks on some relations, and on what is locked with them; those that wait included.

    :param modes: those that matter, by relation, which is quoted where SQL needs it.
    """
    if not modes:
        return []
    asked = json.dumps([{"relation": name, "conflicts": conflicts} for name, conflicts in modes.items()])
    return [Holder(*row) for row in rows(connection, "lock_holders", needs=asked)]


def long_transactions(connection: Connection, age: float) -> tuple[bool, bool]:
    """Whether others have transactions in this database that may be older, and whether this role may see all of that.

    :param age: in seconds.
    """
    found, may_look = rows(connection, "long_transactions", age=age)[0]
    return found, may_look


def oldest_transactions(connection: Connection) -> list[Holder]:
    """Who has had a transaction in this database for longest, whatever it has locked; at most five."""
    return [Holder(*row) for row in rows(connection, "oldest_transactions")]


def holds_locks(connection: Connection) -> bool:
    """Whether the transaction that is open has locked or changed anything that others may want."""
    return bool(rows(connection, "holds_locks")[0][0])
