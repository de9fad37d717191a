"""The columnstore: its settings, and which chunks are in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from tsext.catalog.asking import Key, key_of, rows, text
from tsext.catalog.installed import timescaledb
from tsext.catalog.partitioning import resolved
from tsext.model import UNSET_COLUMNS, Columnstore, License, Ordering, SparseIndex
from tsext.sql.quoting import qualified
from tsext.sql.sending import ask

_ARRAYS_SINCE = (2, 14)


@dataclass(frozen=True)
class Partitioned:
    """A hypertable, or a continuous aggregate, which is one inside."""

    column: str
    """The one that it is partitioned by."""
    continuous_aggregate: bool


@dataclass(frozen=True)
class ColumnstoreUse:
    """What stands in the way of disabling a columnstore."""

    chunks: int
    """How many chunks are in it."""
    policies: tuple[int, ...]
    """Jobs that convert chunks to it."""


@dataclass(frozen=True)
class Chunk:
    """A chunk, and where its rows are."""

    name: str
    """Qualified, as it stands in SQL."""
    in_columnstore: bool


def columnstores(connection: Connection) -> list[Columnstore]:
    """The settings of all columnstores that are enabled; that of a continuous aggregate by the aggregate's name."""
    found = timescaledb(connection)
    if found is None:
        return []
    query = "columnstores" if found.number >= _ARRAYS_SINCE else "columnstores_2_13"
    # Where what is not given is chosen when the columnstore is enabled, what is not there has been chosen, too.
    always = found.number < UNSET_COLUMNS.since
    return [_columnstore(connection, row, chosen=always or row.aggregate) for row in rows(connection, query)]


def _columnstore(connection: Connection, row: Any, *, chosen: bool) -> Columnstore:
    schema, name = key_of(connection, row.schema, row.name)
    segmentby = [] if row.segmentby is None and chosen else row.segmentby
    ordering = zip(row.orderby or (), row.orderby_desc or (), row.orderby_nullsfirst or (), strict=True)
    orderby = [str(Ordering(*each)) for each in ordering] or None
    return Columnstore(segmentby, orderby, _index(row.index), _length(row), name=name, schema=schema)


def _index(found: list[dict[str, Any]] | None) -> list[str] | None:
    """Those that were given, not those that follow from ``orderby``; that none is wanted is an entry of its own."""
    given = [each for each in found or () if each["source"] == "config"]
    return list(map(str, _indexes(given))) if given else None


def _indexes(given: list[dict[str, Any]]) -> Iterator[SparseIndex]:
    for each in given:
        if "type" in each:
            column = each["column"]
            yield SparseIndex(each["type"], (column,) if isinstance(column, str) else tuple(column))


def _length(row: Any) -> timedelta | int | None:
    if row.length is None or row.column_type in ("smallint", "integer", "bigint"):
        length: int | None = row.length
        return length
    return timedelta(microseconds=row.length)


def columnstore(connection: Connection, name: str, schema: str | None = None) -> Columnstore | None:
    """The columnstore of what PostgreSQL finds under this name; None if it is not enabled."""
    relation = resolved(connection, name, schema)
    if relation is None:
        return None
    found = (each for each in columnstores(connection) if each.key == key_of(connection, *relation))
    return next((replace(each, name=name, schema=schema) for each in found), None)


def partitioned(connection: Connection) -> dict[Key, Partitioned]:
    """All that can have a columnstore: hypertables, and continuous aggregates."""
    if timescaledb(connection) is None:
        return {}
    found = rows(connection, "partitioned")
    return {
        key_of(connection, row.schema, row.name): Partitioned(row.column, row.continuous_aggregate) for row in found
    }


def partitioned_relation(connection: Connection, name: str, schema: str | None = None) -> Partitioned | None:
    """What PostgreSQL finds under this name, if it can have a columnstore."""
    relation = resolved(connection, name, schema)
    return None if relation is None else partitioned(connection).get(key_of(connection, *relation))


def columnstore_use(connection: Connection, name: str, schema: str | None = None) -> ColumnstoreUse:
    """What stands in the way of disabling the columnstore of what PostgreSQL finds under this name."""
    relation = resolved(connection, name, schema)
    if relation is None:
        return ColumnstoreUse(0, ())
    found = rows(connection, "columnstore_use", schema=relation.schema, name=relation.name)[0]
    return ColumnstoreUse(found.chunks, tuple(found.policies))


def chunks(connection: Connection, show_chunks: str) -> list[Chunk]:
    """The chunks that a call of ``show_chunks`` gives, in its order.

    :param show_chunks: the call, as SQL text.
    """
    query = text("chunks").replace("{show_chunks}", show_chunks)
    found = ask(connection, query)
    return [Chunk(row.name, row.in_columnstore) for row in found]


def is_in_columnstore(connection: Connection, relation: str) -> bool:
    """Whether a table is a chunk that is in the columnstore.

    :param relation: as it stands in SQL.
    """
    found = timescaledb(connection)
    if found is None or found.license is License.APACHE:
        return False
    return any(row[0] for row in rows(connection, "in_columnstore", relation=relation))


def chunk_condition(connection: Connection, chunk: str) -> str:
    """The time of a chunk's rows, as a condition over the hypertable's.

    :param chunk: as it stands in SQL.
    """
    return str(rows(connection, "chunk_condition", relation=chunk)[0].condition)


def commented_chunks(connection: Connection, name: str, schema: str | None, comment: str) -> list[str]:
    """The chunks of a hypertable that have a comment, as they stand in SQL."""
    return [row.name for row in rows(connection, "commented_chunks", relation=qualified(name, schema), comment=comment)]
