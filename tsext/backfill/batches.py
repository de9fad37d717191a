"""Changing many rows of a table in batches, each of which is committed and short, while others read and write."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.sql.quoting import identifier, literal

log = logging.getLogger("alembic.tsext")

_PASSES = 10
"""How often a table without a primary key is gone through for rows that others have moved meanwhile."""


@dataclass(frozen=True)
class Change:
    """What is to be done to which rows."""

    assignment: str
    """What follows ``SET``."""
    condition: str
    """Which rows it is still to be done to, so that none is changed twice: what is done no longer fulfils it."""


class Pace:
    """How large the next batch is, so that it takes about as long as it may.

    The rate is an exponential moving average: one slow batch does not halve the next, and a lasting change is followed
    within a few.
    """

    ALPHA = 0.4
    GROWTH = 2
    """From one batch to the next at most."""
    SMALLEST, LARGEST = 10, 1_000_000

    def __init__(self, size: int = 1_000, target: float = 0.2) -> None:
        """Begin with a size, and aim at a duration.

        :param target: seconds. As long as this, others may have to wait for a row.
        """
        self.size = size
        self.target = target
        self._rate: float | None = None

    def took(self, done: int, seconds: float) -> None:
        """Learn from a batch."""
        if done:
            rate = done / max(seconds, 1e-6)
            self._rate = rate if self._rate is None else self.ALPHA * rate + (1 - self.ALPHA) * self._rate
            wanted = min(int(self._rate * self.target), self.size * self.GROWTH, self.LARGEST)
            self.size = max(wanted, self.SMALLEST)


def change(connection: Connection, heaps: Iterable[catalog.Heap], what: Change) -> Iterator[int]:
    """Change rows, batch by batch; gives how many each has changed.

    Killed at any point and begun again, it goes on with the rows that are left.

    :param connection: in autocommit mode: each batch is a transaction of its own.
    """
    by_key, by_page = Pace(), Pace(size=50)
    for heap in heaps:
        try:
            if heap.primary_key:
                yield from _by_key(connection, heap, what, by_key)
            else:
                yield from _by_page(connection, heap, what, by_page)
        except DBAPIError:
            if catalog.is_there(connection, heap):
                raise


def _by_key(connection: Connection, heap: catalog.Heap, what: Change, pace: Pace) -> Iterator[int]:
    """In the order of the primary key: so each row is met once, wherever an UPDATE of others moves it."""
    columns = [identifier(each) for each in heap.primary_key]
    key = ", ".join(columns)
    # as text, which is the same constant whatever the driver makes of the type; but in the order of the columns, for
    # which a bare name would mean the text
    bounds = f"SELECT {', '.join(f'{each}::text' for each in columns)} FROM ONLY {heap} AS heap"
    order = ", ".join(f"heap.{each}" for each in columns)
    after = ""
    while True:
        where = f"{what.condition}{after}"
        last = _first(connection, f"{bounds} WHERE {where} ORDER BY {order} OFFSET {pace.size - 1} LIMIT 1")
        bound = ", ".join(map(literal, last or ()))
        yield _update(connection, heap, what, where + (f" AND ({key}) <= ({bound})" if last else ""), pace)
        if not last:
            return
        after = f" AND ({key}) > ({bound})"


def _by_page(connection: Connection, heap: catalog.Heap, what: Change, pace: Pace) -> Iterator[int]:
    """In the order of the pages, and again for rows that an UPDATE of others has moved behind us."""
    page = passes = 0
    while passes < _PASSES:
        found = f"SELECT ctid::text FROM ONLY {heap} WHERE ctid >= '({page},0)' AND {what.condition} LIMIT 1"
        row = _first(connection, found)
        if row is None and page == 0:
            return
        if row is None:
            page, passes = 0, passes + 1
            continue
        first = int(row[0].strip("()").partition(",")[0])
        page = first + pace.size
        pages = f"ctid >= '({first},0)' AND ctid < '({page},0)'"
        yield _update(connection, heap, what, f"{what.condition} AND {pages}", pace, pages=pace.size)
    log.warning("others put back what is changed in %s: left after going through it %d times", heap, _PASSES)


def _first(connection: Connection, query: str) -> tuple[str, ...] | None:
    row = connection.exec_driver_sql(query, execution_options={"no_parameters": True}).first()
    return None if row is None else tuple(row)


def _update(
    connection: Connection, heap: catalog.Heap, what: Change, where: str, pace: Pace, pages: int | None = None
) -> int:
    """One batch.

    :param pages: how many it looks at, if they are what it is measured by, instead of rows.
    """
    begun = time.monotonic()
    statement = f"UPDATE ONLY {heap} SET {what.assignment} WHERE {where}"
    changed = connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).rowcount
    pace.took(changed if pages is None else pages, time.monotonic() - begun)
    return changed
