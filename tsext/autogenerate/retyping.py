"""Another type of a column in use, over two revisions, where to change it at once would take long."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

from alembic.operations import MigrateOperation
from alembic.operations.ops import AlterColumnOp
from sqlalchemy import CheckConstraint, Column, Connection, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import ColumnCollectionConstraint

from tsext import catalog, safety
from tsext.errors import TsextError
from tsext.model import Hypertable, objects_of
from tsext.model.columns import ColumnChange
from tsext.operations.column_types import ContractColumnType, ExpandColumnType, change_of
from tsext.sql.quoting import identifier, qualified

BETWEEN = "Deploy an application that reads and writes either type before this."


class Retyping:
    """What is known of the columns that get another type, from the database that is compared."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._taken: set[str | None] = set()
        """Indexes and constraints of columns that get another type; those of two at a time cannot follow both."""

    def instead(self, operation: AlterColumnOp, declared: Iterable[Table]) -> Iterator[MigrateOperation]:
        """The change of a type in two steps, after whatever else is altered; the operation itself if it is instant,
        or cannot be done so.

        :param declared: what the models say of the table.
        """
        change = None if operation.existing_type is None else self._change_of(operation, declared)
        if change is None:
            yield operation
            return
        rest = copy.copy(operation)
        rest.modify_type = None
        if rest.has_changes():
            yield rest
        yield ExpandColumnType(change)
        contract = ContractColumnType(change, self._back(operation, change))
        contract.note = BETWEEN
        yield contract

    def _change_of(self, operation: AlterColumnOp, declared: Iterable[Table]) -> ColumnChange | None:
        """What is changed, if that takes long, and can be done in two steps."""
        changes_default = operation.modify_server_default is not False  # and which suits which type is not known
        if operation.modify_type is None or changes_default or operation.modify_name is not None:
            return None
        change = _change(operation, operation.modify_type)
        if not self._takes_long(change) or not self._can_expand(change):
            return None
        uses = catalog.column_uses(self.connection, change.table_name, change.schema, change.column)
        names = {use.name for use in uses}
        for table in declared:
            if _is_bound(table, change.column):
                return None
            names.update(_names(table, change.column))
        if names & self._taken:
            return None
        self._taken |= names
        return change

    @cached_property
    def _facts(self) -> safety.Facts:
        return safety.facts(self.connection)

    def _takes_long(self, change: ColumnChange) -> bool:
        """Whether the table is rewritten or scanned, or its indexes are built, under the lock."""
        table, column = qualified(change.table_name, change.schema), identifier(change.column)
        statement = f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {change.type_}"
        return any(lock.work is not None for lock in safety.footprint(statement, self._facts))

    def _can_expand(self, change: ColumnChange) -> bool:
        """Whether nothing is in the way in the database as it is."""
        try:
            with self.connection.begin_nested() as savepoint:
                ExpandColumnType(change).check(self.connection)
                savepoint.rollback()
        except (TsextError, DBAPIError):
            return False
        return True

    def _back(self, operation: AlterColumnOp, change: ColumnChange) -> ColumnChange:
        """The way to the old type, with a cast if it needs one."""
        back = _change(operation, operation.existing_type)
        if catalog.refusal_of_type(self.connection, back, change.type_) is None:
            return back
        return replace(back, using=f"{identifier(change.column)}::{back.type_}")


def _is_bound(table: Table, column: str) -> bool:
    """Whether the models say that something is to hold a column that does not follow to one of another type."""
    others = (each for other in table.metadata.tables.values() for each in other.foreign_key_constraints)
    bound = [one.column for each in others if each.referred_table is table for one in each.elements]
    is_hypertable = any(isinstance(each, Hypertable) for each in objects_of(table))
    for each in table.constraints:
        unique = isinstance(each, UniqueConstraint | PrimaryKeyConstraint) and is_hypertable
        if isinstance(each, ColumnCollectionConstraint) and (unique or isinstance(each, ExcludeConstraint)):
            bound += each.columns
    return column in {each.name for each in bound}


def _names(table: Table, column: str) -> Iterator[str | None]:
    """Indexes and constraints that the models say are about a column, or may be: of SQL text it is only looked for."""
    for index in table.indexes:
        if any(column == each.name if isinstance(each, Column) else column in str(each) for each in index.expressions):
            yield index.name
    for constraint in table.constraints:
        is_check = isinstance(constraint, CheckConstraint) and column in str(constraint.sqltext)
        if is_check or (isinstance(constraint, ColumnCollectionConstraint) and column in constraint.columns):
            yield None if constraint.name is None else str(constraint.name)


def _change(operation: AlterColumnOp, type_: object) -> ColumnChange:
    return change_of(operation.table_name, operation.column_name, type_, None, operation.schema)
