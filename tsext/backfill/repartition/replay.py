"""Bringing over what has changed since it was copied: ranges in which something has changed are replaced as a whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill import hashing
from tsext.backfill.repartition.capture import Dirty, take
from tsext.backfill.repartition.move import Flow
from tsext.backfill.repartition.sessions import send, transaction
from tsext.errors import RevisionFailed

MOST = 2_000
"""Ranges that are replaced at a time at most; with more, neighbours are replaced as one."""

_FEWEST = 50

_ROWS_OF_A_RANGE = 100

_AT_ONCE = 50
"""Ranges whose rows are deleted, written or compared by one statement."""


@dataclass(frozen=True)
class Replayed:
    """What was brought over."""

    ranges: int
    rows: int
    seconds: float


def replay(connection: Connection, flow: Flow, seconds: float | None = None) -> Replayed:
    """Bring over what is noted, in a transaction, or in the one that is open; compared afterwards.

    All of it sees the source as it was at one moment: a row whose change is seen is in a range that is noted, and a
    key that has moved from one row to another is nowhere twice.

    :param connection: in autocommit mode.
    :param seconds: how long it may take; None: as long as it takes.
    :raises TimeoutError: if it has taken longer.
    :raises RevisionFailed: if the new table does not then have the same rows.
    """
    with transaction(connection, snapshot=True):
        begun = time.monotonic()
        dirty = take(connection, flow, _most(connection, flow))
        parts = [_together(flow, part) for part in _batched(dirty, _AT_ONCE)]
        rows = 0
        for work in (_delete, _insert, _compare):
            for where in parts:
                rows += work(connection, flow, where)
                if seconds is not None and time.monotonic() - begun > seconds:
                    raise TimeoutError(f"changes of {flow.source} take longer than {seconds} s to bring over")
    return Replayed(len(dirty), rows, time.monotonic() - begun)


def _most(connection: Connection, flow: Flow) -> int:
    """How many ranges are worth their while: to replace a few rows more costs less than another range."""
    return min(MOST, max(_FEWEST, catalog.row_estimate(connection, flow.source) // _ROWS_OF_A_RANGE))


def _delete(connection: Connection, flow: Flow, where: str) -> int:
    send(connection, f"DELETE FROM {flow.target} WHERE {where}")
    return 0


def _insert(connection: Connection, flow: Flow, where: str) -> int:
    into = f"INSERT INTO {flow.target} ({flow.columns}) OVERRIDING SYSTEM VALUE"
    send(connection, f"{into} {flow.rows(where)}")
    return 0


def _batched(dirty: Sequence[Dirty], size: int) -> list[Sequence[Dirty]]:
    """Ranges, some at a time."""
    return [dirty[first : first + size] for first in range(0, len(dirty), size)]


def _together(flow: Flow, part: Sequence[Dirty]) -> str:
    """The condition for several ranges in their order: from the first to the last, so that chunks are left out."""
    whole = Dirty(part[0].lower, part[-1].upper, part[-1].upper_included)
    if len(part) == 1:
        return whole.within(flow)
    return f"{whole.within(flow)} AND ({' OR '.join(f'({each.within(flow)})' for each in part)})"


def _compare(connection: Connection, flow: Flow, where: str) -> int:
    there, here = digests(connection, flow, where)
    if there != here:
        raise RevisionFailed(
            f"{flow.target} has other rows than {flow.source} where they have just been brought over: "
            f"{here.rows} and {there.rows}",
            hint="a trigger, a rule or a policy changes rows on their way: remove it from the new table",
        )
    return here.rows


def digests(connection: Connection, flow: Flow, where: str) -> tuple[hashing.Digest, hashing.Digest]:
    """What the rows of both tables come to that fulfil a condition about the column."""
    source = hashing.digest(connection, flow.source, [each.source for each in flow.carried], where)
    return source, hashing.digest(connection, flow.target, [each.hashed for each in flow.carried], where)
