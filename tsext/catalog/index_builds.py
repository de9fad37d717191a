"""Indexes of a table and of its chunks: which are there, and which are half built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from tsext.catalog.asking import Relation, rows, text
from tsext.catalog.installed import MATCHED_SINCE, timescaledb
from tsext.catalog.partitioning import hypertable, resolved
from tsext.sql.quoting import identifier, qualified
from tsext.sql.sending import send


@dataclass(frozen=True)
class BuiltIndex:
    """An index, finished or not."""

    schema: str
    name: str
    valid: bool
    definition: str
    """What follows the table's name, with ``UNIQUE`` before it: by this two indexes are the same."""
    predicate: str | None
    """Of a partial one, the condition, with which the definition ends."""
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

    def named(self, name: str) -> BuiltIndex | None:
        """The one of that name."""
        return next((each for each in self.indexes if each.name == name), None)


@dataclass(frozen=True)
class Indexed:
    """A table, with the chunks or partitions in which its rows are."""

    root: IndexedTable
    parts: tuple[IndexedTable, ...]
    """None of a plain table, whose children by inheritance have indexes of their own."""
    is_hypertable: bool

    @property
    def is_partitioned(self) -> bool:
        """Whether PostgreSQL itself partitions it."""
        return self.root.kind == "p"


def indexed(connection: Connection, name: str, schema: str | None = None) -> Indexed | None:
    """A table and what it consists of; None if there is no such table."""
    tables = indexed_tables(connection, name, schema)
    if not tables:
        return None
    root, *children = tables
    is_hypertable = root.kind == "r" and hypertable(connection, root.name, root.schema) is not None
    has_parts = is_hypertable or root.kind == "p"
    # not those that are partitioned themselves, nor foreign tables such as tiered chunks, which have no indexes
    return Indexed(root, tuple(each for each in children if has_parts and each.kind == "r"), is_hypertable)


def indexed_tables(connection: Connection, name: str, schema: str | None = None) -> list[IndexedTable]:
    """A table, then all that inherit from it, as chunks and partitions do; none if there is no such table."""
    return _indexed(connection, name, schema, parts=True)


def indexed_table(connection: Connection, name: str, schema: str | None = None) -> IndexedTable | None:
    """A table itself, without what inherits from it; None if there is none."""
    return next(iter(_indexed(connection, name, schema, parts=False)), None)


def _indexed(connection: Connection, name: str, schema: str | None, *, parts: bool) -> list[IndexedTable]:
    tables: dict[tuple[str, str], tuple[str, list[BuiltIndex]]] = {}
    for row in rows(connection, "index_builds", relation=qualified(name, schema), parts=parts):
        _, indexes = tables.setdefault((row.schema, row.table), (row.kind, []))
        if row.index is not None:
            found = BuiltIndex(row.schema, row.index, row.valid, row.definition, row.predicate, row.constraint)
            indexes.append(found)
    return [IndexedTable(*key, kind, tuple(indexes)) for key, (kind, indexes) in tables.items()]


def indexes_of_parts(
    connection: Connection, whole: Indexed, definition: str, index: str
) -> list[tuple[IndexedTable, list[BuiltIndex]]]:
    """Each chunk or partition, with those of its indexes that belong to one of the whole.

    :param definition: of the index: who has it belongs to it.
    :param index: its qualified name; on a hypertable, TimescaleDB knows more of those that it has built itself.
    """
    known = _known(connection, index) if whole.is_hypertable else set()
    return [
        (part, [each for each in part.indexes if each.definition == definition or (each.schema, each.name) in known])
        for part in whole.parts
    ]


def _known(connection: Connection, index: str) -> set[tuple[str, str]]:
    query = "chunk_indexes" if indexes_are_matched(connection) else "chunk_indexes_2_21"
    return {(row.schema, row.name) for row in rows(connection, query, index=index)}


def index_table(connection: Connection, name: str, schema: str | None = None) -> Relation | None:
    """The table that an index is of; None if there is no such index."""
    found = rows(connection, "index_table", index=qualified(name, schema))
    return Relation(found[0].schema, found[0].name) if found else None


