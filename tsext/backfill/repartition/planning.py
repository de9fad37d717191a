"""Which ranges there are to copy, each a task; and the chunks of the new table that they go to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill.ledger import NewTask
from tsext.backfill.repartition.move import Flow, Move
from tsext.backfill.repartition.sessions import transaction
from tsext.sql.quoting import literal
from tsext.sql.sending import send

COPY, COPY_CHUNK = "copy", "copy chunk"
"""Steps: a range, into whatever chunk; and all of one chunk of the new table, which is truncated before."""

LARGEST = 4_000_000
"""Rows of one task; a chunk that seems to have more is divided."""

_AT_ONCE = 20
"""Chunks that are made in one transaction."""

_SAMPLE = 1_000
"""Rows of a range that are looked at for the partitions that they go to."""


@dataclass(frozen=True)
class Place:
    """A range of the source, and the table or chunk that its rows go to."""

    lower: str
    upper: str
    target: str


def plan(connection: Connection, move: Move) -> list[NewTask]:
    """The tasks, of what there is now; to be called after changes are noted. Makes the chunks of the new table.

    :param connection: in autocommit mode.
    """
    flow = move.forth(connection)
    places = list(_places(connection, move, flow))
    share = catalog.row_estimate(connection, flow.source) // len(places) if places else 0
    parts = -(-share // LARGEST)
    return [task for place in places for task in _tasks(connection, flow, place, share, parts)]


def _tasks(connection: Connection, flow: Flow, place: Place, rows: int, parts: int) -> Iterator[NewTask]:
    if parts <= 1 or "infinity" in place.lower + place.upper:
        step = COPY if place.target == flow.target else COPY_CHUNK
        yield NewTask(step, place.target, place.lower, place.upper, rows or None)
        return
    with transaction(connection):
        bounds = [place.lower, *_between(connection, flow, place, parts), place.upper]
    for lower, upper in pairwise(bounds):
        yield NewTask(COPY, place.target, lower, upper, rows // parts or None)


def _between(connection: Connection, flow: Flow, place: Place, parts: int) -> list[str]:
    lower, upper = (f"{literal(each)}::{flow.type}" for each in (place.lower, place.upper))
    between = f"({lower} + ({upper} - {lower}) * i / {parts})::{flow.type}::text"
    query = f"SELECT {between} FROM generate_series(1, {parts - 1}) AS i"
    return list(connection.exec_driver_sql(query, execution_options={"no_parameters": True}).scalars())


def _places(connection: Connection, move: Move, flow: Flow) -> Iterator[Place]:
    """From the least value on, from one range to the next that has rows."""
    after = "true"
    ends = [] if move.spec.aligned else _ends(connection, move)
    while True:
        with transaction(connection):
            made = list(islice(_following(connection, move, flow, ends, after), _AT_ONCE))
        yield from made
        if len(made) < _AT_ONCE:
            return
        after = flow.within(made[-1].upper, None)


def _following(connection: Connection, move: Move, flow: Flow, ends: list[str], after: str) -> Iterator[Place]:
    while True:
        query = f"SELECT min({flow.column})::text FROM {flow.source} WHERE {after}"
        first = connection.exec_driver_sql(query, execution_options={"no_parameters": True}).scalar()
        if first is None:
            return
        place = _place(connection, move, flow, ends, str(first))
        if place is not None:
            yield place
            after = flow.within(place.upper, None)


def _ends(connection: Connection, move: Move) -> list[str]:
    """Where the chunks of the source end; none, if it is a plain table."""
    if catalog.timescaledb(connection) is None:
        return []
    with transaction(connection):
        return [each.upper for each in catalog.source_chunks(connection, move.spec.table, move.spec.schema)]


def _place(connection: Connection, move: Move, flow: Flow, ends: list[str], first: str) -> Place | None:
    """The range that begins with a value; None if somebody has just deleted that."""
    if not move.spec.shape:
        return Place(first, _end(connection, flow, ends, first), flow.target)
    chunks = _made(connection, flow, f"{flow.column} = {literal(first)}::{flow.type} LIMIT 1")
    if not chunks:
        return None
    if move.spec.aligned:
        found = catalog.chunk_range(connection, chunks[0])
        return Place(found.lower, found.upper, chunks[0])
    upper = _end(connection, flow, ends, first) if ends else catalog.chunk_range(connection, chunks[0]).upper
    _made(connection, flow, f"{flow.within(first, upper)} LIMIT {_SAMPLE}")
    return Place(first, upper, flow.target)


def _end(connection: Connection, flow: Flow, ends: list[str], first: str) -> str:
    """Where the chunk of the source ends that a value is in."""
    query = (
        f"SELECT min(e)::text FROM unnest(%(ends)s::text[]::{flow.type}[]) AS ends (e) WHERE e > %(first)s::{flow.type}"
    )
    return str(connection.exec_driver_sql(query, {"ends": ends, "first": first}).scalar_one() or "infinity")


def _made(connection: Connection, flow: Flow, where: str) -> list[str]:
    """Have the chunks made that rows of the source go to; they are empty."""
    # what licences other than Timescale's have no function for: a chunk is there once it has had a row
    query = (
        f"WITH made AS (INSERT INTO {flow.target} ({flow.columns}) OVERRIDING SYSTEM VALUE {flow.rows(where)} "
        "RETURNING tableoid) SELECT DISTINCT tableoid::regclass::text FROM made"
    )
    chunks = list(connection.exec_driver_sql(query, execution_options={"no_parameters": True}).scalars())
    if chunks:
        send(connection, "; ".join(f"DELETE FROM {each}" for each in chunks))  # TRUNCATE takes ten times as long
    return chunks
