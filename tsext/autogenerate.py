"""Subtraction: what models declare, minus what the database has, gives operations; and no noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from alembic.operations import ops
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import Connection, MetaData, Table

from tsext import catalog
from tsext.errors import InvalidObject
from tsext.model import INFO_KEY, Extension, Hypertable, declared, microseconds
from tsext.operations import files as _files  # noqa: F401  (registers its verbs)
from tsext.operations.dimensions import AddDimension, DropDimension, SetChunkTimeInterval, SetNumberPartitions
from tsext.operations.extensions import CreateExtension
from tsext.operations.hypertables import CreateHypertable, DropHypertable

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
        if type_ == "schema" and _is_internal(name):
            return False
        if type_ == "table" and name == _HISTORY and parent_names.get("schema_name") is None:
            return False
        return theirs is None or theirs(name, type_, parent_names)

    return include


def _is_internal(schema: str | None) -> bool:
    return schema is not None and (schema == _BOOKKEEPING or schema.startswith(("_timescaledb", "timescaledb_")))


# --- hypertables


def compare_hypertables(
    context: AutogenContext, upgrade_ops: ops.UpgradeOps, schemas: set[str | None]
) -> PriorityDispatchResult:
    """Add what is declared and missing, what has changed, and take out what TimescaleDB made itself.

    :raises InvalidObject: if a declaration does not fit its table, or cannot be reached from what there is.
    """
    connection = context.connection
    if connection is None:
        return PriorityDispatchResult.CONTINUE
    wanted = {_key(connection, table): hypertable for table, hypertable in _declared(context)}
    found = {hypertable.key: hypertable for hypertable in catalog.hypertables(connection)}
    _silence(upgrade_ops, _Noise(connection, found))
    drop_with_table(upgrade_ops, found)
    for key in sorted(wanted, key=_order):
        if key not in found:
            insert_hypertable(upgrade_ops, key, wanted[key])
        else:
            upgrade_ops.ops.extend(changes(found[key], wanted[key]))
    for key in sorted(_tables(context) & found.keys() - wanted.keys(), key=_order):
        upgrade_ops.ops.append(DropHypertable(found[key]))
    if wanted and catalog.timescaledb(connection) is None:
        upgrade_ops.ops.insert(0, CreateExtension(Extension("timescaledb")))
    return PriorityDispatchResult.CONTINUE


def _order(key: catalog.Key) -> tuple[str, str]:
    return key[0] or "", key[1]


def _metadata(context: AutogenContext) -> list[MetaData]:
    given: Any = context.metadata
    return [each for each in (given if isinstance(given, list | tuple) else [given]) if each is not None]


def _declared(context: AutogenContext) -> Iterator[tuple[Table, Hypertable]]:
    for metadata in _metadata(context):
        for table, hypertable in declared(metadata):
            if context.run_object_filters(table, table.name, "table", False, None):
                yield table, hypertable


def _tables(context: AutogenContext) -> set[catalog.Key]:
    """The tables that the models have, and the project's own filter lets pass."""
    connection = context.connection
    assert connection is not None
    tables = (table for metadata in _metadata(context) for table in metadata.tables.values())
    included = (table for table in tables if context.run_object_filters(table, table.name, "table", False, None))
    return {_key(connection, table) for table in included}


def _key(connection: Connection, table: Table) -> catalog.Key:
    """As Alembic does: the default schema may be named, or not."""
    return (None if table.schema == connection.dialect.default_schema_name else table.schema), table.name


def insert_hypertable(upgrade_ops: ops.UpgradeOps, key: catalog.Key, hypertable: Hypertable) -> None:
    """Right after the table's creation, while it has no rows and no further indexes; else at the end."""
    for place, op in enumerate(upgrade_ops.ops):
        if isinstance(op, ops.CreateTableOp) and (op.schema, op.table_name) == (hypertable.schema, key[1]):
            op.info = {name: value for name, value in (op.info or {}).items() if name != INFO_KEY}
            upgrade_ops.ops.insert(place + 1, CreateHypertable(hypertable, with_table=True))
            return
    upgrade_ops.ops.append(CreateHypertable(hypertable))


def drop_with_table(upgrade_ops: ops.UpgradeOps, found: Mapping[catalog.Key, Hypertable]) -> None:
    """Before a table is dropped, so that the downgrade makes the hypertable after it has made the table."""
    for op in list(upgrade_ops.ops):
        if isinstance(op, ops.DropTableOp) and (op.schema, op.table_name) in found:
            gone = DropHypertable(found[op.schema, op.table_name], with_table=True)
            upgrade_ops.ops.insert(upgrade_ops.ops.index(op), gone)


def changes(found: Hypertable, wanted: Hypertable) -> Iterator[ops.MigrateOperation]:
    """What has changed of a hypertable; what is not declared is not compared.

    :raises InvalidObject: if it would be partitioned by ranges of another column.
    """
    if wanted.column != found.column:
        raise InvalidObject(
            f"hypertable {wanted.name} is partitioned by {found.column}, and is declared to be by {wanted.column}",
            hint="TimescaleDB cannot change that: create a hypertable that is, copy the rows, and swap the names; or "
            f'declare Hypertable(column="{found.column}")',
        )
    yield from _changed_intervals(found, wanted)
    yield from _changed_partitions(found, wanted)
    if wanted.dimensions is None:
        return
    before = {dimension.column: dimension for dimension in found.dimensions or ()}
    after = {dimension.column: dimension for dimension in wanted.dimensions}
    for column in [each for each in after if each not in before]:
        yield AddDimension(wanted.name, after[column], schema=wanted.schema)
    for column in [each for each in before if each not in after]:
        yield DropDimension(wanted.name, before[column], schema=wanted.schema)


