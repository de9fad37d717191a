"""Indexes and constraints: which TimescaleDB made itself, and which are half done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from tsext.catalog.asking import Key, key_of, rows
from tsext.catalog.index_builds import MATCHED_SINCE
from tsext.catalog.installed import timescaledb
from tsext.catalog.partitioning import chunk_tables, hypertables
from tsext.model import Hypertable


def default_indexes(connection: Connection, of: Iterable[Hypertable] | None = None) -> set[Key]:
    """Indexes that TimescaleDB makes by default: ``(time DESC)`` and ``(space, time DESC)``.

    Told by their definition, and by the ``_idx`` that ends the names PostgreSQL chooses, so that a renamed or
    truncated one is known, and ``ix_…`` of a model is not taken for one.

    :param of: all hypertables, if they have been asked for already.
    """
    found = {table.key: table for table in (hypertables(connection) if of is None else of)}
    indexes = set()
    for row in rows(connection, "time_indexes") if found else []:
        table = found.get(key_of(connection, row.schema, row.table))
        if table is None or not row.last_is_descending:
            continue
        spaces = [[each.column, table.column] for each in table.dimensions or ()]
        if row.columns in [[table.column], *spaces]:
            indexes.add(key_of(connection, row.schema, row.name))
    return indexes


def invalid_indexes(connection: Connection) -> list[str]:
    """Qualified names of indexes whose build was interrupted, those of chunks included."""
    return [row[0] for row in rows(connection, "invalid_indexes")]


def unvalidated_constraints(connection: Connection) -> list[tuple[str, str]]:
    """Qualified table and name of constraints that are NOT VALID; the copies that chunks have are left out."""
    chunk = chunk_tables(connection)
    found = rows(connection, "unvalidated_constraints")
    return [(row.relation, row.quoted) for row in found if key_of(connection, row.schema, row.name) not in chunk]


@dataclass(frozen=True)
class UncoveredIndex:
    """An index of a hypertable that some chunks lack."""

    hypertable: str
    """Qualified, as ``name``."""
    name: str
    chunks: int
    """How many lack it."""
    example: str
    """One of them."""


def uncovered_indexes(connection: Connection) -> list[UncoveredIndex]:
    """Indexes of hypertables that are not on every chunk, whatever PostgreSQL says of their validity."""
    found = timescaledb(connection)
    if found is None:
        return []
    query = "uncovered_indexes" if found.number >= MATCHED_SINCE else "uncovered_indexes_2_21"
    return [UncoveredIndex(*row) for row in rows(connection, query)]
