"""Bringing over what has changed since it was copied: ranges in which something has changed are replaced as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tsext.backfill import hashing
from tsext.backfill.repartition.capture import Dirty, take
from tsext.backfill.repartition.move import Flow
from tsext.backfill.repartition.sessions import send, transaction
from tsext.errors import RevisionFailed

_AT_ONCE = 50
"""Ranges whose rows are deleted, written or compared in one go."""


@dataclass(frozen=True)
class Replayed:
    """What was brought over."""

    ranges: int
    rows: int


def replay(connection: Connection, flow: Flow) -> Replayed:
    """Bring over what is noted, in a transaction, or in the one that is open; compared afterwards.

    All of it sees the source as it was at one moment: a row whose change is seen is in a range that is noted, and a
    key that has moved from one row to another is nowhere twice.

    :param connection: in autocommit mode.
    :raises RevisionFailed: if the new table does not then have the same rows.
    """
    with transaction(connection, snapshot=True):
        dirty = take(connection, flow)
        for part in _parts(dirty):
            send(connection, "; ".join(f"DELETE FROM {flow.target} WHERE {each.within(flow)}" for each in part))
        for part in _parts(dirty):
            into = f"INSERT INTO {flow.target} ({flow.columns}) OVERRIDING SYSTEM VALUE"
            send(connection, "; ".join(f"{into} {flow.rows(each.within(flow))}" for each in part))
        rows = sum(_compared(connection, flow, part) for part in _parts(dirty))
    return Replayed(len(dirty), rows)


def _parts(dirty: Sequence[Dirty]) -> list[Sequence[Dirty]]:
    return [dirty[first : first + _AT_ONCE] for first in range(0, len(dirty), _AT_ONCE)]


def _compared(connection: Connection, flow: Flow, part: Sequence[Dirty]) -> int:
    where = " OR ".join(f"({each.within(flow)})" for each in part)
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
