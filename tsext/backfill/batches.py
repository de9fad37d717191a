"""What a batch of a change of many rows is: which rows it takes, what it does to them, and how large it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tsext import catalog
from tsext.sql.quoting import identifier, literal
from tsext.sql.sending import ask

PASSES = 10
"""How often a table without a key is gone through for rows that others have moved meanwhile."""

LOST_UPDATES_SINCE = (2, 20)
"""From here on, chunks are locked against writers during a batch.

With TimescaleDB 2.31 (seen with 2.31.0 on PostgreSQL 18.6; not with 2.19.3 on 17.12), an UPDATE or DELETE of a
hypertable that has to wait for another one's row finds no row afterwards: whoever updates what a batch has just updated
would lose that. If they wait for the chunk instead, they look for rows after the batch is committed.
"""

LOCKED_TARGET = 0.05
"""Seconds that a batch is to take where others wait for the chunk."""


@dataclass(frozen=True)
class Update:
    """What is to be done to which rows."""

    assignment: str
    """What follows ``SET``."""
    condition: str
    """What follows ``WHERE``."""

    def of(self, relation: object, where: str | None = None) -> str:
        """The statement; for some of the rows."""
        more = "" if where is None else f" AND {where}"
        return f"UPDATE {relation} SET {self.assignment} WHERE {self.condition}{more}"


@dataclass(frozen=True)
class Bound:
    """A place in the order of some columns: their values, as text."""

    values: dict[str, str]

    @classmethod
    def of(cls, text: str | None) -> Bound | None:
        """As the ledger has it."""
        return None if text is None else cls(json.loads(text))

    def __str__(self) -> str:
        return json.dumps(self.values)

    def compared(self, operator: str) -> str:
        """The condition that a row is beyond it, or before it."""
        columns, values = ", ".join(map(identifier, self.values)), ", ".join(map(literal, self.values.values()))
        return f"({columns}) {operator} ({values})"


def end_of_batch(connection: Connection, relation: str, key: Sequence[str], within: str, size: int) -> Bound | None:
    """Where a batch of so many rows ends; None if there are not that many.

    :param within: the condition for the rows that are left.
    """
    # as text, which is the same constant whatever the driver makes of the type; but in the order of the columns, for
    # which a bare name would mean the text
    columns = ", ".join(f"{identifier(each)}::text" for each in key)
    order = ", ".join(f"heap.{identifier(each)}" for each in key)
    query = f"SELECT {columns} FROM ONLY {relation} AS heap WHERE {within} ORDER BY {order} OFFSET {size - 1} LIMIT 1"
    row = ask(connection, query).first()
    return None if row is None else Bound(dict(zip(key, row, strict=True)))


def on_pages(pages: range) -> str:
    """The condition that a row lies on one of these pages."""
    return f"ctid >= '({pages.start},0)' AND ctid < '({pages.stop},0)'"


def loses_updates(connection: Connection) -> bool:
    """Whether chunks must be locked against writers: see :data:`LOST_UPDATES_SINCE`."""
    found = catalog.timescaledb(connection)
    return found is not None and found.number >= LOST_UPDATES_SINCE


def lock_against_writers(heap: object) -> str:
    """What has writers of a chunk wait for it, and not for its rows."""
    return f"LOCK TABLE ONLY {heap} IN SHARE ROW EXCLUSIVE MODE"


class Pace:
    """How large the next batch is, so that it takes about as long as it may.

    The rate is an exponential moving average: one slow batch does not halve the next, and a lasting change is followed
    within a few.
    """

    ALPHA = 0.4
    GROWTH = 2
    """From one batch to the next at most."""
    FIRST, SMALLEST, LARGEST = 1_000, 10, 1_000_000

    def __init__(self, size: int | None = None, target: float = 0.2) -> None:
        """Begin with a size, and aim at a duration.

        :param size: which an earlier pace had come to; None: nothing is known yet.
        :param target: seconds. As long as this, others may have to wait for a row.
        """
        self.size = self.FIRST if size is None else size
        self.target = target
        self._rate: float | None = None if size is None else size / target

    def took(self, done: int, seconds: float) -> None:
        """Learn from a batch."""
        if done:
            rate = done / max(seconds, 1e-6)
            self._rate = rate if self._rate is None else self.ALPHA * rate + (1 - self.ALPHA) * self._rate
            wanted = min(int(self._rate * self.target), self.size * self.GROWTH, self.LARGEST)
            self.size = max(wanted, self.SMALLEST)
