"""Hypertables, their chunks, and what decides whether a table can be one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from tsext.catalog.asking import Key, Relation, key_of, rows
from tsext.catalog.installed import timescaledb
from tsext.model import CHUNK_SKIPPING, Dimension, Hypertable, TableFacts
from tsext.sql.quoting import qualified, shown


def hypertables(connection: Connection) -> list[Hypertable]:
    """All hypertables with their dimensions, but not those inside continuous aggregates."""
    server = timescaledb(connection)
    if server is None:
        return []
    skipping = _chunk_skipping(connection) if server.has(CHUNK_SKIPPING) else {}
    grouped = groupby(rows(connection, "hypertables"), key=lambda row: (row.schema, row.name))
    return [_hypertable(key_of(connection, *names), list(rows), skipping.get(names)) for names, rows in grouped]


def _chunk_skipping(connection: Connection) -> dict[tuple[str, str], list[str]]:
    return {(row.schema, row.name): row.columns for row in rows(connection, "chunk_skipping")}


def _hypertable(key: Key, rows: list[Any], chunk_skipping: list[str] | None) -> Hypertable:
    first, *others = rows
    schema, name = key
    dimensions = [Dimension(row.column, row.number_partitions, _interval(row), row.partitioning_func) for row in others]
    return Hypertable(
        first.column,
        _interval(first),
        tuple(dimensions),
        first.partitioning_func,
        first.integer_now_func,
        tuple(chunk_skipping) if chunk_skipping else None,
        tuple(first.tablespaces) if first.tablespaces else None,
        name=name,
        schema=schema,
    )


def _interval(row: Any) -> timedelta | int | None:
    if row.microseconds is not None:
        return timedelta(microseconds=row.microseconds)
    # 2.22 to 2.24 show microseconds as an integer, where the column is a UUID.
    if row.integer_interval is not None and row.column_type == "uuid":
        return timedelta(microseconds=row.integer_interval)
    length: int | None = row.integer_interval
    return length


def hypertable(connection: Connection, name: str, schema: str | None = None) -> Hypertable | None:
    """The hypertable that PostgreSQL finds under this name; None if there is no table, or it is a plain one."""
    relation = resolved(connection, name, schema)
    if relation is None:
        return None
    found = (each for each in hypertables(connection) if each.key == key_of(connection, *relation))
    return next((replace(each, name=name, schema=schema) for each in found), None)


def resolved(connection: Connection, name: str, schema: str | None) -> Relation | None:
    """What the relation is called that PostgreSQL finds under a name; None if there is none."""
    return named(connection, qualified(name, schema))


def named(connection: Connection, relation: str) -> Relation | None:
    """The same for a name as it stands in SQL."""
    found = rows(connection, "resolved", relation=relation)
    return Relation(found[0].schema, found[0].name) if found else None


def table_facts(connection: Connection, name: str, schema: str | None = None) -> TableFacts | None:
    """What of a table decides how it can be partitioned; None if there is no such table."""
    relation = qualified(name, schema)
    columns = {row.name: row.kind for row in rows(connection, "columns", relation=relation)}
    if not columns and resolved(connection, name, schema) is None:
        return None
    keys = [(row.name, frozenset(row.columns)) for row in rows(connection, "unique_keys", relation=relation)]
    return TableFacts(shown(name, schema), columns, tuple(keys))


# --- functions and tablespaces


@dataclass(frozen=True)
class NowFunction:
    """A function that may tell an integer hypertable the time."""

    arguments: int
    """How many it takes."""
    is_volatile: bool
    returns: str
    column_type: str
    """Type of the column that it is to tell the time of."""


def now_function(connection: Connection, function: str, hypertable: Hypertable) -> NowFunction | None:
    """What decides whether a function can be an ``integer_now_func``; None if none has that name, or several."""
    relation = qualified(hypertable.name, hypertable.schema)
    found = rows(connection, "now_function", function=function, relation=relation, column=hypertable.column)
    return NowFunction(*found[0]) if found else None


def functions(connection: Connection, given: Collection[str]) -> dict[str, str]:
    """Functions as they are given, to their qualified names; without those that there are none of."""
    return {row.given: row.name for row in rows(connection, "functions", functions=list(given))} if given else {}


def tablespaces(connection: Connection) -> list[str]:
    """Names of the server's tablespaces."""
    return [row[0] for row in rows(connection, "tablespaces")]


# --- chunks


def chunk_foreign_keys(connection: Connection) -> set[tuple[str | None, str, str]]:
    """Schema, table and name of the copies that a foreign key to a hypertable has for each chunk."""
    return {(*key_of(connection, *row[:2]), row[2]) for row in rows(connection, "chunk_foreign_keys")}
