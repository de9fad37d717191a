"""Which ranges there are to copy, each a task; and the chunks of the new table that they go to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice, pairwise

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill.ledger import NewTask, Task
from tsext.backfill.repartition.move import Flow, Move
from tsext.backfill.repartition.sessions import remembered, transaction
from tsext.sql.quoting import literal
from tsext.sql.sending import ask, send

COPY, COPY_CHUNK, COPY_CHUNKS = "copy", "copy chunk", "copy chunks"
"""Steps: a range, into whatever chunk; all of one chunk of the new table, which is truncated before; and of several."""

LARGEST = 4_000_000
"""Rows of one task; a chunk that seems to have more is divided."""

SMALL, TOGETHER = 100_000, 8
"""Rows of several chunks that are one task, and how many chunks at most: each task by itself takes as long as to copy
some thousand rows."""

PASSES = 8
"""How often a source is read whose rows are not found by an index, as long as no task is larger than :data:`LARGEST`.

To read 20 rows and take one takes about as long as to copy it.
"""

_AT_ONCE = 20
"""Chunks that are made in one transaction."""

_LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
"""Values of types of columns."""

_OPEN = ("-infinity", "infinity", str(-(2**63)), str(2**63 - 1))
"""Where chunks begin or end beyond which there are none, whatever the type of the column."""

_SAMPLE = 1_000
"""Rows of a range that are looked at for the partitions that they go to."""


@dataclass(frozen=True)
class Place:
    """A range of the source, and the table or chunk that its rows go to."""

    lower: str | None
    """None: without a beginning."""
    upper: str | None
    """None: without an end, which also infinity is before."""
    target: str

    @property
    def is_bounded(self) -> bool:
        """Whether it has a beginning and an end."""
        return self.lower is not None and self.upper is not None


def plan(connection: Connection, move: Move, flow: Flow) -> list[NewTask]:
    """The tasks, of what there is now; to be called after changes are noted. Makes the chunks of the new table.

    :param connection: in autocommit mode.
    """
    places = list(_places(connection, move, flow))
    rows = catalog.row_estimate(connection, flow.source)
    share = rows // len(places) if places else 0
    parts = -(-share // LARGEST)
    indexed = is_indexed(connection, flow)
    most = min(LARGEST, SMALL if indexed else max(SMALL, rows // PASSES)) // max(1, share)
    groups = _grouped(places, flow, max(1, min(most, TOGETHER) if indexed else most))
    return [task for some in groups for task in _tasks(connection, flow, some, share, parts)]


def is_indexed(connection: Connection, flow: Flow) -> bool:
    """Whether the rows of a range are found in the source by an index, and not by reading all."""
    ask_once = ("indexed", flow.source, flow.column)
    return remembered(connection, ask_once, lambda: catalog.leads_index(connection, flow.source, flow.column))


def _grouped(places: Sequence[Place], flow: Flow, most: int) -> Iterator[list[Place]]:
    """Neighbours that are one task: whole chunks that have a beginning and an end."""
    for whole, some in groupby(places, lambda place: place.target != flow.target and place.is_bounded):
        several, size = list(some), most if whole else 1
        yield from (several[first : first + size] for first in range(0, len(several), size))


def _tasks(connection: Connection, flow: Flow, some: Sequence[Place], rows: int, parts: int) -> Iterator[NewTask]:
    place = some[0]
    if len(some) > 1:
        yield NewTask(COPY_CHUNKS, flow.target, place.lower, some[-1].upper, rows * len(some) or None)
        return
    if parts <= 1 or place.lower is None or place.upper is None:
        step = COPY if place.target == flow.target else COPY_CHUNK
        yield NewTask(step, place.target, place.lower, place.upper, rows or None)
        return
    with transaction(connection):
        bounds = [place.lower, *_between(connection, flow, place, parts), place.upper]
    for lower, upper in pairwise(bounds):
        yield NewTask(COPY, place.target, lower, upper, rows // parts or None)


def filled_by(connection: Connection, move: Move, task: Task) -> list[Place]:
    """Where the rows of a task of copying go to."""
    if task.step != COPY_CHUNKS:
        return [Place(task.lower, task.upper, task.relation)]
    places = remembered(connection, ("places", move.shadow), lambda: _whole(connection, move))
    first, last = (i for i, each in enumerate(places) if each.lower == task.lower or each.upper == task.upper)
    return places[first : last + 1]


def _whole(connection: Connection, move: Move) -> list[Place]:
    with transaction(connection):
        return [_of_chunk(each) for each in catalog.source_chunks(connection, move.spec.table, move.place)]


def _between(connection: Connection, flow: Flow, place: Place, parts: int) -> list[str]:
    lower, upper = (f"{literal(each)}::{flow.type}" for each in (place.lower, place.upper))
    between = f"({lower} + ({upper} - {lower}) * i / {parts})::{flow.type}::text"
    query = f"SELECT {between} FROM generate_series(1, {parts - 1}) AS i"
    return list(ask(connection, query).scalars())


def _places(connection: Connection, move: Move, flow: Flow) -> Iterator[Place]:
    """From the least value on, from one range to the next that has rows."""
    after = "true"
    ends = [] if move.spec.aligned else _ends(connection, move)
    while True:
        with transaction(connection):
            made = list(islice(_following(connection, move, flow, ends, after), _AT_ONCE))
        yield from made
        if len(made) < _AT_ONCE or made[-1].upper is None:
            return
        after = flow.within(made[-1].upper, None)


def _following(connection: Connection, move: Move, flow: Flow, ends: list[str], after: str) -> Iterator[Place]:
    while True:
        query = f"SELECT min({flow.column})::text FROM {flow.source} WHERE {after}"
        first = ask(connection, query).scalar()
        if first is None:
            return
        place = _place(connection, move, flow, ends, str(first))
        if place is not None:
            yield place
            behind = list(_ahead(connection, move, flow, place)) if move.spec.aligned else []
            yield from behind
            upper = [place, *behind][-1].upper
            if upper is None:
                return
            after = flow.within(upper, None)


# --- many at once


def _ahead(connection: Connection, move: Move, flow: Flow, place: Place) -> Iterator[Place]:
    """Those that follow one, as long as nothing is left out if all are taken to be as wide as that one."""
    if place.lower is None or place.upper is None:
        return
    chunks = set(_inserted(connection, flow, _firsts(flow, place, indexed=is_indexed(connection, flow))))
    if not chunks:
        return
    for each in catalog.source_chunks(connection, move.spec.table, move.place):
        if each.name in chunks:
            query = f"SELECT 1 FROM {flow.source} WHERE {flow.within(place.upper, each.lower)} LIMIT 1"
            if place.upper != each.lower and ask(connection, query).scalar():
                return
            place = _of_chunk(each)
            yield place


def _firsts(flow: Flow, place: Place, *, indexed: bool) -> str:
    """The query for one row from the beginning of each of the places behind one, if they are as wide as that one.

    :param indexed: whether the least value behind another one is found at once; else all rows are gone through once.
    """
    at, lower, upper = flow.column, *(f"{literal(each)}::{flow.type}" for each in (place.lower, place.upper))
    number, end = _numbered(flow.type, lower, upper)
    places = (
        f"WITH RECURSIVE places (at, upper, n) AS ("
        f"SELECT NULL::{flow.type}, {upper}, 0 UNION ALL SELECT f.at, e.upper, n + 1 FROM places, "
        f"LATERAL (SELECT min({at}) AS at FROM {flow.source} WHERE {at} >= places.upper) AS f, "
        f"LATERAL (SELECT {end} AS upper) AS e WHERE n < {_AT_ONCE - 1} AND e.upper > f.at"
        f") SELECT places.at FROM places WHERE n > 0"
        if indexed
        else f"SELECT min(f.at) AS at FROM (SELECT {at} FROM {flow.source} WHERE {at} >= {upper}) AS f (at) "
        f"WHERE {end} > f.at GROUP BY {number} ORDER BY 1 LIMIT {_AT_ONCE - 1}"
    )
    one = f"SELECT {flow.values} FROM {flow.source} AS rows WHERE {at} = places.at LIMIT 1"
    return f"SELECT one.* FROM ({places}) AS places, LATERAL ({one}) AS one"


def _numbered(type_: str, lower: str, upper: str) -> tuple[str, str]:
    """What is the same for all ``f.at`` in one place, and where that ends; a place goes from one bound to the other."""
    width = f"({upper} - {lower})"
    if type_.startswith("timestamp"):
        number = f"date_bin({width}, f.at, {upper})"
        return number, f"{number} + {width}"
    if type_ == "date":
        number = f"((f.at - {upper}) / {width})"
        return number, f"{upper} + ({number} + 1) * {width}"
    width = f"({upper}::numeric - {lower}::numeric)"
    number = f"div(f.at - {upper}::numeric, {width})"
    return number, f"least({upper}::numeric + ({number} + 1) * {width}, {_LARGEST[type_]})::{type_}"


def _ends(connection: Connection, move: Move) -> list[str]:
    """Where the chunks of the source end; none, if it is a plain table."""
    if catalog.timescaledb(connection) is None:
        return []
    with transaction(connection):
        found = catalog.source_chunks(connection, move.spec.table, move.spec.schema)
    return [each.upper for each in found if each.upper not in _OPEN]


def _place(connection: Connection, move: Move, flow: Flow, ends: list[str], first: str) -> Place | None:
    """The range that begins with a value; None if somebody has just deleted that."""
    if not move.spec.shape:
        return Place(first, _end(connection, flow, ends, first), flow.target)
    chunks = _made(connection, flow, f"{flow.column} = {literal(first)}::{flow.type} LIMIT 1")
    if not chunks:
        return None
    if move.spec.aligned:
        place = _of_chunk(catalog.chunk_range(connection, chunks[0]))
        # TimescaleDB cannot compare with where a chunk begins that has no end
        return place if place.upper is not None else replace(place, lower=first)
    chunk = _of_chunk(catalog.chunk_range(connection, chunks[0]))
    upper = _end(connection, flow, ends, first) if ends else chunk.upper
    _made(connection, flow, f"{flow.within(first, upper)} LIMIT {_SAMPLE}")
    return Place(first, upper, flow.target)


def _of_chunk(chunk: catalog.SourceChunk) -> Place:
    lower, upper = (None if each in _OPEN else each for each in (chunk.lower, chunk.upper))
    return Place(lower, upper, chunk.name)


def _end(connection: Connection, flow: Flow, ends: list[str], first: str) -> str | None:
    """Where the chunk of the source ends that a value is in; None: without an end."""
    query = (
        f"SELECT min(e)::text FROM unnest(%(ends)s::text[]::{flow.type}[]) AS ends (e) WHERE e > %(first)s::{flow.type}"
    )
    end = connection.exec_driver_sql(query, {"ends": ends, "first": first}).scalar_one()
    return None if end is None else str(end)


def _made(connection: Connection, flow: Flow, where: str) -> list[str]:
    """Have the chunks made that rows of the source go to; they are empty."""
    return _inserted(connection, flow, flow.rows(where))


def _inserted(connection: Connection, flow: Flow, rows: str) -> list[str]:
    """Have the chunks made that the rows of a query go to; they are empty."""
    # what licences other than Timescale's have no function for: a chunk is there once it has had a row
    query = (
        f"WITH made AS (INSERT INTO {flow.target} ({flow.columns}) OVERRIDING SYSTEM VALUE {rows} "
        "RETURNING tableoid) SELECT DISTINCT tableoid::regclass::text FROM made"
    )
    chunks = list(ask(connection, query).scalars())
    if chunks:
        send(connection, "; ".join(f"DELETE FROM {each}" for each in chunks))  # TRUNCATE takes ten times as long
    return chunks
