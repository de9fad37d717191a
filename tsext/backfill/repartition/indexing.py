"""Keys and indexes of the new table: a chunk has them from its beginning, but not while it is filled."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill.repartition.details import Described, described, indexes_of
from tsext.backfill.repartition.move import Move
from tsext.backfill.repartition.sessions import transaction
from tsext.backfill.repartition.shadow import KEYS
from tsext.sql.quoting import identifier, literal
from tsext.sql.sending import ask, send

MEMORY, MEMORY_OF_LARGE, MEMORY_OF_ALL, MEMORY_OF_OTHERS = "4MB", "16MB", "64MB", "256MB"
MEMORY_OF_ORDERED = "64MB"
"""``maintenance_work_mem`` for a btree: of a chunk that one task fills, of a larger one, of all of a table; for other
methods; and for a btree by the column that the rows of a chunk are copied in the order of.

A sort in runs that fit into the processor's caches takes half the time of one that has all rows in memory: 4 million
rows by (text, timestamptz) 4.1 s with 4 MB, 5.2 s with 16 MB, 8.0 s with 64 MB, 8.5 s with 256 MB. With more rows there
are too many runs to merge them at once. For the whole of a table, which is built last and alone, 64 MB are as few as a
parallel worker is given.

Rows that are in order already need no sort; but what does not fit is written to disk and read again. So the index by
time of a chunk of 667,000 rows takes 0.18 s of CPU with 4 MB, and 0.15 s with 64 MB.
"""

CONSTRAINTS_SINCE = (2, 31)
"""TimescaleDB that lets a chunk be without a key of its hypertable for a while; before 2.28 it keeps a list of them."""

_AT_ONCE = 50
"""Chunks whose keys are dropped in one transaction."""


@dataclass(frozen=True)
class Key:
    """A key or an index of the new table."""

    name: str
    creation: str
    is_constraint: bool
    tablespace: str
    """Empty: the database's."""

    @property
    def statements(self) -> str:
        """What makes it."""
        return f"SET LOCAL default_tablespace = {literal(self.tablespace)}; {self.creation}"


def keys(connection: Connection, move: Move, source: Described) -> Iterator[Key]:
    """Those that the new table is to have; keys first."""
    spaces = {each.name: each.tablespace or "" for each in source.details.indexes}
    for each in source.table.constraints:
        if each.kind in KEYS:
            added = f"ADD CONSTRAINT {identifier(each.name)} {each.definition}"
            yield Key(each.name, f"ALTER TABLE {move.shadow} {added}", True, spaces[each.name])
    for index in indexes_of(connection, move.spec.table, move.spec.schema):
        if not index.constraint and index.valid:
            unique = "UNIQUE " if index.definition.startswith("UNIQUE ") else ""
            definition = index.definition.removeprefix("UNIQUE ")
            created = f"CREATE {unique}INDEX {identifier(index.name)} ON {move.shadow} {definition}"
            yield Key(index.name, created, False, spaces[index.name])


def missing(connection: Connection, move: Move, source: Described) -> list[Key]:
    """Those that it does not have yet."""
    there = {each.name for each in indexes_of(connection, move.spec.table, move.place)}
    return [each for each in keys(connection, move, source) if each.name not in there]


# --- of chunks


def known(move: Move) -> str:
    """What makes the list of the keys that chunks are to be given again."""
    return f"CREATE TABLE {_list(move)} (chunk oid PRIMARY KEY, keys json NOT NULL)"


def create_on_root(connection: Connection, move: Move, source: Described) -> None:
    """Create those on the new table, before it has chunks, that its chunks may be without for a while."""
    version = catalog.timescaledb(connection)
    if not move.spec.shape or version is None:
        return
    indexes = catalog.indexes_are_matched(connection) or catalog.may_register_chunk_index(connection)
    for each in keys(connection, move, source):
        if version.number >= CONSTRAINTS_SINCE if each.is_constraint else indexes:
            send(connection, each.statements)


