"""Subtraction: what models declare, minus what the database has, gives operations; and no noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from alembic.operations import ops
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import Connection, MetaData

from tsext import catalog
from tsext.model import INFO_KEY, Extension, Hypertable, declared, microseconds
from tsext.operations import files as _files  # noqa: F401  (registers its verbs)
from tsext.operations.extensions import CreateExtension
from tsext.operations.hypertables import (
    AddDimension,
    CreateHypertable,
    DropDimension,
    DropHypertable,
    SetChunkTimeInterval,
)

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.runtime.plugins import Plugin


IncludeName = Callable[[str | None, str, Mapping[str, Any]], bool]

_BOOKKEEPING = "tsext"
_HISTORY = "migration_history"


def register(plugin: Plugin) -> None:
    """Hang the comparators on Alembic's plugin."""
    plugin.add_autogenerate_comparator(
        compare_hypertables,
        "schema",
        "tsext.hypertables",
        qualifier="postgresql",
        priority=DispatchPriority.LAST,
    )


def include_name(theirs: IncludeName | None = None) -> IncludeName:
    """A filter for ``context.configure(include_name=…)`` that hides TimescaleDB's and tsext's own tables.

    By name and before reflection, because reflecting thousands of chunks takes minutes.

    :param theirs: the project's own filter, asked afterwards.
    """

    def include(name: str | None, type_: str, parent_names: Mapping[str, Any]) -> bool:
        if type_ == "schema" and name is not None and _is_internal(name):
            return False
        if type_ == "table" and name == _HISTORY and parent_names.get("schema_name") is None:
            return False
        return theirs is None or theirs(name, type_, parent_names)

    return include


def _is_internal(schema: str) -> bool:
    return schema == _BOOKKEEPING or schema.startswith(("_timescaledb", "timescaledb_"))


def compare_hypertables(
    context: AutogenContext, upgrade_ops: ops.UpgradeOps, schemas: set[str | None]
) -> PriorityDispatchResult:
    """Add what is declared and missing, what has changed, and take out what TimescaleDB made itself."""
    connection = context.connection
    if connection is None:
        return PriorityDispatchResult.CONTINUE
    _silence(connection, upgrade_ops)
    wanted = {hypertable.key: hypertable for metadata in _metadata(context) for _, hypertable in declared(metadata)}
    found = {hypertable.key: hypertable for hypertable in catalog.hypertables(connection)}
    dropped = {(op.schema, op.table_name) for op in upgrade_ops.ops if isinstance(op, ops.DropTableOp)}
    if wanted and catalog.timescaledb(connection) is None:
        upgrade_ops.ops.insert(0, CreateExtension(Extension("timescaledb")))
    for key, hypertable in sorted(wanted.items(), key=lambda item: (item[0][0] or "", item[0][1])):
        if key not in found:
            _insert_after_table(upgrade_ops, hypertable)
        else:
            upgrade_ops.ops.extend(_changes(found[key], hypertable))
    tables = {(table.schema, table.name) for metadata in _metadata(context) for table in metadata.tables.values()}
    for key, hypertable in found.items():
        if key not in wanted and key in tables and key not in dropped:
            upgrade_ops.ops.append(DropHypertable(hypertable))
    return PriorityDispatchResult.CONTINUE


def _metadata(context: AutogenContext) -> list[MetaData]:
    given: Any = context.metadata
    return [each for each in (given if isinstance(given, list | tuple) else [given]) if each is not None]


def _insert_after_table(upgrade_ops: ops.UpgradeOps, hypertable: Hypertable) -> None:
    """Right after the table's creation, while it is empty and has no further indexes."""
    for place, op in enumerate(upgrade_ops.ops):
        if isinstance(op, ops.CreateTableOp) and (op.schema, op.table_name) == hypertable.key:
            op.info = {key: value for key, value in (op.info or {}).items() if key != INFO_KEY}
            upgrade_ops.ops.insert(place + 1, CreateHypertable(hypertable, with_table=True))
            return
    upgrade_ops.ops.append(CreateHypertable(hypertable))


def _changes(found: Hypertable, wanted: Hypertable) -> Iterator[ops.MigrateOperation]:
    """What has changed; what is not declared is not compared."""
    old, new = found.chunk_time_interval, wanted.chunk_time_interval
    if new is not None and old is not None and microseconds(new) not in (None, microseconds(old)):
        yield SetChunkTimeInterval(_interval(wanted, new), old, wanted.column if found.dimensions else None)
    has = {dimension.column: dimension for dimension in found.dimensions}
    for dimension in wanted.dimensions:
        target = Hypertable("", None, (dimension,), wanted.name, wanted.schema)
        if dimension.column not in has:
            yield AddDimension(target)
        elif dimension.number_partitions is None and dimension.chunk_time_interval is not None:
            was = has[dimension.column].chunk_time_interval
            if was is not None and microseconds(dimension.chunk_time_interval) not in (
                None,
                microseconds(was),
            ):
                yield SetChunkTimeInterval(_interval(wanted, dimension.chunk_time_interval), was, dimension.column)
    declared_columns = {dimension.column for dimension in wanted.dimensions}
    for dimension in found.dimensions:
        if wanted.dimensions and dimension.column not in declared_columns:
            yield DropDimension(Hypertable("", None, (dimension,), wanted.name, wanted.schema))


def _interval(hypertable: Hypertable, interval: Any) -> Hypertable:
    return Hypertable("", interval, (), hypertable.name, hypertable.schema)


# --- noise


def _silence(connection: Connection, upgrade_ops: ops.UpgradeOps) -> None:
    """Take out proposals to drop what TimescaleDB made: default indexes, chunks, keys of chunks."""
    if catalog.timescaledb(connection) is None:
        return
    default_schema = connection.exec_driver_sql("SELECT current_schema()").scalar()
    indexes = catalog.default_indexes(connection)
    chunks = catalog.chunk_tables(connection)
    internal = catalog.chunk_foreign_keys(connection)

    def noise(op: ops.MigrateOperation) -> bool:
        schema = getattr(op, "schema", None) or default_schema
        if isinstance(op, ops.DropTableOp):
            return (schema, op.table_name) in chunks
        if isinstance(op, ops.DropIndexOp):
            return (schema, op.index_name) in indexes or (schema, op.table_name) in chunks
        if isinstance(op, ops.DropConstraintOp):
            return (schema, op.table_name, op.constraint_name) in internal
        return False

    _take_out(upgrade_ops, noise)


def _take_out(container: Any, noise: Callable[[ops.MigrateOperation], bool]) -> None:
    kept = []
    for op in container.ops:
        if isinstance(op, ops.ModifyTableOps):
            _take_out(op, noise)
            if not op.ops:
                continue
        if not noise(op):
            kept.append(op)
    container.ops[:] = kept
