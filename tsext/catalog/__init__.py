"""What the database holds: the only room that asks it; returns objects and facts, never rows.

Nothing here writes, and nothing fails where TimescaleDB is absent: there is then simply none of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from tsext.model import Dimension, Extension, Hypertable, TableFacts
from tsext.sql.quoting import qualified

Key = tuple[str | None, str]
"""Schema and name of a relation; the schema is None for the default schema, as in metadata."""


@dataclass(frozen=True)
class TimescaleInfo:
    """The TimescaleDB of a database."""

    version: str
    license: str
    """``apache`` or ``timescale``."""


@cache
def _query(name: str) -> str:
    return (files("tsext.catalog") / "queries" / f"{name}.sql").read_text("utf-8")


def _rows(connection: Connection, query: str, /, **parameters: object) -> list[Any]:
    if parameters:
        return list(connection.exec_driver_sql(_query(query), parameters))
    return list(connection.exec_driver_sql(_query(query), execution_options={"no_parameters": True}))


def _key(connection: Connection, schema: str, name: str) -> Key:
    return (None if schema == connection.dialect.default_schema_name else schema), name


# --- extensions


def timescaledb(connection: Connection) -> TimescaleInfo | None:
    """Version and licence of TimescaleDB; None if this database does not have it."""
    row = connection.exec_driver_sql(
        "SELECT extversion, current_setting('timescaledb.license', true) FROM pg_extension "
        "WHERE extname = 'timescaledb'"
    ).first()
    return TimescaleInfo(row[0], row[1] or "timescale") if row else None


def available(connection: Connection, extension: str) -> bool:
    """Whether the server has the files of an extension."""
    query = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = %(name)s)"
    return bool(connection.exec_driver_sql(query, {"name": extension}).scalar())


def preloaded(connection: Connection) -> bool:
    """Whether the server was started with TimescaleDB's library, without which the extension cannot be created."""
    # shared_preload_libraries itself is hidden from ordinary roles.
    query = "SELECT current_setting('timescaledb.disable_load', true) IS NOT NULL"
    return bool(connection.exec_driver_sql(query).scalar())


def extensions(connection: Connection) -> list[Extension]:
    """The extensions of this database, each with its schema and version."""
    return [Extension(*row) for row in _rows(connection, "extensions")]


def extension_tables(connection: Connection) -> set[Key]:
    """Tables that belong to an extension, and so go with it."""
    return {_key(connection, *row) for row in _rows(connection, "extension_tables")}


# --- hypertables


def hypertables(connection: Connection) -> list[Hypertable]:
    """All hypertables with their dimensions, but not those inside continuous aggregates."""
    if timescaledb(connection) is None:
        return []
    grouped = groupby(_rows(connection, "hypertables"), key=lambda row: (row.schema, row.name))
    return [_hypertable(connection, list(rows)) for _, rows in grouped]


def _hypertable(connection: Connection, rows: list[Any]) -> Hypertable:
    first, *others = rows
    schema, name = _key(connection, first.schema, first.name)
    dimensions = [Dimension(row.column, row.number_partitions, _interval(row), row.partitioning_func) for row in others]
    return Hypertable(first.column, _interval(first), tuple(dimensions), name, schema, first.partitioning_func)


def _interval(row: Any) -> timedelta | int | None:
    if row.microseconds is not None:
        return timedelta(microseconds=row.microseconds)
    # 2.22 to 2.24 show microseconds as an integer, where the column is a UUID.
    if row.integer_interval is not None and row.column_type == "uuid":
        return timedelta(microseconds=row.integer_interval)
    return row.integer_interval  # type: ignore[no-any-return]


def hypertable(connection: Connection, name: str, schema: str | None = None) -> Hypertable | None:
    """The hypertable that PostgreSQL finds under this name; None if there is no table, or it is a plain one."""
    resolved = _resolved(connection, name, schema)
    if resolved is None:
        return None
    found = (each for each in hypertables(connection) if each.key == _key(connection, *resolved))
    return next((replace(each, name=name, schema=schema) for each in found), None)


def _resolved(connection: Connection, name: str, schema: str | None) -> tuple[str, str] | None:
    rows = _rows(connection, "resolved", relation=qualified(name, schema))
    return (rows[0].schema, rows[0].name) if rows else None


def table_facts(connection: Connection, name: str, schema: str | None = None) -> TableFacts | None:
    """What of a table decides how it can be partitioned; None if there is no such table."""
    relation = qualified(name, schema)
    columns = {row.name: row.kind for row in _rows(connection, "columns", relation=relation)}
    if not columns and _resolved(connection, name, schema) is None:
        return None
    keys = [(row.name, frozenset(row.columns)) for row in _rows(connection, "unique_keys", relation=relation)]
    return TableFacts(name if schema is None else f"{schema}.{name}", columns, tuple(keys))


# --- chunks


def chunk_tables(connection: Connection) -> set[Key]:
    """Chunks that live outside TimescaleDB's own schemas."""
    if timescaledb(connection) is None:
        return set()
    return {_key(connection, *row) for row in _rows(connection, "chunk_tables")}


def chunk_foreign_keys(connection: Connection) -> set[tuple[str | None, str, str]]:
    """Schema, table and name of the copies that a foreign key to a hypertable has for each chunk."""
    return {(*_key(connection, *row[:2]), row[2]) for row in _rows(connection, "chunk_foreign_keys")}


# --- indexes and constraints


def default_indexes(connection: Connection) -> set[Key]:
    """Indexes that TimescaleDB makes by default: ``(time DESC)`` and ``(space, time DESC)``.

    Told by their definition, and by the ``_idx`` that ends the names PostgreSQL chooses, so that a renamed or
    truncated one is known, and ``ix_…`` of a model is not taken for one.
    """
    found = {table.key: table for table in hypertables(connection)}
    indexes = set()
    for row in _rows(connection, "time_indexes") if found else []:
        table = found.get(_key(connection, row.schema, row.table))
        if table is None or not row.last_is_descending:
            continue
        spaces = [[each.column, table.column] for each in table.dimensions or ()]
        if row.columns in [[table.column], *spaces]:
            indexes.add(_key(connection, row.schema, row.name))
    return indexes


def invalid_indexes(connection: Connection) -> list[str]:
    """Qualified names of indexes whose build was interrupted, those of chunks included."""
    return [row[0] for row in _rows(connection, "invalid_indexes")]


def unvalidated_constraints(connection: Connection) -> list[tuple[str, str]]:
    """Qualified table and name of constraints that are NOT VALID; the copies that chunks have are left out."""
    chunk = chunk_tables(connection)
    rows = _rows(connection, "unvalidated_constraints")
    return [(row.relation, row.quoted) for row in rows if _key(connection, row.schema, row.name) not in chunk]
