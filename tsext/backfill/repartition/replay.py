"""Bringing over what has changed since it was copied: ranges in which something has changed are replaced as a whole."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.backfill import hashing
from tsext.backfill.repartition.capture import take
from tsext.backfill.repartition.move import Flow
from tsext.backfill.repartition.sessions import transaction
from tsext.errors import RevisionFailed
from tsext.sql.sending import QUERY_CANCELED, send, sqlstate

MOST = 2_000
"""Ranges that are replaced at a time at most; with more, neighbours are replaced as one."""

_FEWEST = 50

_ROWS_OF_A_RANGE = 100

_AT_ONCE = 50
"""Ranges whose rows are deleted, written or compared by one statement."""

ANY_NUMBER = "SET LOCAL timescaledb.max_tuples_decompressed_per_dml_transaction = 0"
"""However many rows of the columnstore the ranges share batches with."""


_BY_INDEX = "SET LOCAL random_page_cost = 1; SET LOCAL enable_seqscan = off"
"""Some hundred rows are found by an index, as they are in memory, having been written a moment ago. By itself the
server reads all of a chunk of 60,000 rows, which takes 26 ms and not 2; or of a smaller one with what many updates have
left behind."""

_AS_EVER = "SET LOCAL random_page_cost TO DEFAULT; SET LOCAL enable_seqscan TO DEFAULT"
"""What ends that."""


@dataclass(frozen=True)
class Replayed:
    """What was brought over."""

    ranges: int
    rows: int
    seconds: float


def replay(connection: Connection, flow: Flow, seconds: float | None = None, most: int | None = None) -> Replayed:
    """Bring over what is noted, in a transaction, or in the one that is open; compared afterwards.

    All of it sees the source as it was at one moment: a row whose change is seen is in a range that is noted, and a
    key that has moved from one row to another is nowhere twice.

    :param connection: in autocommit mode.
    :param seconds: how long it may take; None: as long as it takes.
    :param most: how many ranges to replace at most; None: as many as :func:`most_ranges` gives.
    :raises TimeoutError: if it has taken longer.
    :raises RevisionFailed: if the new table does not then have the same rows.
    """
    with transaction(connection, snapshot=True):
        begun = time.monotonic()
        if flow.columnstore:
            send(connection, ANY_NUMBER)
        dirty = take(connection, flow, most_ranges(connection, flow) if most is None else most)
        ranges = [each.within(flow) for each in dirty]
        if any(each.rows for each in dirty):
            send(connection, _BY_INDEX)
        if seconds is None:
            rows = sum(work(connection, flow, part) for work in _WORK for part in _batched(ranges, _AT_ONCE))
        else:
            rows = _replaced_in_time(connection, flow, ranges, seconds)
    return Replayed(len(dirty), rows, time.monotonic() - begun)


def _replaced_in_time(connection: Connection, flow: Flow, ranges: Sequence[str], seconds: float) -> int:
    """Replace ranges a few at a time, as long as there is time, and none of the statements takes longer than that.

    :raises TimeoutError: if there is no time left.
    """
    until, rows = time.monotonic() + seconds, 0
    send(connection, f"SET LOCAL statement_timeout = {max(1, round(1000 * seconds))}")
    for work in _WORK:
        for part in _batched(ranges, min(_AT_ONCE, max(2, round(_AT_ONCE * seconds)))):
            try:
                rows += work(connection, flow, part)
            except DBAPIError as error:
                if sqlstate(error) != QUERY_CANCELED:
                    raise
                until = 0
            if time.monotonic() > until:
                raise TimeoutError(f"changes of {flow.source} take longer than {seconds} s to bring over")
    send(connection, "SET LOCAL statement_timeout TO DEFAULT")
    return rows


def most_ranges(connection: Connection, flow: Flow) -> int:
    """How many ranges are worth their while: to replace a few rows more costs less than another range."""
    return min(MOST, max(_FEWEST, catalog.row_estimate(connection, flow.source) // _ROWS_OF_A_RANGE))


def _delete(connection: Connection, flow: Flow, ranges: Sequence[str]) -> int:
    # each for itself: of several in one condition, the server would go through all that is between them
    send(connection, "; ".join(f"DELETE FROM {flow.target} WHERE {each}" for each in ranges))
    return 0


def _insert(connection: Connection, flow: Flow, ranges: Sequence[str]) -> int:
    into = f"INSERT INTO {flow.target} ({flow.columns}) OVERRIDING SYSTEM VALUE"
    send(connection, "; ".join(f"{into} {flow.rows(each)}" for each in ranges))
    return 0


def _batched(ranges: Sequence[str], size: int) -> list[Sequence[str]]:
    """Ranges, some at a time."""
    return [ranges[first : first + size] for first in range(0, len(ranges), size)]


def _compare(connection: Connection, flow: Flow, ranges: Sequence[str]) -> int:
    there, here = digests(connection, flow, ranges)
    if there != here:
        raise RevisionFailed(
            f"{flow.target} has other rows than {flow.source} where they have just been brought over: "
            f"{here.rows} and {there.rows}",
            hint="a trigger, a rule or a policy changes rows on their way: remove it from the new table",
        )
    return here.rows


_WORK = (_delete, _insert, _compare)
"""What replaces ranges, one after the other for all of them."""


def digests(connection: Connection, flow: Flow, ranges: Sequence[str]) -> tuple[hashing.Digest, hashing.Digest]:
    """What the rows of both tables come to that fulfil one of several conditions about the column."""
    source = hashing.digest(connection, flow.source, [each.source for each in flow.carried], ranges)
    return source, hashing.digest(connection, flow.target, [each.hashed for each in flow.carried], ranges)


def digests_in_parts(
    connection: Connection, flow: Flow, ranges: Sequence[str]
) -> tuple[hashing.Digest, hashing.Digest]:
    """The same of many conditions, no two of which hold for the same row."""
    source, target = hashing.Digest(0, "0"), hashing.Digest(0, "0")
    for part in _batched(ranges, _AT_ONCE):
        there, here = digests(connection, flow, part)
        source, target = source.joined(there), target.joined(here)
    return source, target


@contextmanager
def by_index(connection: Connection) -> Iterator[None]:
    """Have rows found by an index meanwhile, in the transaction that is open."""
    send(connection, _BY_INDEX)
    yield
    send(connection, _AS_EVER)
