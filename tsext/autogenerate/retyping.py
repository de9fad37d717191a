"""Another type of a column in use, over two revisions, where to change it at once would take long."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from alembic.operations import MigrateOperation
from alembic.operations.ops import AlterColumnOp
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext import catalog, safety
from tsext.errors import TsextError
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

    def instead(self, operation: AlterColumnOp) -> Iterator[MigrateOperation]:
        """The change of a type in two steps, after whatever else is altered; the operation itself if it is instant,
        or cannot be done so.
        """
        if operation.modify_type is None or operation.existing_type is None or not self._is_alone(operation):
            yield operation
            return
        change = _change(operation, operation.modify_type)
        if not (self._takes_long(change) and self._can_expand(change)):
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

    @staticmethod
    def _is_alone(operation: AlterColumnOp) -> bool:
        """Whether neither name nor default changes with the type: which default suits which type is not known."""
        changes_default = operation.modify_server_default is not False
        return operation.modify_name is None and not changes_default and not operation.kw.get("postgresql_using")

    @cached_property
    def _facts(self) -> safety.Facts:
        return safety.facts(self.connection)

    def _takes_long(self, change: ColumnChange) -> bool:
        """Whether the table is rewritten or scanned, or its indexes are built, under the lock."""
        table, column = qualified(change.table_name, change.schema), identifier(change.column)
        statement = f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {change.type_}"
        return any(lock.work is not None for lock in safety.footprint(statement, self._facts))

    def _can_expand(self, change: ColumnChange) -> bool:
        """Whether nothing is in the way, neither in the database as it is nor in what is written beside."""
        uses = catalog.column_uses(self.connection, change.table_name, change.schema, change.column)
        names = {use.name for use in uses}
        if names & self._taken:
            return False
        try:
            with self.connection.begin_nested() as savepoint:
                ExpandColumnType(change).check(self.connection)
                savepoint.rollback()
        except (TsextError, DBAPIError):
            return False
        self._taken |= names
        return True

    def _back(self, operation: AlterColumnOp, change: ColumnChange) -> ColumnChange:
        """The way to the old type, with a cast if it needs one."""
        back = _change(operation, operation.existing_type)
        if catalog.refusal_of_type(self.connection, back, change.type_) is None:
            return back
        return replace(back, using=f"{identifier(change.column)}::{back.type_}")


def _change(operation: AlterColumnOp, type_: object) -> ColumnChange:
    return change_of(operation.table_name, operation.column_name, type_, None, operation.schema)