def printed_index(connection: Connection, create: str, name: str, schema: str | None, copy: str) -> BuiltIndex:
    """How the server prints an index, told from an empty copy of its table that does not outlive this call.

    :param create: the statement, about the copy.
    :param copy: name of the copy.
    :raises DBAPIError: if the server refuses such an index.
    """
    found = resolved(connection, name, schema)
    assert found is not None
    original = str(found)
    with connection.begin_nested() as savepoint:
        key = connection.exec_driver_sql("SELECT pg_get_partkeydef(to_regclass(%(t)s))", {"t": original}).scalar()
        partitioned = f" PARTITION BY {key}" if key else ""
        send(connection, f"CREATE TEMP TABLE {identifier(copy)} (LIKE {original}){partitioned}")
        send(connection, create)
        table, *_ = indexed_tables(connection, copy, "pg_temp")
        savepoint.rollback()
    return table.indexes[0]


def index_builders(connection: Connection, table: IndexedTable) -> list[int]:
    """Other backends that are building an index of a table CONCURRENTLY, by pid."""
    return [each.pid for each in rows(connection, "index_builders", relation=str(table))]


def register_chunk_indexes(connection: Connection, given: Iterable[tuple[str, str, str]]) -> None:
    """Tell TimescaleDB up to 2.21 that indexes of chunks are those of the hypertable; needs its owner's rights.

    :param given: of each the chunk, as it stands in SQL, the name of its index, and that of the hypertable's.
    """
    if several := list(given):
        chunks, indexes, roots = map(list, zip(*several, strict=True))
        names = {"chunks": chunks, "indexes": indexes, "roots": roots}
        connection.exec_driver_sql(text("register_chunk_indexes"), names)


@dataclass(frozen=True)
class ChunkKey:
    """A key or an index of a chunk."""

    schema: str
    name: str
    constraint: str | None
    """The one that owns it."""
    method: str
    """``pg_am.amname``."""
    tablespace: str | None
    """If it is not the default one."""
    creation: str
    """What makes it again; in whatever tablespace is the default one."""
    root: str | None
    """Up to TimescaleDB 2.21, the name of that of the hypertable, which TimescaleDB has to be told."""
    column: str | None = None
    """The first one; None, if that is an expression."""


def chunk_keys(connection: Connection, name: str, schema: str) -> dict[str, list[ChunkKey]]:
    """The keys and indexes that the chunks of a hypertable have, by chunk as it stands in SQL."""
    roots: dict[tuple[str, str], str] = {}
    if not indexes_are_matched(connection):
        root = indexed_table(connection, name, schema)
        indexes = root.indexes if root is not None else ()
        roots = {known: each.name for each in indexes for known in _known(connection, str(each))}
    found: dict[str, list[ChunkKey]] = {}
    for row in rows(connection, "chunk_keys", relation=qualified(name, schema)):
        given = (row.schema, row.name, row.constraint, row.method, row.tablespace, row.creation)
        found.setdefault(row.chunk, []).append(ChunkKey(*given, roots.get((row.schema, row.name)), row.column))
    return found


def indexes_are_matched(connection: Connection) -> bool:
    """Whether TimescaleDB tells by definitions which indexes of chunks are those of a hypertable."""
    found = timescaledb(connection)
    return found is not None and found.number >= MATCHED_SINCE


def may_create_in(connection: Connection, schema: str) -> bool:
    """Whether this role may create relations in a schema."""
    query = "SELECT has_schema_privilege(%(schema)s, 'CREATE')"
    return bool(connection.exec_driver_sql(query, {"schema": schema}).scalar())


def may_register_chunk_index(connection: Connection) -> bool:
    """Whether this role may register an index in TimescaleDB's own table of chunk indexes."""
    query = "SELECT has_table_privilege('_timescaledb_catalog.chunk_index', 'INSERT')"
    return bool(connection.exec_driver_sql(query).scalar())
