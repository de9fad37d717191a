"""What matters to whoever fills a table with many rows: its columns, its triggers, and which chunks are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from tsext.catalog.asking import Relation, rows, text


class Span(NamedTuple):
    """From where to where a chunk goes: microseconds since 1970, or integers of the column; the end is not in it."""

    begin: int
    end: int
    chunk: str
    """As it stands in SQL."""


def loadable_columns(connection: Connection, relation: str) -> dict[str, str]:
    """Type by name of the columns that values can be given for, in their order; none if there is no such table.

    :param relation: as it stands in SQL.
    """
    return {row.name: row.type for row in rows(connection, "loadable_columns", relation=relation)}


def insert_triggers(connection: Connection, relation: str) -> list[str]:
    """Names of the triggers that users have put on INSERT."""
    return [row.name for row in rows(connection, "insert_triggers", relation=relation)]


def chunk_spans(connection: Connection, schema: str, name: str, chunk: str | None = None) -> list[Span]:
    """What the chunks of a hypertable cover by its first dimension.

    :param chunk: only this one, as it stands in SQL.
    """
    found = rows(connection, "chunk_spans", schema=schema, name=name, chunk=chunk)
    return [Span(row.begin, row.end, row.name) for row in found]


def is_fillable(connection: Connection, table: Relation, columns: Sequence[str], chunk: str | None = None) -> bool:
    """Whether rows may be copied straight into chunks, with the same outcome as through the hypertable.

    Not so, if there are triggers, a columnstore, continuous aggregates, row security, or several dimensions.

    :param columns: that values are given for.
    :param chunk: whether that is one of them, as it stands in SQL.
    """
    given = {"schema": table.schema, "name": table.name, "columns": list(columns), "chunk": chunk}
    return bool(rows(connection, "fillable", **given)[0].fillable)


def internal_times(connection: Connection, texts: Sequence[str | None], type_: str) -> list[int | None]:
    """Values of a column as TimescaleDB compares them with spans; None for what is no such value.

    :param type_: the column's. Before PostgreSQL 16, a text that is no such value is an error.
    """
    major = connection.dialect.server_version_info or (0,)
    is_valid = "pg_input_is_valid(given, {type})" if major >= (16,) else "given IS NOT NULL"
    query = text("internal_times").replace("{is_valid}", is_valid.replace("{type}", f"'{type_}'"))
    found = connection.exec_driver_sql(query.replace("{type}", type_), {"texts": list(texts)})
    return [row.internal for row in found]


def own_chunks(connection: Connection, relation: str) -> list[str]:
    """Chunks that this transaction has made, as they stand in SQL, but not those of its savepoints."""
    return [row.name for row in rows(connection, "own_chunks", relation=relation)]
