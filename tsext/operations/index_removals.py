"""Dropping and rebuilding indexes while others read and write, on hypertables chunk by chunk."""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.catalog import BuiltIndex, Indexed, IndexedTable
from tsext.errors import InvalidObject
from tsext.operations.concurrently import send_patiently, wait_for_builders
from tsext.operations.index_builds import GONE, Build, build
from tsext.operations.progress import track
from tsext.sql.quoting import qualified
from tsext.sql.sending import sqlstate

_MANY_OBJECTS = "0A000"
"""SQLSTATE with which TimescaleDB 2.22 and later refuse to drop a hypertable's index concurrently."""


def found(connection: Connection, name: str, schema: str | None) -> tuple[BuiltIndex, Indexed] | None:
    """An index, and the table that it is of; None if there is no such index."""
    table = catalog.index_table(connection, name, schema)
    whole = catalog.indexed(connection, table.name, table.schema) if table is not None else None
    index = whole.root.named(name) if whole is not None else None
    return (index, whole) if index is not None and whole is not None else None


def drop(connection: Connection, name: str, schema: str | None) -> None:
    """Drop an index, on a hypertable first those of its chunks, one after the other; nothing if it is not there.

    :param connection: in autocommit mode.
    """
    there = found(connection, name, schema)
    if there is None:
        return
    index, whole = there
    if whole.is_hypertable:
        _drop_of_hypertable(connection, index, whole)
    elif whole.is_partitioned:
        # the indexes of partitions go only with it, and CONCURRENTLY it is refused: ACCESS EXCLUSIVE, for an instant
        send_patiently(connection, f"DROP INDEX {index}")
    else:
        send_patiently(connection, f"DROP INDEX CONCURRENTLY {index}")


def _drop_of_hypertable(connection: Connection, index: BuiltIndex, whole: Indexed) -> None:
    twins = [each for each in whole.root.like(index.definition) if each.name != index.name]
    of_chunks = [] if twins else [each for _, found in _of_parts(connection, index, whole) for each in found]
    for each in track(of_chunks, f"index {index.name}: dropping that of chunk"):
        send_patiently(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {each}")
    _drop_root(connection, index)
    for twin in twins:  # of which TimescaleDB from 2.22 on has dropped what the two shared
        build(connection, Build.like(twin, whole.root))


def _of_parts(connection: Connection, index: BuiltIndex, whole: Indexed) -> list[tuple[IndexedTable, list[BuiltIndex]]]:
    return catalog.indexes_of_parts(connection, whole, index.definition, str(index))


def _drop_root(connection: Connection, index: BuiltIndex) -> None:
    try:
        send_patiently(connection, f"DROP INDEX CONCURRENTLY {index}")
    except DBAPIError as error:
        if sqlstate(error) != _MANY_OBJECTS:
            raise
        # 2.22 and later, if a chunk has come meanwhile: ACCESS EXCLUSIVE, but with next to nothing left to drop
        send_patiently(connection, f"DROP INDEX {index}")


def rebuild(connection: Connection, name: str, schema: str | None) -> None:
    """Build an index anew beside itself, on hypertables and partitioned tables part by part.

    :param connection: in autocommit mode.
    :raises InvalidObject: if there is no such index.
    """
    there = found(connection, name, schema)
    if there is None:
        raise InvalidObject(f"there is no index {qualified(name, schema)}", hint="correct its name or schema")
    index, whole = there
    has_parts = whole.is_hypertable or whole.is_partitioned
    tables = _of_parts(connection, index, whole) if has_parts else [(whole.root, [index])]
    for table, of_table in track(tables, f"index {name}: rebuilding that of part"):
        _rebuild_on(connection, table, of_table)


def _rebuild_on(connection: Connection, table: IndexedTable, indexes: list[BuiltIndex]) -> None:
    wait_for_builders(connection, table)
    leftovers = _leftovers(table, indexes)
    for each in leftovers:
        send_patiently(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {each}")
    for each in indexes:
        if each in leftovers:
            continue
        try:
            send_patiently(connection, f"REINDEX INDEX CONCURRENTLY {each}")
        except DBAPIError as error:
            if sqlstate(error) not in GONE:
                raise


def _leftovers(table: IndexedTable, indexes: list[BuiltIndex]) -> list[BuiltIndex]:
    """What an interrupted REINDEX CONCURRENTLY of them leaves: the new or the old index, INVALID."""
    alike = {each.definition for each in indexes}
    left = [each for each in table.indexes if each.definition in alike and not each.valid]
    return [each for each in left if _suffix(each.name) in ("ccnew", "ccold")]


def _suffix(name: str) -> str:
    return name.rpartition("_")[2].rstrip("0123456789")
