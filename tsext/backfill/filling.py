"""Changing many rows of a table in batches, each of which is committed and short, while others read and write.

For a verb that does so as one of its steps, in an upgrade: what is left is told by the rows themselves. Work that is
shared by workers, and waits for the server, has a ledger: see :mod:`tsext.backfill.change`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.backfill.batches import (
    LOCKED_TARGET,
    PASSES,
    Pace,
    Update,
    end_of_batch,
    lock_against_writers,
    loses_updates,
    on_pages,
)
from tsext.sql.sending import ask

log = logging.getLogger("alembic.tsext")

_WINDOW = 4096
"""Pages of 8 kB that are looked through at a time, to know how many rows each has that are left."""


def fill(connection: Connection, heaps: Iterable[catalog.Heap], update: Update) -> Iterator[int]:
    """Change rows, batch by batch; gives how many each has changed.

    Killed at any point and begun again, it goes on with the rows that are left.

    :param connection: in autocommit mode: each batch is a transaction of its own.
    :param update: its condition tells what is left: what is done no longer fulfils it.
    """
    losing = loses_updates(connection)
    paces = {True: Pace(target=LOCKED_TARGET), False: Pace()}
    for heap in heaps:
        locks = losing and heap.inherits
        filling = _Filling(connection, heap, update, paces[locks], locks)
        try:
            yield from filling.by_key() if heap.primary_key else filling.by_page()
        except DBAPIError:
            if catalog.is_there(connection, heap):
                raise


@dataclass(frozen=True)
class _Filling:
    """The change of one table, partition or chunk."""

    connection: Connection
    heap: catalog.Heap
    update: Update
    pace: Pace
    locks: bool
    """Whether writers wait for the table, and not for its rows."""

    def by_key(self) -> Iterator[int]:
        """In the order of the primary key: so each row is met once, wherever an UPDATE of others moves it."""
        after = "true"
        while True:
            left = f"{self.update.condition} AND {after}"
            last = end_of_batch(self.connection, str(self.heap), self.heap.primary_key, left, self.pace.size)
            if last is None:
                yield self._batch(after, 0)
                return
            yield self._batch(f"{after} AND {last.compared('<=')}", self.pace.size)
            after = last.compared(">")

    def by_page(self) -> Iterator[int]:
        """In the order of the pages, and again for rows that an UPDATE of others has moved behind us.

        By how many rows they have that are left: pages may be full, or empty but for a few.
        """
        for _ in range(PASSES):
            done = 0
            for first in range(0, catalog.page_count(self.connection, self.heap), _WINDOW):
                window = f"{on_pages(range(first, first + _WINDOW))} AND {self.update.condition}"
                for pages, rows in _ranges(catalog.rows_by_page(self.connection, self.heap, window), self.pace):
                    done += rows
                    yield self._batch(on_pages(pages), rows)
            if not done:
                return
        log.warning("others put back what is changed in %s: left after going through it %d times", self.heap, PASSES)

    def _batch(self, where: str, rows: int) -> int:
        """Change some rows; how many.

        :param rows: how many it is about, as far as that is known; of two statements, not every driver tells.
        """
        statement = self.update.of(f"ONLY {self.heap}", where)
        begun = time.monotonic()
        if self.locks:
            with ask(self.connection, f"{lock_against_writers(self.heap)};\n{statement}"):
                changed = rows
        else:
            with ask(self.connection, statement) as result:
                changed = result.rowcount
        self.pace.took(changed, time.monotonic() - begun)
        return changed


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
