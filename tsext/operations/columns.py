"""Verbs that add columns in steps: without a rewrite of the table while others wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.operations import Operations
from alembic.operations.ops import AddColumnOp, DropColumnOp
from sqlalchemy import Column, Connection

from tsext import catalog
from tsext.backfill.batches import Update
from tsext.backfill.filling import fill
from tsext.errors import FeatureNotSupported, InvalidObject
from tsext.model.columns import ColumnWithDefault
from tsext.model.constraints import NotNull
from tsext.operations.constraints import SetNotNull
from tsext.operations.progress import count
from tsext.operations.rendering import Code, code_of
from tsext.operations.stepped import SteppedOperation
from tsext.sql.columns import default_text, type_text
from tsext.sql.quoting import identifier, qualified
from tsext.sql.sending import send

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext


class AddColumnWithDefault(SteppedOperation, name="add_column_with_default", noun=ColumnWithDefault):
    """Add a column with a volatile default without a rewrite while others wait."""

    def __init__(self, target: ColumnWithDefault) -> None:
        self.target = target

    @classmethod
    def invoke(cls, operations: Operations, table_name: str, column: Column[Any], *, schema: str | None = None) -> None:
        """Add a column with a volatile default: new rows have it at once, the rows that are there in batches.

        For a default that gives each row a value of its own, such as ``gen_random_uuid()`` or ``clock_timestamp()``,
        for which ``op.add_column`` would rewrite the table while nobody can read or write it. Outside the transaction,
        in steps; each batch is committed. After an interruption the same call goes on: rows where the column is not
        null are left as they are. ``nullable=False`` follows at the end, by the steps of ``op.set_not_null``.

        :param table_name: a table, partitioned or not, or a hypertable without a columnstore.
        :param column: as ``op.add_column`` takes it, with a ``server_default``; without constraints and indexes.
        :raises InvalidObject: if a column of this name is of another type.
        :raises FeatureNotSupported: on a hypertable with a columnstore.
        """
        operations.invoke(cls(ColumnWithDefault(table_name, column, schema)))

    @property
    def column(self) -> str:
        """Its name, as SQL."""
        return identifier(self.target.column.name)

    @property
    def type(self) -> str:
        """Its type, as SQL."""
        return type_text(self.target.column.type)

    @property
    def default(self) -> str:
        """Its default, as SQL."""
        return str(default_text(self.target.column))

    @property
    def _fill(self) -> Update:
        return Update(f"{self.column} = DEFAULT", f"{self.column} IS NULL")

    @property
    def _not_null(self) -> list[SetNotNull]:
        target = self.target
        given = NotNull(target.table_name, target.column.name, target.schema)
        return [] if target.column.nullable else [SetNotNull(given)]

    def _added(self) -> list[str]:
        default = f"{self.alter} ALTER COLUMN {self.column} SET DEFAULT {self.default}"
        return [f"{self.alter} ADD COLUMN {self.column} {self.type}", default]

    def statements(self) -> list[str]:
        """All steps, for a script, where the rows are filled at once."""
        filled = self._fill.of(qualified(*self.table))
        return [*self._added(), filled, *(step for each in self._not_null for step in each.statements())]

    def run(self, connection: Connection) -> None:
        """Add it with its default, fill it, and make it NOT NULL, as far as each is not done."""
        state = self._state(connection)
        for statement in self._added()[0 if state is None else 1 :]:
            send(connection, statement)
        if state is None or not state.not_null:
            heaps = catalog.heaps(connection, *self.table)
            filled = fill(connection, heaps, self._fill)
            count(filled, sum(each.tuples for each in heaps), f"{self.shown}.{self.target.column.name}: row")
        for each in self._not_null:
            each.run(connection)

    def _state(self, connection: Connection) -> catalog.ColumnState | None:
        return catalog.column_state(connection, *self.table, self.target.column.name, self.type)

    def check(self, connection: Connection) -> None:
        """Refuse a column that is there with another type, and a columnstore."""
        super().check(connection)
        state = self._state(connection)
        if state is not None and (state.generated or not state.same_type):
            raise InvalidObject(
                f"column {self.target.column.name} of {self.shown} is there, but "
                f"{'it is generated' if state.generated else f'of type {state.type}'}",
                hint="choose another name, or drop it first: op.drop_column(…)",
            )
        if catalog.columnstore(connection, *self.table) is not None:
            raise FeatureNotSupported(
                f"op.{self.verb}: hypertable {self.shown} has the columnstore, whose rows are filled only by "
                "writing all of them anew",
                hint="add the column without a default, set the default for new rows with op.alter_column, and fill "
                "the old ones in a maintenance window, between op.convert_to_rowstore and op.convert_to_columnstore",
            )

    def _alembic(self) -> AddColumnOp:
        return AddColumnOp(self.target.table_name, self.target.column, schema=self.target.schema)

    def reverse(self) -> DropColumnOp:
        """Dropping it."""
        return self._alembic().reverse()

    def arguments(self) -> list[Code]:
        """As ``alembic check`` prints them."""
        target = self.target
        return [code_of(target.table_name), code_of(target.column.name), code_of(self.type), code_of(self.default)]

    def rendered(self, context: AutogenContext) -> str:
        """As Alembic renders ``op.add_column``, which takes the same arguments."""
        return self.rendered_as(context, self._alembic())
