"""What TimescaleDB or another extension made, and partitions: what no model needs to declare."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

from alembic.operations import ops
from sqlalchemy import Connection

from tsext import catalog
from tsext.autogenerate import is_internal
from tsext.model import Hypertable


class Noise:
    """What of a database is no model's to declare; each kind is looked up when it is first needed.

    :param hypertables: all there are.
    :param own: tables that are known to be the project's; about those nothing is asked.
    """

    def __init__(
        self,
        connection: Connection,
        hypertables: Mapping[catalog.Key, Hypertable],
        own: Collection[catalog.Key] = (),
    ) -> None:
        self.connection = connection
        self.hypertables = hypertables
        self.own = own

    @cached_property
    def tables(self) -> set[catalog.Key]:
        """Chunks, partitions, and what belongs to extensions."""
        ask = self.connection
        return catalog.chunk_tables(ask) | catalog.extension_tables(ask) | catalog.partitions(ask)

    @cached_property
    def indexes(self) -> set[catalog.Key]:
        """Those that TimescaleDB makes by default."""
        return catalog.default_indexes(self.connection, self.hypertables.values())

    @cached_property
    def foreign_keys(self) -> set[tuple[str | None, str, str]]:
        """Copies of others for single chunks: schema, table and name."""
        return catalog.chunk_foreign_keys(self.connection)

    @cached_property
    def expansions(self) -> dict[catalog.Key, list[tuple[str, str]]]:
        """Columns with the one beside each, between expanding and contracting, by table."""
        return catalog.expansions(self.connection)

    def is_table(self, schema: str | None, name: str) -> bool:
        """Whether a table is not the project's own: a chunk, a partition, or an extension's."""
        if (schema, name) in self.own or (schema, name) in self.hypertables:
            return False
        return is_internal(schema) or (schema, name) in self.tables

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


def silence(upgrade_ops: ops.UpgradeOps, noise: Noise) -> None:
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


def _quieten(table: ops.ModifyTableOps, noise: Noise) -> bool:
    """Take the noise out of what is to be changed on one table; whether anything is left.

    A default index goes, if the model has one of the same name or columns: two equal ones would share chunk indexes.
    """
    for op in table.ops:
        if isinstance(op, ops.AlterColumnOp) and op.modify_nullable and noise.is_not_null(op):
            op.modify_nullable = None
    _leave_expanded(table, noise)
    created = [op for op in table.ops if isinstance(op, ops.CreateIndexOp)]
    names, columns = [op.index_name for op in created], [_columns(op) for op in created]
    table.ops[:] = [
        op
        for op in table.ops
        if (created and isinstance(op, ops.DropIndexOp) and (op.index_name in names or _columns(op) in columns))
        or not noise.is_change(op)
    ]
    return bool(table.ops)


def _leave_expanded(table: ops.ModifyTableOps, noise: Noise) -> None:
    """Take out what is about a column and the one beside it, between expanding and contracting.

    Whichever of both the models have, the other is to stay, and both are as the contraction needs them. If the models
    have neither, both go.
    """
    changed = any(isinstance(op, ops.DropColumnOp | ops.AlterColumnOp | _INDEXES | _CONSTRAINTS) for op in table.ops)
    if not changed:
        return
    pairs = noise.expansions.get((table.schema, table.table_name))
    if not pairs:
        return
    dropped = {op.column_name for op in table.ops if isinstance(op, ops.DropColumnOp)}
    left = {name for pair in pairs if not set(pair) <= dropped for name in pair}
    table.ops[:] = [op for op in table.ops if not left & _columns_of(op)]


_INDEXES = ops.CreateIndexOp | ops.DropIndexOp
_CONSTRAINTS = ops.AddConstraintOp | ops.DropConstraintOp


def _columns_of(op: ops.MigrateOperation) -> set[str]:
    if isinstance(op, ops.DropColumnOp | ops.AlterColumnOp):
        return {op.column_name}
    if isinstance(op, _INDEXES):
        return {name for each in op.to_index().expressions for name in re.findall(r"\w+", str(each))}
    if isinstance(op, _CONSTRAINTS):
        return {str(each.name) for each in getattr(op.to_constraint(), "columns", ())}
    return set()


def _columns(op: ops.CreateIndexOp | ops.DropIndexOp) -> list[str]:
    """What is indexed, whatever the direction, as ``text("time DESC")`` and ``desc("time")`` both have it."""
    return [_undirected(str(each).removeprefix(f"{op.table_name}.")) for each in op.to_index().expressions]


def _undirected(expression: str) -> str:
    for direction in (" NULLS FIRST", " NULLS LAST", " DESC", " ASC"):
        if expression.upper().endswith(direction):
            expression = expression[: -len(direction)]
    return expression.replace('"', "")


def _without_copies(op: ops.DropTableOp, noise: Noise) -> ops.DropTableOp:
    """Without the foreign keys to single chunks, with which the downgrade could not make the table again."""
    table = op.to_table()
    copies = [each for each in table.foreign_key_constraints if noise.is_copy(op.schema, op.table_name, each.name)]
    if not copies:
        return op
    table.constraints.difference_update(copies)
    return ops.DropTableOp.from_table(table)
