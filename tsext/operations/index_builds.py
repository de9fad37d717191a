"""Building and dropping indexes while others write: on hypertables chunk by chunk, and again after an interruption."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.catalog import BuiltIndex, IndexedTable
from tsext.errors import FeatureNotSupported, InvalidObject, PreflightFailed, RevisionFailed
from tsext.operations.progress import track
from tsext.sql.quoting import LONGEST_NAME, qualified

log = logging.getLogger("alembic.tsext")

STRUCTURAL_SINCE = (2, 22)
"""From here on, TimescaleDB knows the index of a chunk by its definition; before, by a row of its catalog."""

VALIDATED_SINCE = (2, 28)
"""From here on, a unique index of a chunk is checked against what is compressed in it."""

_ROUNDS = 3
"""How often it is looked for chunks that have come meanwhile."""

_GONE = ("42P01", "42704")
"""SQLSTATE of undefined_table and undefined_object."""

_AGAIN = ("40P01", "55P03")
"""SQLSTATE of deadlock_detected, as with a retention policy that drops the chunk, and of lock_not_available."""

_MANY_OBJECTS = "0A000"
"""SQLSTATE with which 2.22 and later refuse to drop a hypertable's index concurrently."""


@dataclass(frozen=True)
class Build:
    """An index that is to be there, and the way to write it for any table."""

    name: str
    table: str
    schema: str | None
    definition: str
    """As the server prints it."""
    unique: bool

    def create(self, name: str, table: str, *, concurrently: bool, only: bool = False) -> str:
        """The statement for one table."""
        unique, how = "UNIQUE " if self.unique else "", "CONCURRENTLY " if concurrently else ""
        what = self.definition.removeprefix("UNIQUE ")
        return f"CREATE {unique}INDEX {how}{qualified(name)} ON {'ONLY ' if only else ''}{table} {what}"


def build(connection: Connection, wanted: Build) -> None:
    """Build an index, or what is missing of it; nothing if it is there.

    :param connection: in autocommit mode.
    :raises InvalidObject: if another index has its name, or, on a hypertable, its definition.
    """
    root, *chunks = catalog.indexed_tables(connection, wanted.table, wanted.schema)
    if chunks:
        _build_on_chunks(connection, wanted, root)
    else:
        _build_on(connection, wanted, root, wanted.name)


def refuse(connection: Connection, wanted: Build) -> None:
    """Refuse what cannot be built, before anything is sent.

    :raises TsextError: with the way round.
    """
    root, *chunks = catalog.indexed_tables(connection, wanted.table, wanted.schema)
    named = next((each for each in root.indexes if each.name == wanted.name), None)
    if named is not None and named.definition != wanted.definition:
        raise InvalidObject(
            f"index {named} is there, but with another definition: {named.definition}",
            hint=f"choose another name, or drop it first: op.drop_index_concurrently({wanted.name!r}); wanted: "
            f"{wanted.definition}",
        )
    if catalog.hypertable(connection, root.name, root.schema) is not None:
        _refuse_on_hypertable(connection, wanted, root, chunks)


def refuse_kind(root: IndexedTable) -> None:
    """Refuse what no index can be built on concurrently.

    :raises InvalidObject: with the way round.
    """
    if root.kind == "p":
        raise InvalidObject(
            f"{root} is a partitioned table, of which PostgreSQL builds no index concurrently",
            hint="op.execute('CREATE INDEX … ON ONLY parent …'), op.create_index_concurrently on each partition, then "
            "op.execute('ALTER INDEX … ATTACH PARTITION …')",
        )
    if root.kind not in "rm":
        raise InvalidObject(
            f"{root} is neither a table nor a materialized view",
            hint="indexes of a continuous aggregate are declared with it: ContinuousAggregate(indexes=[…])",
        )


