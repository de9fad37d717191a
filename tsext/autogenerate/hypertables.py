"""Hypertables and their dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from alembic.operations import ops

from tsext import catalog
from tsext.autogenerate import hypertable_settings
from tsext.autogenerate.comparison import Comparison, in_order
from tsext.autogenerate.noise import Noise, silence
from tsext.errors import InvalidObject
from tsext.model import Extension, Hypertable, microseconds
from tsext.operations.dimensions import AddDimension, DropDimension, SetChunkTimeInterval, SetNumberPartitions
from tsext.operations.extensions import CreateExtension
from tsext.operations.hypertables import CreateHypertable, DropHypertable


def compare(comparison: Comparison) -> None:
    """Add what is declared and missing, what has changed, and take out what TimescaleDB made itself.

    :raises InvalidObject: if a declaration does not fit its table, or cannot be reached from what there is.
    """
    connection, upgrade_ops = comparison.connection, comparison.upgrade_ops
    wanted = comparison.declared(Hypertable)
    found = {hypertable.key: hypertable for hypertable in catalog.hypertables(connection)}
    given = {each.integer_now_func for each in wanted.values() if each.integer_now_func is not None}
    functions = catalog.functions(connection, given)
    silence(upgrade_ops, Noise(connection, found, comparison.tables))
    drop_with_table(upgrade_ops, found)
    for key, hypertable in wanted.items():
        if key not in found:
            insert_hypertable(upgrade_ops, key, hypertable)
        else:
            upgrade_ops.ops.extend(changes(found[key], hypertable))
            upgrade_ops.ops.extend(hypertable_settings.changes(found[key], hypertable, functions))
    for key in in_order(comparison.tables & found.keys() - wanted.keys()):
        upgrade_ops.ops.append(DropHypertable(found[key]))
    if wanted and comparison.timescaledb is None:
        upgrade_ops.ops.insert(0, CreateExtension(Extension("timescaledb")))


def insert_hypertable(upgrade_ops: ops.UpgradeOps, key: catalog.Key, hypertable: Hypertable) -> None:
    """Right after the table's creation, while it has no rows and no further indexes; else at the end."""
    for place, op in enumerate(upgrade_ops.ops):
        if isinstance(op, ops.CreateTableOp) and (op.schema, op.table_name) == (hypertable.schema, key[1]):
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