def _changed_intervals(found: Hypertable, wanted: Hypertable) -> Iterator[SetChunkTimeInterval]:
    for column, new in wanted.intervals.items():
        old = found.intervals.get(column)
        if new is None or old is None or microseconds(new) == microseconds(old):
            continue
        yield SetChunkTimeInterval(
            wanted.name,
            new,
            dimension_name=column if len(found.intervals) > 1 else None,
            old=old,
            schema=wanted.schema,
        )


def _changed_partitions(found: Hypertable, wanted: Hypertable) -> Iterator[SetNumberPartitions]:
    for column, new in wanted.partitions.items():
        old = found.partitions.get(column, new)
        if new != old:
            name = column if len(found.partitions) > 1 else None
            yield SetNumberPartitions(wanted.name, new, dimension_name=name, old=old, schema=wanted.schema)


# --- noise


class _Noise:
    """What TimescaleDB or another extension made, and so no model declares; looked up when first needed."""

    def __init__(self, connection: Connection, hypertables: Mapping[catalog.Key, Hypertable]) -> None:
        self.connection = connection
        self.hypertables = hypertables

    @cached_property
    def tables(self) -> set[catalog.Key]:
        return catalog.chunk_tables(self.connection) | catalog.extension_tables(self.connection)

    @cached_property
    def indexes(self) -> set[catalog.Key]:
        return catalog.default_indexes(self.connection)

    @cached_property
    def foreign_keys(self) -> set[tuple[str | None, str, str]]:
        return catalog.chunk_foreign_keys(self.connection)

    def is_table(self, schema: str | None, name: str) -> bool:
        """Whether a table is not the project's own: a chunk, or an extension's."""
        return _is_internal(schema) or (schema, name) in self.tables

    def is_copy(self, schema: str | None, table: str, name: Any) -> bool:
        """Whether a foreign key is the copy of another for one chunk."""
        return (schema, table, name) in self.foreign_keys

    def is_change(self, op: ops.MigrateOperation) -> bool:
        """Whether a proposed change of a table would take away what TimescaleDB made."""
        if isinstance(op, ops.DropIndexOp):
            return (op.schema, op.index_name) in self.indexes
        if isinstance(op, ops.DropConstraintOp):
            return self.is_copy(op.schema, op.table_name, op.constraint_name)
        return isinstance(op, ops.AlterColumnOp) and not op.has_changes()

    def is_not_null(self, op: ops.AlterColumnOp) -> bool:
        """Whether TimescaleDB made the column NOT NULL, which a dimension by range is."""
        hypertable = self.hypertables.get((op.schema, op.table_name))
        return hypertable is not None and op.column_name in hypertable.intervals


def _silence(upgrade_ops: ops.UpgradeOps, noise: _Noise) -> None:
    """Take out proposals to drop what TimescaleDB made: default indexes, chunks, keys of chunks."""
    dropped = {(op.schema, op.table_name) for op in upgrade_ops.ops if isinstance(op, ops.DropTableOp)}
    kept: list[ops.MigrateOperation] = []
    for op in upgrade_ops.ops:
        if not isinstance(op, ops.DropTableOp | ops.ModifyTableOps):
            kept.append(op)
        elif not noise.is_table(op.schema, op.table_name):
            if isinstance(op, ops.DropTableOp):
                kept.append(_without_copies(op, noise))
            elif (op.schema, op.table_name) in dropped or _quieten(op, noise):
                kept.append(op)
    upgrade_ops.ops[:] = kept


def _quieten(table: ops.ModifyTableOps, noise: _Noise) -> bool:
    """Take the noise out of what is to be changed on one table; whether anything is left.

    A default index goes, if the model has one of the same name or columns: two equal ones would share chunk indexes.
    """
    for op in table.ops:
        if isinstance(op, ops.AlterColumnOp) and op.modify_nullable and noise.is_not_null(op):
            op.modify_nullable = None
    created = [op for op in table.ops if isinstance(op, ops.CreateIndexOp)]
    names, columns = [op.index_name for op in created], [_columns(op) for op in created]
    table.ops[:] = [
        op
        for op in table.ops
        if (isinstance(op, ops.DropIndexOp) and (op.index_name in names or _columns(op) in columns))
        or not noise.is_change(op)
    ]
    return bool(table.ops)


def _columns(op: ops.CreateIndexOp | ops.DropIndexOp) -> list[str]:
    """What is indexed, whatever the direction, as ``text("time DESC")`` and ``desc("time")`` both have it."""
    return [_undirected(str(each).removeprefix(f"{op.table_name}.")) for each in op.to_index().expressions]


def _undirected(expression: str) -> str:
    for direction in (" NULLS FIRST", " NULLS LAST", " DESC", " ASC"):
        if expression.upper().endswith(direction):
            expression = expression[: -len(direction)]
    return expression.replace('"', "")


def _without_copies(op: ops.DropTableOp, noise: _Noise) -> ops.DropTableOp:
    """Without the foreign keys to single chunks, with which the downgrade could not make the table again."""
    table = op.to_table()
    copies = [each for each in table.foreign_key_constraints if noise.is_copy(op.schema, op.table_name, each.name)]
    if not copies:
        return op
    table.constraints.difference_update(copies)
    return ops.DropTableOp.from_table(table)
