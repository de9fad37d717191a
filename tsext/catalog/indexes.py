"""Indexes that TimescaleDB made itself."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from tsext.catalog.asking import Key, key_of, rows
from tsext.catalog.partitioning import hypertables
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
