"""Columnstores and their settings."""

from __future__ import annotations

from typing import Any

from alembic.operations import ops

from tsext import catalog
from tsext.autogenerate.comparison import Comparison, in_order
from tsext.errors import InvalidObject
from tsext.model import Columnstore, Hypertable
from tsext.operations.columnstore import SETTINGS, AlterColumnstore, DisableColumnstore, EnableColumnstore


def compare(comparison: Comparison) -> None:
    """Disable what is not declared, enable what is, and change what differs.

    A columnstore that is enabled, but not declared, was declared once: a project that leaves it to others filters it
    out by ``include_object``, where its type is ``columnstore``.

    :raises InvalidObject: if one is declared for what is no hypertable.
    """
    wanted = comparison.declared(Columnstore)
    columnstores = catalog.columnstores(comparison.connection)
    found = {each.key: each for each in columnstores if each.key not in comparison.replaced}
    partitioned = catalog.partitioned(comparison.connection) if wanted or found else {}
    gone = comparison.dropped | (comparison.tables - wanted.keys())
    for key in in_order(gone & found.keys()):
        if _included(comparison, found[key], reflected=True):
            disabled = _disable(found[key], partitioned[key], with_table=key in comparison.dropped)
            comparison.before.insert(0, disabled)
    possible = partitioned.keys() | comparison.declared(Hypertable).keys() | comparison.aggregates.keys()
    for key, each in wanted.items():
        if not _included(comparison, each, found.get(key)):
            continue
        if key in found:
            _change(comparison, found[key], each, partitioned[key])
        elif key in possible:
            new = key in comparison.replaced or key not in partitioned
            comparison.after.append(_enable(comparison, key, each, new=new))
        else:
            raise InvalidObject(
                f"{each.name} declares a Columnstore, but is no hypertable",
                hint='declare Hypertable(column="time") beside it, or remove the Columnstore',
            )


def _enable(comparison: Comparison, key: catalog.Key, wanted: Columnstore, *, new: bool) -> EnableColumnstore:
    """Enabling it.

    :param new: whether the same revision makes the hypertable or aggregate.
    """
    is_aggregate = key in comparison.aggregates
    created = [(op.schema, op.table_name) for op in comparison.upgrade_ops.ops if isinstance(op, ops.CreateTableOp)]
    with_it = new and (is_aggregate or (wanted.schema, wanted.name) in created)
    return EnableColumnstore(wanted, continuous_aggregate=is_aggregate, with_table=with_it)


def _disable(found: Columnstore, of: catalog.Partitioned, *, with_table: bool = False) -> DisableColumnstore:
    return DisableColumnstore(found, continuous_aggregate=of.continuous_aggregate, with_table=with_table)


def _included(
    comparison: Comparison, each: Columnstore, compare_to: Columnstore | None = None, *, reflected: bool = False
) -> bool:
    """Whether the project's own filter lets a columnstore pass."""
    filters: Any = comparison.context.run_object_filters
    return bool(filters(each, each.name, "columnstore", reflected, compare_to))


# --- changes


def _change(comparison: Comparison, found: Columnstore, wanted: Columnstore, of: catalog.Partitioned) -> None:
    """What has changed of a columnstore; what is not declared is not compared."""
    differing = [each for each in SETTINGS if getattr(wanted, each) is not None and differs(each, found, wanted, of)]
    if not differing:
        return
    change = AlterColumnstore(
        wanted.name,
        {each: getattr(wanted, each) for each in differing},
        {each: getattr(found, each) for each in differing},
        continuous_aggregate=of.continuous_aggregate,
        schema=wanted.schema,
    )
    for table in comparison.upgrade_ops.ops:
        if isinstance(table, ops.ModifyTableOps) and (table.schema, table.table_name) == (wanted.schema, wanted.name):
            dropped = [place for place, op in enumerate(table.ops) if _drops_any(op, found.columns)]
            if dropped:
                table.ops.insert(dropped[0], change)
                return
    comparison.after.append(change)


def differs(setting: str, found: Columnstore, wanted: Columnstore, of: catalog.Partitioned) -> bool:
    """Whether a setting is another than is declared; the time column that TimescaleDB adds to an order is none."""
    if setting == "orderby":
        return found.completed(of.column) != wanted.completed(of.column)
    return bool(getattr(found, setting) != getattr(wanted, setting))


def _drops_any(op: ops.MigrateOperation, columns: list[str]) -> bool:
    """Whether it drops a column of a columnstore, which TimescaleDB refuses as long as the columnstore names it."""
    return isinstance(op, ops.DropColumnOp) and op.column_name in columns
