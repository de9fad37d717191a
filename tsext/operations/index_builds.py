"""Building indexes while others write: on hypertables and partitioned tables part by part, on after an interruption."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.catalog import BuiltIndex, Indexed, IndexedTable
from tsext.errors import RevisionFailed
from tsext.operations.concurrently import send_patiently, wait_for_builders
from tsext.operations.progress import track
from tsext.sql.quoting import cut, identifier, qualified
from tsext.sql.sending import DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE, said, sqlstate

log = logging.getLogger("alembic.tsext")

_ROUNDS = 3
"""How often it is looked for chunks that have come meanwhile."""

ROOT_ALONE = " WITH (timescaledb.transaction_per_chunk)"
"""With ONLY: while writers wait for the root, no chunk is locked, where autovacuum may be at work. Not if unique."""

GONE = ("42P01", "42704")
"""SQLSTATE of undefined_table and undefined_object."""

_AGAIN = (DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE)
"""SQLSTATE of deadlock_detected, as with a retention policy that drops the chunk, and of lock_not_available."""

Candidates = Callable[[IndexedTable], list[BuiltIndex]]
"""Those indexes of a table that may be the one that is wanted."""


@dataclass(frozen=True)
class Build:
    """An index that is to be there, and the way to write it for any table."""

    name: str
    table: str
    schema: str | None
    definition: str
    """As the server prints it, with ``UNIQUE`` before it."""
    predicate: str | None = None
    """The condition with which the definition of a partial one ends."""
    tablespace: str | None = None
    """Which the server does not print."""

    @classmethod
    def like(cls, index: BuiltIndex, table: IndexedTable) -> Build:
        """That of an index that is there."""
        return cls(index.name, table.name, table.schema, index.definition, index.predicate)

    @property
    def is_unique(self) -> bool:
        """Whether no two rows may be equal in it."""
        return self.definition.startswith("UNIQUE ")

    def create(self, name: str, table: IndexedTable, *, concurrently: bool) -> str:
        """The statement for one table."""
        return self._statement("CONCURRENTLY " if concurrently else "", name, str(table))

    def create_on_root(self, table: IndexedTable) -> str:
        """The statement for a hypertable without its chunks."""
        alone = not self.is_unique and " WITH (" not in self.definition
        return self._statement("", self.name, f"ONLY {table}", ROOT_ALONE if alone else "")

    def _statement(self, how: str, name: str, table: str, options: str = "") -> str:
        unique = "UNIQUE " if self.is_unique else ""
        where = f" WHERE {self.predicate}" if self.predicate else ""
        what = self.definition.removeprefix("UNIQUE ").removesuffix(where) + options
        place = f" TABLESPACE {identifier(self.tablespace)}" if self.tablespace else ""
        return f"CREATE {unique}INDEX {how}{qualified(name)} ON {table} {what}{place}{where}"

    def named(self, table: IndexedTable) -> list[BuiltIndex]:
        """On a table, it is the one of its name."""
        return [each for each in table.indexes if each.name == self.name]

    def alike(self, table: IndexedTable) -> list[BuiltIndex]:
        """On a chunk or partition, it is any with its definition."""
        return table.like(self.definition)


def build(connection: Connection, wanted: Build) -> None:
    """Build an index, or what is missing of it; nothing if it is there.

    What :func:`tsext.operations.index_refusals.refuse` refuses must have been refused.

    :param connection: in autocommit mode.
    """
    whole = _whole(connection, wanted)
    if whole.is_hypertable:
        _build_on_hypertable(connection, wanted, whole)
    elif whole.is_partitioned:
        _build_on_partitioned(connection, wanted, whole)
    elif not _is_built(connection, whole.root, wanted.named):
        send_patiently(connection, wanted.create(wanted.name, whole.root, concurrently=True))


def _whole(connection: Connection, wanted: Build) -> Indexed:
    whole = catalog.indexed(connection, wanted.table, wanted.schema)
    assert whole is not None  # or it would have been refused
    return whole


def _is_built(connection: Connection, table: IndexedTable, candidates: Candidates) -> bool:
    """Whether nothing is left to do on a table; what an interrupted build has left on it is dropped."""
    wait_for_builders(connection, table)
    now = catalog.indexed_tables(connection, table.name, table.schema)
    found = candidates(now[0]) if now else []
    if not now or any(each.valid for each in found):
        return True
    for left in found:
        log.info("index %s is INVALID: its build was interrupted; building it again", left)
        send_patiently(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {left}")
    return False


# --- hypertables


def _build_on_hypertable(connection: Connection, wanted: Build, whole: Indexed) -> None:
    """The root first, so that every new chunk has it from then on; then chunk by chunk."""
    root = whole.root.named(wanted.name)
    if root is not None and not root.valid:
        # of an interrupted transaction_per_chunk; what that has built goes with it, and nothing makes it valid
        log.info("index %s is INVALID: its build was interrupted; building it again", root)
        send_patiently(connection, f"DROP INDEX {root}")
    if root is None or not root.valid:
        send_patiently(connection, wanted.create_on_root(whole.root))
    _build_on_parts(connection, wanted)
    if not catalog.indexes_are_matched(connection) and catalog.may_register_chunk_index(connection):
        _register(connection, wanted)


def _register(connection: Connection, wanted: Build) -> None:
    """Tell TimescaleDB which indexes of chunks are its own; those that it knows already stay as they are."""
    whole = _whole(connection, wanted)
    root = whole.root.named(wanted.name)
    assert root is not None
    for chunk in whole.parts:
        for index in wanted.alike(chunk)[:1]:
            catalog.register_chunk_indexes(connection, [(str(chunk), index.name, root.name)])


# --- partitioned tables


def _build_on_partitioned(connection: Connection, wanted: Build, whole: Indexed) -> None:
    """Partition by partition first; the partitioned table then finds its parts built, and adopts them."""
    root = whole.root.named(wanted.name)
    if root is not None and root.valid:
        return
    if root is not None:
        send_patiently(connection, f"DROP INDEX {root}")
    _build_on_parts(connection, wanted)
    send_patiently(connection, wanted.create(wanted.name, whole.root, concurrently=False))


# --- one part after the other


def _build_on_parts(connection: Connection, wanted: Build) -> None:
    for _ in range(_ROUNDS):
        missing = list(_missing(connection, wanted))
        if not missing:
            return
        for part in track(missing, f"index {wanted.name}: part"):
            _build_on_part(connection, wanted, part)
    if left := list(_missing(connection, wanted)):
        raise RevisionFailed(
            f"index {wanted.name} is missing on {len(left)} parts of {wanted.table}: first {left[0]}",
            hint="they come faster than they can be indexed, or are locked for too long: run the same command again",
        )


def _missing(connection: Connection, wanted: Build) -> Iterator[IndexedTable]:
    whole = _whole(connection, wanted)
    index = qualified(wanted.name, whole.root.schema)
    for part, found in catalog.indexes_of_parts(connection, whole, wanted.definition, index):
        if not any(each.valid for each in found):
            yield part


def _build_on_part(connection: Connection, wanted: Build, part: IndexedTable) -> None:
    try:
        if not _is_built(connection, part, wanted.alike):
            name = free_name(part, wanted.name, wanted.definition)
            send_patiently(connection, wanted.create(name, part, concurrently=True))
    except DBAPIError as error:
        if sqlstate(error) not in (*GONE, *_AGAIN):
            raise
        log.info("index %s: %s is left for another round: %s", wanted.name, part, said(error))


def free_name(part: IndexedTable, index: str, definition: str) -> str:
    """As TimescaleDB names it: the chunk's name, then the index's, cut where it is too long."""
    taken = {each.name for each in part.indexes if each.definition != definition}
    name = cut(f"{part.name}_{index}")
    number = 0
    while name in taken:
        number += 1
        name = cut(f"{part.name}_{index}", f"_{number}")
    return name
