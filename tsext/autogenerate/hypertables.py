"""Hypertables and their dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from alembic.operations import ops

from tsext import catalog
from tsext.autogenerate import hypertable_settings
from tsext.autogenerate.comparison import Comparison, in_order
from tsext.autogenerate.noise import Noise, silence
from tsext.model import Extension, Hypertable, Interval, microseconds
from tsext.model.repartitions import Repartition
from tsext.operations.dimensions import AddDimension, SetChunkTimeInterval, SetNumberPartitions
from tsext.operations.extensions import CreateExtension
from tsext.operations.hypertables import CreateHypertable, DropHypertable
from tsext.operations.repartition import RepartitionHypertable


def compare(comparison: Comparison) -> None:
    """Add what is declared and missing, what has changed, and take out what TimescaleDB made itself.

    :raises InvalidObject: if a declaration does not fit its table.
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

    Another column, and fewer dimensions, are nothing that TimescaleDB can change: then all rows are moved.
    """
    if wanted.column != found.column or _lost(found, wanted):
        repartition = RepartitionHypertable(_shape(found, wanted))
        repartition.former = _former(found)
        yield repartition
        return
    yield from _changed_intervals(found, wanted)
    yield from _changed_partitions(found, wanted)
    if wanted.dimensions is None:
        return
    before = {dimension.column for dimension in found.dimensions or ()}
    for dimension in wanted.dimensions:
        if dimension.column not in before:
            yield AddDimension(wanted.name, dimension, schema=wanted.schema)


def _lost(found: Hypertable, wanted: Hypertable) -> set[tuple[str, bool]]:
    """Dimensions that are no longer declared, or not of that kind: by column, and whether by hash."""
    if wanted.dimensions is None:
        return set()
    return _kinds(found) - _kinds(wanted)


def _kinds(hypertable: Hypertable) -> set[tuple[str, bool]]:
    return {(each.column, each.number_partitions is not None) for each in hypertable.dimensions or ()}


def _shape(found: Hypertable, wanted: Hypertable) -> Repartition:
    """The shape that is declared, as far as it is not what there is."""
    column = None if wanted.column == found.column else wanted.column
    other = column is not None or _differ(found.chunk_time_interval, wanted.chunk_time_interval)
    length = wanted.chunk_time_interval if other else None
    dimensions = None if wanted.dimensions == found.dimensions else wanted.dimensions
    return Repartition(wanted.name, column, length, dimensions, schema=wanted.schema)


def _former(found: Hypertable) -> Repartition | None:
    """The shape that there is; None, if it is more than a move can give back."""
    if found.partitioning_func or found.integer_now_func:
        return None
    by = tuple(found.dimensions or ())
    return Repartition(found.name, found.column, found.chunk_time_interval, by, schema=found.schema)


def _differ(old: Interval | None, new: Interval | None) -> bool:
    """Whether two lengths are known, and not the same."""
    return old is not None and new is not None and microseconds(old) != microseconds(new)


def _changed_intervals(found: Hypertable, wanted: Hypertable) -> Iterator[SetChunkTimeInterval]:
    for column, new in wanted.intervals.items():
        old = found.intervals.get(column)
        if new is not None and _differ(old, new):
            name = column if len(found.intervals) > 1 else None
            yield SetChunkTimeInterval(wanted.name, new, dimension_name=name, old=old, schema=wanted.schema)


def _changed_partitions(found: Hypertable, wanted: Hypertable) -> Iterator[SetNumberPartitions]:
    for column, new in wanted.partitions.items():
        old = found.partitions.get(column, new)
        if new != old:
            name = column if len(found.partitions) > 1 else None
            yield SetNumberPartitions(wanted.name, new, dimension_name=name, old=old, schema=wanted.schema)
