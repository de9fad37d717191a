"""Changing many rows of a table in batches, each of which is committed and short, while others read and write.

For a verb that does so as one of its steps, in an upgrade: what is left is told by the rows themselves. Work that is
shared by workers, and waits for the server, has a ledger: see :mod:`tsext.backfill.change`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.sql.quoting import identifier, literal
from tsext.sql.sending import ask

log = logging.getLogger("alembic.tsext")

PASSES = 10
"""How often a table without a primary key is gone through for rows that others have moved meanwhile."""

_WINDOW = 4096
"""Pages of 8 kB that are looked through at a time, to know how many rows each has that are left."""

LOST_UPDATES_SINCE = (2, 20)
"""From here on, chunks are locked against writers during a batch.

With TimescaleDB 2.31 (seen with 2.31.0 on PostgreSQL 18.6; not with 2.19.3 on 17.12), an UPDATE or DELETE of a
hypertable that has to wait for another one's row finds no row afterwards: whoever updates what a batch has just updated
would lose that. If they wait for the chunk instead, they look for rows after the batch is committed.
"""

LOCKED_TARGET = 0.05
"""Seconds that a batch is to take where others wait for the chunk."""


@dataclass(frozen=True)
class Change:
    """What is to be done to which rows."""

    assignment: str
    """What follows ``SET``."""
    condition: str
    """Which rows it is still to be done to, so that none is changed twice: what is done no longer fulfils it."""
    lock: bool = False
    """Whether writers wait for the table, and not for its rows."""

    def batch(self, heap: catalog.Heap, where: str) -> str:
        """The statement, or both as one, for some of the rows."""
        lock = f"{lock_against_writers(heap)};\n" if self.lock else ""
        return f"{lock}UPDATE ONLY {heap} SET {self.assignment} WHERE {self.condition} AND {where}"


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


def change(connection: Connection, heaps: Iterable[catalog.Heap], what: Change) -> Iterator[int]:
    """Change rows, batch by batch; gives how many each has changed.

    Killed at any point and begun again, it goes on with the rows that are left.

    :param connection: in autocommit mode: each batch is a transaction of its own.
    """
    losing = loses_updates(connection)
    paces = {True: Pace(target=LOCKED_TARGET), False: Pace()}
    for heap in heaps:
        locked = replace(what, lock=losing and heap.inherits)
        work = _by_key if heap.primary_key else _by_page
        try:
            yield from work(connection, heap, locked, paces[locked.lock])
        except DBAPIError:
            if catalog.is_there(connection, heap):
                raise


def loses_updates(connection: Connection) -> bool:
    """Whether chunks must be locked against writers: see :data:`LOST_UPDATES_SINCE`."""
    found = catalog.timescaledb(connection)
    return found is not None and found.number >= LOST_UPDATES_SINCE


def _by_key(connection: Connection, heap: catalog.Heap, what: Change, pace: Pace) -> Iterator[int]:
    """In the order of the primary key: so each row is met once, wherever an UPDATE of others moves it."""
    key = ", ".join(map(identifier, heap.primary_key))
    after = "true"
    while True:
        last = end_of_batch(connection, str(heap), heap.primary_key, f"{what.condition} AND {after}", pace.size)
        bound = ", ".join(map(literal, last or ()))
        until = f"{after} AND ({key}) <= ({bound})" if last else after
        yield _update(connection, what.batch(heap, until), pace.size if last else 0, pace)
        if not last:
            return
        after = f"({key}) > ({bound})"


def end_of_batch(
    connection: Connection, relation: str, key: Sequence[str], within: str, size: int
) -> tuple[str, ...] | None:
    """The key of the last row of a batch, as text; None if there are not that many rows.

    :param within: the condition for the rows that are left.
    """
    # as text, which is the same constant whatever the driver makes of the type; but in the order of the columns, for
    # which a bare name would mean the text
    columns = ", ".join(f"{identifier(each)}::text" for each in key)
    order = ", ".join(f"heap.{identifier(each)}" for each in key)
    query = f"SELECT {columns} FROM ONLY {relation} AS heap WHERE {within} ORDER BY {order} OFFSET {size - 1} LIMIT 1"
    row = ask(connection, query).first()
    return None if row is None else tuple(row)


def _by_page(connection: Connection, heap: catalog.Heap, what: Change, pace: Pace) -> Iterator[int]:
    """In the order of the pages, and again for rows that an UPDATE of others has moved behind us.

    By how many rows they have that are left: pages may be full, or empty but for a few.
    """
    for _ in range(PASSES):
        done = 0
        pages = catalog.page_count(connection, heap)
        for first in range(0, pages, _WINDOW):
            window = f"{_between(range(first, first + _WINDOW))} AND {what.condition}"
            for batch, rows in _ranges(catalog.rows_by_page(connection, heap, window), pace):
                done += rows
                yield _update(connection, what.batch(heap, _between(batch)), rows, pace)
        if not done:
            return
    log.warning("others put back what is changed in %s: left after going through it %d times", heap, PASSES)


def _ranges(left: Iterable[tuple[int, int]], pace: Pace) -> Iterator[tuple[range, int]]:
    """Ranges of pages with about as many rows as a batch is to have; and how many that is."""
    first, stop, rows = 0, 0, 0
    for page, count in left:
        if rows and rows + count > pace.size:
            yield range(first, stop), rows
            rows = 0
        first = first if rows else page
        stop, rows = page + 1, rows + count
    if rows:
        yield range(first, stop), rows


def _between(pages: range) -> str:
    return f"ctid >= '({pages.start},0)' AND ctid < '({pages.stop},0)'"


def _update(connection: Connection, statement: str, rows: int, pace: Pace) -> int:
    """One batch.

    :param rows: how many it is about, as far as that is known; of two statements, not every driver tells.
    """
    begun = time.monotonic()
    with ask(connection, statement) as result:
        changed = result.rowcount if statement.startswith("UPDATE") else rows
    pace.took(changed, time.monotonic() - begun)
    return changed
