"""How large relations are, their chunks and partitions included."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection

from tsext.catalog.asking import Key, key_of, text
from tsext.catalog.installed import timescaledb

_CHUNKS_OF_COLUMNSTORE = """UNION ALL
                        SELECT compress_relid::oid FROM _timescaledb_catalog.compression_settings
                        WHERE relid::oid = f.oid AND compress_relid IS NOT NULL"""
_KNOWN_SINCE = (2, 19)
"""TimescaleDB that tells which relation holds a chunk's rows in the columnstore."""


class RelationSize(NamedTuple):
    """A relation, with all that is locked and rewritten together with it."""

    key: Key
    relations: int
    """It and its chunks, partitions, and what holds them in the columnstore."""
    indexes: int
    """How many indexes all of them have."""
    toasted: int
    """How many of them have a TOAST table."""
    table_bytes: int
    """With TOAST."""
    index_bytes: int
    tuples: int
    """As the planner estimates them."""
    elsewhere: bool
    """Whether some of it is in another tablespace than the database's."""

    @property
    def bytes(self) -> int:
        """Tables and indexes."""
        return self.table_bytes + self.index_bytes


def sizes(connection: Connection, relations: Collection[str]) -> dict[str, RelationSize]:
    """How large relations are, by their names as they are given; one or two queries, or none.

    :param relations: as they stand in SQL; those that there are none of are left out.
    """
    if not relations:
        return {}
    found = timescaledb(connection)
    columnstore = _CHUNKS_OF_COLUMNSTORE if found is not None and found.number >= _KNOWN_SINCE else ""
    query = text("relation_sizes").replace("{columnstore}", columnstore)
    rows = connection.exec_driver_sql(query, {"relations": sorted(set(relations))})
    return {row.given: RelationSize(key_of(connection, row.schema, row.name), *row[3:]) for row in rows}