def drop_of_chunks(connection: Connection, move: Move) -> None:
    """Drop those of the chunks, while they are empty, and note what makes them again.

    :param connection: in autocommit mode.
    """
    with transaction(connection):
        send(connection, "SET LOCAL search_path = ''")  # so that all that is printed has its schema with it
        found = catalog.chunk_keys(connection, move.spec.table, move.place)
    version = catalog.timescaledb(connection)
    constraints = version is not None and version.number >= CONSTRAINTS_SINCE
    droppable = {chunk: [each for each in keys if constraints or not each.constraint] for chunk, keys in found.items()}
    chunks = [each for each in droppable.items() if each[1]]
    for first in range(0, len(chunks), _AT_ONCE):
        some = chunks[first : first + _AT_ONCE]
        with transaction(connection):
            send(connection, "; ".join(said for chunk, keys in some for said in _dropping(move, chunk, keys)))


def _dropping(move: Move, chunk: str, keys: list[catalog.ChunkKey]) -> Iterator[str]:
    noted = literal(json.dumps([asdict(each) for each in keys]))
    yield f"INSERT INTO {_list(move)} VALUES ({literal(chunk)}::regclass, {noted})"
    for each in keys:
        if each.constraint is not None:
            yield f"ALTER TABLE {chunk} DROP CONSTRAINT {identifier(each.constraint)}"
        else:
            yield f"DROP INDEX {identifier(each.schema)}.{identifier(each.name)}"


def without(connection: Connection, move: Move) -> list[str]:
    """Chunks that are still without their keys, as they stand in SQL."""
    query = f"SELECT chunk::regclass::text FROM {_list(move)} ORDER BY chunk"
    return list(ask(connection, query).scalars())


def build(connection: Connection, move: Move, chunks: Sequence[str], memory: str = MEMORY) -> None:
    """Build those of chunks, in the transaction that is open.

    :param chunks: as they stand in SQL.
    :param memory: for the sort of a btree.
    """
    of_chunks = f"ARRAY[{', '.join(map(literal, chunks))}]::regclass[]"
    query = f"DELETE FROM {_list(move)} WHERE chunk = ANY ({of_chunks}) RETURNING chunk::regclass::text, keys"
    taken = ask(connection, query).all()
    keys = [(chunk, catalog.ChunkKey(**each)) for chunk, given in taken for each in given]
    if keys:
        send(connection, "; ".join(_building(key, _memory(key, move, memory)) for _, key in keys))
    rooted = ((chunk, key.name, key.root) for chunk, key in keys if key.root is not None)
    catalog.register_chunk_indexes(connection, rooted)


def _building(key: catalog.ChunkKey, memory: str) -> str:
    space = f"SET LOCAL default_tablespace = {literal(key.tablespace or '')}"
    return f"{_settings(memory, parallel=False)}; {space}; {key.creation}"


def _memory(key: catalog.ChunkKey, move: Move, memory: str) -> str:
    if key.method != "btree":
        return MEMORY_OF_OTHERS
    return MEMORY_OF_ORDERED if key.column == move.spec.column else memory


# --- of the whole table


def build_on_root(connection: Connection, move: Move, name: str) -> None:
    """Build one on the new table and all of its chunks, in the transaction that is open."""
    source = described(connection, move.spec.table, move.spec.schema)
    (key,) = (each for each in keys(connection, move, source) if each.name == name)
    btree = " USING " not in key.creation or " USING btree " in key.creation
    send(connection, f"{_settings(MEMORY_OF_ALL if btree else MEMORY_OF_OTHERS, parallel=True)}; {key.statements}")


def _settings(memory: str, *, parallel: bool) -> str:
    """What sets what a build may use; the cores are at work already where others build beside it."""
    alone = "" if parallel else "; SET LOCAL max_parallel_maintenance_workers = 0"
    return f"SET LOCAL maintenance_work_mem = {literal(memory)}{alone}"


def _list(move: Move) -> str:
    return f"{identifier(move.place)}.tsext_keys"
