"""What a session has locked, and the files of tables, by which it is seen what was rewritten, built or filled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from tsext.catalog.asking import rows
from tsext.model.locks import LockMode


class LockedRelation(NamedTuple):
    """A relation that this session has locked."""

    modes: tuple[LockMode, ...]
    node: int
    """Its file, of which it has another when it is written anew; 0 if it has none, -1 if it is dropped."""
    kind: str
    """Its ``relkind``; blank if it is dropped."""

    @property
    def is_table(self) -> bool:
        """Whether it has rows, or may have had."""
        return self.kind in ("r", "p", "m", " ")

    @property
    def writes_rows(self) -> bool:
        """Whether rows may have been changed."""
        return self.is_table and LockMode.ROW_EXCLUSIVE in self.modes


class Locked(NamedTuple):
    """What this session has locked at one moment."""

    relations: Mapping[int, LockedRelation]
    """By oid; indexes and TOAST tables, too."""
    lsn: str
    """Where the WAL is."""
    named: Mapping[str, int]
    """The oids of those names that were asked for, and that there are."""


class TableFiles(NamedTuple):
    """A table, as a transaction sees it."""

    table: str
    """Of a chunk or partition, the table it belongs to; else itself."""
    root: int
    """The oid of that."""
    node: int
    """Its own file; 0 if it has none."""
    bytes: int
    """Of all its files."""
    files: Mapping[int, int]
    """Its own, and those of its indexes and of its TOAST table: oid to file."""


def locked(connection: Connection, named: Collection[str] = (), *, new: bool = True) -> Locked:
    """What this session has locked. Sizes are not asked for, so that it is over as soon as it can be.

    :param new: with the tables that its transaction has made itself.
    """
    names = list(named)
    found = rows(connection, "locked_relations", modes=[str(each) for each in LockMode], named=names, new=new)
    relations = {}
    for row in found:
        if row.modes is not None:
            modes = tuple(map(LockMode, row.modes.split()))
            for oid, node, kind in zip(row.oids, row.nodes, row.kinds, strict=True):
                relations[oid] = LockedRelation(modes, node, kind)
    oids = dict(zip(names, found[0].named, strict=True))
    return Locked(relations, found[0].lsn, {name: oid for name, oid in oids.items() if oid is not None})


def wal_position(connection: Connection) -> str:
    """Where the WAL is."""
    return str(connection.exec_driver_sql("SELECT pg_current_wal_insert_lsn()::text").scalar())


def table_files(
    connection: Connection, oids: Collection[int] = (), names: Collection[str] = (), *, measured: bool = True
) -> dict[int, TableFiles]:
    """Tables and their files, by oid; not those that tsext, Alembic and TimescaleDB keep for themselves.

    :param names: as they stand in SQL; with all their chunks and partitions.
    :param measured: whether sizes are measured, for which nobody else must hold ACCESS EXCLUSIVE; else they are those
        of the last VACUUM or ANALYZE.
    """
    found = rows(connection, "table_files", oids=list(oids), names=list(names), measured=measured)
    return {
        row.oid: TableFiles(row.table, row.root, row.node, row.bytes, dict(zip(row.files, row.nodes, strict=True)))
        for row in found
    }


def tables_of_indexes(connection: Connection, oids: Collection[int]) -> Sequence[int]:
    """The tables that some indexes belong to, by oid."""
    return [row.oid for row in rows(connection, "tables_of_indexes", oids=list(oids))]
