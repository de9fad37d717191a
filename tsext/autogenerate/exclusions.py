"""Exclusion constraints, which Alembic leaves alone: those that are declared and missing are added.

By their names. What the database has beyond that stays: as long as nobody declares them, they are not compared.
"""

from __future__ import annotations

from collections.abc import Iterator

from alembic.operations import ops
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from tsext import catalog
from tsext.autogenerate.comparison import Comparison


def compare(comparison: Comparison) -> None:
    """Propose those of tables that exist already; a new table brings its own."""
    wanted = list(_declared(comparison))
    if not wanted:
        return
    created = {(op.schema, op.table_name) for op in comparison.upgrade_ops.ops if isinstance(op, ops.CreateTableOp)}
    found = {(each.key, each.name) for each in catalog.exclusions(comparison.connection)}
    for key, constraint in wanted:
        if key not in created and (key, constraint.name) not in found:
            comparison.after.append(ops.AddConstraintOp.from_constraint(constraint))


def _declared(comparison: Comparison) -> Iterator[tuple[catalog.Key, ExcludeConstraint]]:
    for metadata in comparison.metadata:
        for table in metadata.tables.values():
            for constraint in _of(table):
                if comparison.includes(table):
                    yield comparison.key(table), constraint


def _of(table: Table) -> Iterator[ExcludeConstraint]:
    """Those with a name, by which they are known again."""
    for each in sorted(table.constraints, key=lambda one: str(one.name)):
        if isinstance(each, ExcludeConstraint) and isinstance(each.name, str):
            yield each
