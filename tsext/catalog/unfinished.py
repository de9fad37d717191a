"""What is half done: indexes that are INVALID or not on every chunk, and constraints that are NOT VALID."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from tsext.catalog.asking import key_of, rows
from tsext.catalog.installed import MATCHED_SINCE, chunk_tables, timescaledb


def invalid_indexes(connection: Connection) -> list[str]:
    """Qualified names of indexes whose build was interrupted, those of chunks included."""
    return [row[0] for row in rows(connection, "invalid_indexes")]


def unvalidated_constraints(connection: Connection) -> list[tuple[str, str]]:
    """Qualified table and name of constraints that are NOT VALID; the copies that chunks have are left out."""
    chunk = chunk_tables(connection)
    found = rows(connection, "unvalidated_constraints")
    return [(row.relation, row.quoted) for row in found if key_of(connection, row.schema, row.name) not in chunk]


class UncoveredIndex(NamedTuple):
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
