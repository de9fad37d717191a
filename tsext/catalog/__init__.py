"""What the database holds: the only room that asks it; returns objects and facts, never rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from tsext.model import Dimension, Hypertable


@dataclass(frozen=True)
class TimescaleInfo:
    """The TimescaleDB of a database."""

    version: str
    license: str
    """``apache`` or ``timescale``."""


@cache
def _query(name: str) -> str:
    return (files("tsext.catalog") / "queries" / f"{name}.sql").read_text("utf-8")


def _rows(connection: Connection, name: str) -> list[Any]:
    return list(connection.exec_driver_sql(_query(name), execution_options={"no_parameters": True}))


def timescaledb(connection: Connection) -> TimescaleInfo | None:
    """Version and licence of TimescaleDB; None if this database does not have it."""
    version = connection.exec_driver_sql("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").scalar()
    if version is None:
        return None
    license_ = connection.exec_driver_sql("SELECT current_setting('timescaledb.license', true)").scalar()
    return TimescaleInfo(version, license_ or "timescale")


def available(connection: Connection, extension: str) -> bool:
    """Whether the server has the files of an extension."""
    query = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = %(name)s)"
    return bool(connection.exec_driver_sql(query, {"name": extension}).scalar())


def preloaded(connection: Connection, library: str) -> bool:
    """Whether the server was started with a library; false also if this role may not see the setting."""
    found = connection.exec_driver_sql(
        "SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries'"
    ).scalar()
    return found is None or library in found


def hypertables(connection: Connection) -> list[Hypertable]:
    """All hypertables with their dimensions; the schema is None for the default schema, as in metadata."""
    if timescaledb(connection) is None:
        return []
    found = []
    for (schema, name), group in groupby(_rows(connection, "hypertables"), key=lambda row: (row[0], row[1])):
        first, *others = group
        found.append(
            Hypertable(
                column=first.column_name,
                chunk_time_interval=first.time_interval or first.integer_interval,
                dimensions=tuple(
                    Dimension(row.column_name, row.num_partitions, row.time_interval or row.integer_interval)
                    for row in others
                ),
                name=name,
                schema=None if first.in_default_schema else schema,
            )
        )
    return found


def chunk_tables(connection: Connection) -> set[tuple[str, str]]:
    """Schema and name of chunks that live outside TimescaleDB's own schemas."""
    if timescaledb(connection) is None:
        return set()
    return {(row[0], row[1]) for row in _rows(connection, "chunk_tables")}


def chunk_foreign_keys(connection: Connection) -> set[tuple[str, str, str]]:
    """Schema, table and name of the copies a foreign key to a hypertable has for each chunk."""
    return {(row[0], row[1], row[2]) for row in _rows(connection, "chunk_foreign_keys")}


def default_indexes(connection: Connection) -> set[tuple[str, str]]:
    """Schema and name of indexes that TimescaleDB makes by default: (time DESC) and (space, time DESC).

    Told by their definition, because their names can be truncated or changed.
    """
    partitioned = {
        (table.schema, table.name): [table.column, *(dimension.column for dimension in table.dimensions)]
        for table in hypertables(connection)
    }
    default_schema = connection.exec_driver_sql("SELECT current_schema()").scalar()
    found = set()
    for row in _rows(connection, "time_indexes") if partitioned else []:
        key = (None if row.schema == default_schema else row.schema, row.table)
        time, *space = partitioned.get(key, [""])
        if row.last_is_descending and row.columns in [[time], *([column, time] for column in space)]:
            found.add((row.schema, row.name))
    return found


def invalid_indexes(connection: Connection) -> list[str]:
    """Qualified names of indexes whose build was interrupted."""
    return [row[0] for row in _rows(connection, "invalid_indexes")]


def unvalidated_constraints(connection: Connection) -> list[tuple[str, str]]:
    """Qualified table and name of constraints that are NOT VALID."""
    return [(row[0], row[1]) for row in _rows(connection, "unvalidated_constraints")]
