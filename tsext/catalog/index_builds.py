"""Indexes of a table and of its chunks: which are there, and which are half built."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from tsext.catalog.asking import rows, text
from tsext.catalog.hypertables import resolved
from tsext.sql.quoting import identifier, qualified


@dataclass(frozen=True)
class BuiltIndex:
    """An index, finished or not."""

    schema: str
    name: str
    valid: bool
    definition: str
    """What follows the table's name, with ``UNIQUE`` before it: by this two indexes are the same."""
    constraint: bool
    """Whether a constraint owns it."""

    def __str__(self) -> str:
        return qualified(self.name, self.schema)


@dataclass(frozen=True)
class IndexedTable:
    """A table or chunk, with its indexes."""

    schema: str
    name: str
    kind: str
    """``pg_class.relkind``."""
    indexes: tuple[BuiltIndex, ...]

    def __str__(self) -> str:
        return qualified(self.name, self.schema)

    def like(self, definition: str) -> list[BuiltIndex]:
        """Those with a definition, the valid ones first."""
        return sorted((each for each in self.indexes if each.definition == definition), key=lambda each: not each.valid)


def indexed_tables(connection: Connection, name: str, schema: str | None = None) -> list[IndexedTable]:
    """A table, and the chunks or partitions it has; none if there is no such table."""
    tables: dict[tuple[str, str], tuple[str, list[BuiltIndex]]] = {}
    for row in rows(connection, "index_builds", relation=qualified(name, schema)):
        _, indexes = tables.setdefault((row.schema, row.table), (row.kind, []))
        if row.index is not None:
            indexes.append(BuiltIndex(row.schema, row.index, row.valid, row.definition, row.constraint))
    return [IndexedTable(*key, kind, tuple(indexes)) for key, (kind, indexes) in tables.items()]


def index_table(connection: Connection, name: str, schema: str | None = None) -> tuple[str, str] | None:
    """Schema and name of the table that an index is of; None if there is no such index."""
    found = rows(connection, "index_table", index=qualified(name, schema))
    return (found[0].schema, found[0].name) if found else None


def printed_index(connection: Connection, create: str, name: str, schema: str | None, copy: str) -> str:
    """How the server prints an index, told from an empty copy of its table that does not outlive this call.

    :param create: the statement, about the copy.
    :param copy: name of the copy.
    """
    found = resolved(connection, name, schema)
    assert found is not None
    copied = identifier(copy)
    with connection.begin_nested() as savepoint:
        connection.exec_driver_sql(f"CREATE TEMP TABLE {copied} (LIKE {qualified(*reversed(found))})")
        connection.exec_driver_sql(create, execution_options={"no_parameters": True})
        table, *_ = indexed_tables(connection, copy, "pg_temp")
        savepoint.rollback()
    return table.indexes[0].definition


def register_chunk_index(connection: Connection, table: IndexedTable, index: str, root: BuiltIndex) -> None:
    """Tell TimescaleDB up to 2.21 that an index of a chunk is that of the hypertable; needs its owner's rights."""
    query = text("register_chunk_index")
    chunk = {"chunk_schema": table.schema, "chunk": table.name}
    connection.exec_driver_sql(query, {**chunk, "index": index, "root_schema": root.schema, "root": root.name})


def may_create_in(connection: Connection, schema: str) -> bool:
    """Whether this role may create relations in a schema."""
    query = "SELECT has_schema_privilege(%(schema)s, 'CREATE')"
    return bool(connection.exec_driver_sql(query, {"schema": schema}).scalar())


def may_register_chunk_index(connection: Connection) -> bool:
    """Whether this role may."""
    query = "SELECT has_table_privilege('_timescaledb_catalog.chunk_index', 'INSERT')"
    return bool(connection.exec_driver_sql(query).scalar())