def _refuse_on_hypertable(
    connection: Connection, wanted: Build, root: IndexedTable, chunks: list[IndexedTable]
) -> None:
    twins = [each.name for each in root.like(wanted.definition) if each.name != wanted.name]
    if twins:
        raise InvalidObject(
            f"hypertable {root} has an index with the same definition: {twins[0]}",
            hint="leave the new one out: from TimescaleDB 2.22 on the two would share the indexes of chunks, and "
            "dropping one would drop the other's",
        )
    _refuse_without_create(connection, chunks)
    version = _version(connection)
    if not wanted.unique or not chunks:
        return
    if version < STRUCTURAL_SINCE and not catalog.may_register_chunk_index(connection):
        raise FeatureNotSupported(
            f"below TimescaleDB 2.22, only the owner of the extension can build a unique index of hypertable {root} "
            "concurrently, because ON CONFLICT would not find it otherwise",
            hint="run the migration as that role, update TimescaleDB, or use op.create_index in a maintenance window",
        )
    compressed = sum(each.in_columnstore for each in catalog.chunks(connection, f"show_chunks({_literal(root)})"))
    if version < VALIDATED_SINCE and compressed:
        raise FeatureNotSupported(
            f"a unique index of hypertable {root} would not be checked against its {compressed} chunks in the "
            "columnstore below TimescaleDB 2.28",
            hint="convert them to the rowstore first (op.convert_to_rowstore), or use op.create_index in a maintenance "
            "window",
        )


def _refuse_without_create(connection: Connection, chunks: list[IndexedTable]) -> None:
    for schema in sorted({each.schema for each in chunks}):
        if not catalog.may_create_in(connection, schema):
            raise PreflightFailed(
                f"this role may not create the indexes of chunks in schema {schema}",
                hint=f"as the owner of the extension: GRANT CREATE ON SCHEMA {schema} TO …; or use op.create_index in "
                "a maintenance window",
            )


def _literal(table: IndexedTable) -> str:
    return "'" + str(table).replace("'", "''") + "'"


def _version(connection: Connection) -> tuple[int, ...]:
    found = catalog.timescaledb(connection)
    return found.number if found is not None else (0,)


# --- building


