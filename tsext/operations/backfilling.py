"""The verb that changes many rows in batches."""

from __future__ import annotations

from collections.abc import Mapping

from alembic.operations import Operations
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.backfill.ledger import Declaration
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model.backfills import RowChange
from tsext.operations.declaring import DeclaringOperation
from tsext.operations.rendering import Code, code_of
from tsext.settings import Settings
from tsext.sql import grammar
from tsext.sql.quoting import ended, identifier, qualified
from tsext.sql.sending import said_first, send


class Backfill(DeclaringOperation, name="backfill", noun=RowChange):
    """Change many rows in batches, by workers here or on other machines."""

    def __init__(self, target: RowChange) -> None:
        self.target = target

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        *,
        set: str | Mapping[str, str],  # as in UPDATE … SET
        where: str | None = None,
        name: str | None = None,
        schema: str | None = None,
        reverse_set: str | Mapping[str, str] | None = None,
        reverse_where: str | None = None,
        columnstore: str = "convert",
    ) -> None:
        """Change many rows in batches, each of which is committed and short, while others read and write.

        For what would be one long ``UPDATE``. Outside the transaction. Rows are gone through in the order of their
        primary key, or of another unique index; in chunks without one, in the order of time. How far a batch has come
        is committed with it: after an interruption the same call goes on, and no row is changed twice. It waits while
        the server does not fare well, as the ``backfill_…`` settings say. For much data, let ``tsext backfill run`` do
        it before the upgrade, on as many machines as you like: the upgrade then finds it done.

        :param table_name: a table, partitioned or not, or a hypertable.
        :param set: columns and their values, as SQL expressions: ``{"currency": "'EUR'"}``; or what follows ``SET``.
        :param where: which rows, as SQL; None: all. A table without any key needs a condition that rows do not fulfil
            any more when they are changed.
        :param name: by which ``tsext backfill`` knows it; None: one that is made of the rest.
        :param reverse_set: what takes it back, for whoever reverses the operation; None: it cannot be taken back.
        :param reverse_where: for which rows.
        :param columnstore: how chunks in the columnstore are changed, each in one transaction: ``"convert"`` to rows
            and back, or ``"direct"``, for few rows of each.
        :raises InvalidObject: if there is no such table, or ``set`` changes what rows are gone through by.
        :raises BackfillError: if more rows are to be gone through than ``backfill_in_upgrade``, or it failed.
        """
        target = RowChange(table_name, set, where, name, schema, reverse_set, reverse_where, columnstore)
        operation = cls(target)
        operation.settings = Settings.of(operations.migration_context)
        operations.invoke(operation)
        operation.take_over(operations)

    @property
    def assignment(self) -> str:
        """What follows ``SET``."""
        given = self.target.set
        if isinstance(given, str):
            return ended(given)
        return ", ".join(f"{identifier(each)} = {ended(given[each])}" for each in given)

    def sql(self) -> str:
        """All of it in one statement, for a script."""
        where = "" if self.target.where is None else f" WHERE {self.target.where}"
        return f"UPDATE {qualified(*self.table)} SET {self.assignment}{where}"

    def check(self, connection: Connection) -> None:
        """Refuse what no batch could do."""
        super().check(connection)
        assigned, shown = self._assigned(), self.shown
        self._refuse_unsound(connection)
        self._refuse_out_of_reach(connection)
        hypertable = catalog.hypertable(connection, *self.table)
        time = hypertable.column if hypertable is not None else None
        for heap in catalog.heaps(connection, *self.table):
            order = catalog.row_order(connection, str(heap), time)
            if fixed := assigned & {*order, *([time] if time else [])}:
                raise InvalidObject(
                    f"op.backfill changes {min(fixed)} of {shown}, by which its rows are gone through",
                    hint="add a column beside it (op.expand_column_type, op.expand_column_rename)",
                )
            if not order and self.target.where is None:
                raise InvalidObject(
                    f"op.backfill: {heap} has no key to go through its rows by, and each of them is to be changed once",
                    hint="give a condition (where=…) that what is done no longer fulfils, or add a primary key or a "
                    "unique index over columns that are NOT NULL",
                )

    def _refuse_out_of_reach(self, connection: Connection) -> None:
        """Refuse what is done otherwise, or not at all, where partitions and chunks are changed one by one."""
        found = catalog.updating(connection, *self.table)
        if found is not None and not found.is_table:
            raise InvalidObject(f"op.backfill: {self.shown} is no table", hint="name the table that holds the rows")
        if found is not None and found.elsewhere:
            raise InvalidObject(
                f"op.backfill does not reach {', '.join(found.elsewhere)}: foreign tables hold rows of {self.shown}",
                hint="change them there, and here each of the other partitions by its own name",
            )
        if found is not None and found.triggers:
            raise InvalidObject(
                f"op.backfill of {self.shown} would not fire {', '.join(found.triggers)}: its parts are changed one by "
                "one, and a trigger for each statement is the whole's",
                hint="make it a trigger for each row; or, if it is not wanted, ALTER TABLE … DISABLE TRIGGER before",
            )

    def _refuse_unsound(self, connection: Connection) -> None:
        """Refuse what the server would refuse of any batch, such as a column that is not there."""
        condition = "false" if self.target.where is None else f"({ended(self.target.where)}) AND false"
        whole, name = catalog.resolved(connection, *self.table), identifier(self.target.table_name)
        parts = [f"{each} AS {name}" for each in catalog.heaps(connection, *self.table) if str(each) != str(whole)]
        try:
            for relation in (qualified(*self.table), *parts[:1]):
                send(connection, f"EXPLAIN UPDATE {relation} SET {self.assignment} WHERE {condition}")
        except DBAPIError as error:
            reason = said_first(error)
            raise InvalidObject(
                f"op.backfill of {self.shown}: {reason}",
                hint="correct it; and what it needs, such as a new column, belongs into an earlier revision",
            ) from error

    def _assigned(self) -> set[str]:
        """The columns that are changed.

        :raises InvalidObject: if it cannot be read.
        """
        found = grammar.tree(self.sql())
        if found is None or found[0] != "update_stmt":
            raise InvalidObject(
                f"op.backfill: this is no UPDATE: {self.sql()}", hint="correct set and where; they are SQL text"
            )
        return {each.res_target.name for each in found[1].target_list}

    def declaration(self, connection: Connection) -> Declaration:
        """A ``change`` of this table."""
        target, found = self.target, catalog.resolved(connection, *self.table)
        if found is None:
            raise InvalidObject(f"op.backfill: there is no table {self.shown}", hint="correct its name or schema")
        spec = {"table": found.name, "schema": found.schema, "set": self.assignment, "where": target.where}
        spec["columnstore"] = target.columnstore
        return Declaration("change", str(found), spec, given=target.name)

    def reverse(self) -> Backfill:
        """What takes it back.

        :raises IrreversibleOperation: if it does not say how.
        """
        target = self.target
        if target.reverse_set is None:
            raise IrreversibleOperation(
                f"op.backfill of {self.shown} does not say how it is taken back",
                hint="give reverse_set, and reverse_where; or leave the rows as they are: downgrade() without it",
            )
        back = None if target.name is None else f"{target.name}-back"
        return Backfill(
            RowChange(
                target.table_name, target.reverse_set, target.reverse_where, back, target.schema, target.set,
                target.where, target.columnstore,
            )
        )  # fmt: skip

    def arguments(self) -> list[Code]:
        """The table, and what is not the default."""
        target = self.target
        named = {
            "set": target.set, "where": target.where, "name": target.name, "schema": target.schema,
            "reverse_set": target.reverse_set, "reverse_where": target.reverse_where,
        }  # fmt: skip
        if target.columnstore != "convert":
            named["columnstore"] = target.columnstore
        return [code_of(target.table_name), *(code_of(each, name) for name, each in named.items() if each is not None)]
