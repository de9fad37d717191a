"""What is refused before an index is built concurrently: what could not be built, and what would not be enforced."""

from __future__ import annotations

from sqlalchemy import Connection

from tsext import catalog
from tsext.catalog import Indexed, IndexedTable
from tsext.errors import FeatureNotSupported, InvalidObject, PreflightFailed
from tsext.operations.index_builds import Build

VALIDATED_SINCE = (2, 28)
"""From here on, a unique index of a chunk is checked against what is compressed in it."""


def refuse(connection: Connection, wanted: Build) -> None:
    """Refuse what cannot be built, before anything is sent.

    :raises TsextError: with the way round.
    """
    whole = catalog.indexed(connection, wanted.table, wanted.schema)
    assert whole is not None
    _refuse_taken(connection, wanted, whole.root)
    _refuse_without_create(connection, whole)
    if whole.is_hypertable:
        _refuse_twin(wanted, whole.root)
        if wanted.is_unique and whole.parts:
            _refuse_not_enforced(connection, whole.root)


def refuse_kind(root: IndexedTable) -> None:
    """Refuse what no such index can be built on.

    :raises InvalidObject: with the way round.
    """
    if root.kind not in "rmp":
        raise InvalidObject(
            f"{root} is neither a table nor a materialized view",
            hint="indexes of a continuous aggregate are declared with it: ContinuousAggregate(indexes=[…])",
        )


def _refuse_taken(connection: Connection, wanted: Build, root: IndexedTable) -> None:
    named = root.named(wanted.name)
    if named is not None and named.definition != wanted.definition:
        raise InvalidObject(
            f"index {named} is there, but with another definition: {named.definition}",
            hint=f"choose another name, or drop it first: op.drop_index_concurrently({wanted.name!r}); wanted: "
            f"{wanted.definition}",
        )
    if named is None and catalog.resolved(connection, wanted.name, root.schema) is not None:
        table = catalog.index_table(connection, wanted.name, root.schema)
        what = f"the index of {'.'.join(table)}" if table is not None else "another relation"
        raise InvalidObject(f"{wanted.name} is {what} in schema {root.schema}", hint="choose another name")


def _refuse_without_create(connection: Connection, whole: Indexed) -> None:
    for schema in sorted({each.schema for each in whole.parts}):
        if not catalog.may_create_in(connection, schema):
            raise PreflightFailed(
                f"this role may not create the indexes of {'chunks' if whole.is_hypertable else 'partitions'} in "
                f"schema {schema}",
                hint=f"as the owner of the schema: GRANT CREATE ON SCHEMA {schema} TO …; or use op.create_index in a "
                "maintenance window",
            )


# --- hypertables


def _refuse_twin(wanted: Build, root: IndexedTable) -> None:
    twins = [each.name for each in root.like(wanted.definition) if each.name != wanted.name]
    if twins:
        raise InvalidObject(
            f"hypertable {root} has an index with the same definition: {twins[0]}",
            hint="leave the new one out: from TimescaleDB 2.22 on the two would share the indexes of chunks, and "
            "dropping one would drop the other's",
        )


def _refuse_not_enforced(connection: Connection, root: IndexedTable) -> None:
    found = catalog.timescaledb(connection)
    version = found.number if found is not None else (0,)
    if not catalog.indexes_are_matched(connection) and not catalog.may_register_chunk_index(connection):
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


def _literal(table: IndexedTable) -> str:
    return "'" + str(table).replace("'", "''") + "'"