def _build_on(connection: Connection, wanted: Build, table: IndexedTable, name: str) -> None:
    """On one table; what an interrupted build has left is dropped first."""
    like = table.like(wanted.definition)
    if like and like[0].valid:
        return
    for left in like:
        log.info("index %s is INVALID: its build was interrupted; building it again", left)
        _send(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {left}")
    _send(connection, wanted.create(name, str(table), concurrently=True))


def _build_on_chunks(connection: Connection, wanted: Build, root: IndexedTable) -> None:
    """The root first, so that every new chunk has it from then on; then chunk by chunk."""
    if not root.like(wanted.definition):
        _send(connection, wanted.create(wanted.name, str(root), concurrently=False, only=True))
    owner = _owner(connection, wanted)
    for _ in range(_ROUNDS):
        missing = list(_missing(connection, wanted))
        if not missing:
            return
        for chunk in track(missing, f"index {wanted.name}: chunk"):
            _build_on_chunk(connection, wanted, chunk, owner)
    if left := list(_missing(connection, wanted)):
        raise RevisionFailed(
            f"index {wanted.name} is missing on {len(left)} chunks of {root}: first {left[0]}",
            hint="chunks come faster than they can be indexed; run the same command again",
        )


def _missing(connection: Connection, wanted: Build) -> Iterator[IndexedTable]:
    _, *chunks = catalog.indexed_tables(connection, wanted.table, wanted.schema)
    for chunk in chunks:
        if not any(each.valid for each in chunk.like(wanted.definition)):
            yield chunk


def _owner(connection: Connection, wanted: Build) -> BuiltIndex | None:
    """The index of the root, where TimescaleDB must be told which indexes of chunks are its own, and this role may."""
    if _version(connection) >= STRUCTURAL_SINCE or not catalog.may_register_chunk_index(connection):
        return None
    root, *_ = catalog.indexed_tables(connection, wanted.table, wanted.schema)
    return next(each for each in root.indexes if each.name == wanted.name)


def _build_on_chunk(connection: Connection, wanted: Build, chunk: IndexedTable, owner: BuiltIndex | None) -> None:
    name = free_name(chunk, wanted.name, wanted.definition)
    try:
        _build_on(connection, wanted, chunk, name)
        if owner is not None:
            catalog.register_chunk_index(connection, chunk, name, owner)
    except DBAPIError as error:
        if _state(error) not in (*_GONE, *_AGAIN):
            raise
        log.info("index %s: chunk %s is left for another round: %s", wanted.name, chunk, str(error.orig).strip())


def free_name(chunk: IndexedTable, index: str, definition: str) -> str:
    """As TimescaleDB names it: the chunk's name, then the index's, cut where it is too long."""
    taken = {each.name for each in chunk.indexes if each.definition != definition}
    name = _cut(f"{chunk.name}_{index}")
    number = 0
    while name in taken:
        number += 1
        name = _cut(f"{chunk.name}_{index}", suffix=f"_{number}")
    return name


def _cut(name: str, suffix: str = "") -> str:
    longest = LONGEST_NAME - len(suffix)
    return name.encode()[:longest].decode(errors="ignore") + suffix


# --- dropping


def drop(connection: Connection, name: str, schema: str | None, *, if_exists: bool = False) -> None:
    """Drop an index, on a hypertable first those of its chunks, one after the other.

    :param connection: in autocommit mode.
    """
    found = catalog.index_table(connection, name, schema)
    if found is None:
        _send(connection, f"DROP INDEX CONCURRENTLY {'IF EXISTS ' if if_exists else ''}{qualified(name, schema)}")
        return
    root, *chunks = catalog.indexed_tables(connection, found[1], found[0])
    index = next(each for each in root.indexes if each.name == name)
    if catalog.hypertable(connection, root.name, root.schema) is None:
        _send(connection, f"DROP INDEX CONCURRENTLY {index}")
        return
    twins = [each for each in root.like(index.definition) if each.name != name]
    of_chunks = [] if twins else [each for chunk in chunks for each in chunk.like(index.definition)]
    for each in track(of_chunks, f"index {name}: dropping that of chunk"):
        _send(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {each}")
    _drop_root(connection, index)


def _drop_root(connection: Connection, index: BuiltIndex) -> None:
    try:
        _send(connection, f"DROP INDEX CONCURRENTLY {index}")
    except DBAPIError as error:
        if _state(error) != _MANY_OBJECTS:
            raise
        # 2.22 and later, if a chunk has come meanwhile: ACCESS EXCLUSIVE, but with next to nothing left to drop
        _send(connection, f"DROP INDEX {index}")


# --- rebuilding


def rebuild(connection: Connection, name: str, schema: str | None) -> None:
    """Build an index anew beside itself, on a hypertable chunk by chunk.

    :param connection: in autocommit mode.
    :raises InvalidObject: if there is no such index.
    """
    found = catalog.index_table(connection, name, schema)
    if found is None:
        raise InvalidObject(f"there is no index {qualified(name, schema)}", hint="correct its name or schema")
    root, *chunks = catalog.indexed_tables(connection, found[1], found[0])
    index = next(each for each in root.indexes if each.name == name)
    for table in (root, *chunks):
        for left in _leftovers(table):
            _send(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {left}")
    if catalog.hypertable(connection, root.name, root.schema) is None:
        _send(connection, f"REINDEX INDEX CONCURRENTLY {index}")
        return
    of_chunks = [each for chunk in chunks for each in chunk.like(index.definition)]
    for each in track(of_chunks, f"index {name}: rebuilding that of chunk"):
        try:
            _send(connection, f"REINDEX INDEX CONCURRENTLY {each}")
        except DBAPIError as error:
            if _state(error) not in _GONE:
                raise


def _leftovers(table: IndexedTable) -> list[BuiltIndex]:
    """What an interrupted REINDEX CONCURRENTLY leaves: the new or the old index, INVALID."""
    return [each for each in table.indexes if not each.valid and _suffix(each.name) in ("ccnew", "ccold")]


def _suffix(name: str) -> str:
    return name.rpartition("_")[2].rstrip("0123456789")


def _send(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).close()


def _state(error: DBAPIError) -> str | None:
    """The SQLSTATE, whichever driver says it."""
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
