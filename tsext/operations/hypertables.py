"""Verbs over hypertables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import TIMESCALEDB, Dimension, Hypertable, Interval, TableFacts
from tsext.operations.operation import Operation
from tsext.operations.rendering import Code, arguments_of, code_of, flags_of
from tsext.sql.quoting import Raw, call, regclass


class HypertableOperation(Operation):
    """A verb over a table, by its name and schema."""

    needs = TIMESCALEDB

    def __init__(self, table_name: str, schema: str | None) -> None:
        self.table_name = table_name
        self.schema = schema

    @property
    def relation(self) -> Raw:
        """The table as a ``regclass`` string."""
        return regclass(self.table_name, self.schema)

    def call_of(self, *arguments: Code) -> list[Code]:
        """The table's name, what is given, and the schema if there is one."""
        return [code_of(self.table_name), *arguments, *([code_of(self.schema, "schema")] if self.schema else [])]

    def found(self, connection: Connection) -> Hypertable:
        """The hypertable this is about.

        :raises TsextError: if there is none.
        """
        found = catalog.hypertable(connection, self.table_name, self.schema)
        if found is None:
            self.facts(connection)
            raise InvalidObject(
                f"{self.shown} is a plain table", hint=f'run op.create_hypertable("{self.table_name}", …) first'
            )
        return found

    def facts(self, connection: Connection) -> TableFacts:
        """What decides how the table can be partitioned.

        :raises InvalidObject: if there is no such table.
        """
        facts = catalog.table_facts(connection, self.table_name, self.schema)
        if facts is None:
            schema, dot, name = self.table_name.partition(".")
            hint = f'give the schema apart: "{name}", schema="{schema}"' if dot else "create it first"
            raise InvalidObject(f"op.{self.verb}: there is no table {self.shown}", hint=f"{hint}, or correct its name")
        return facts

    @property
    def shown(self) -> str:
        """The table, for messages."""
        return f"{self.schema}.{self.table_name}" if self.schema else self.table_name


class CreateHypertable(HypertableOperation, name="create_hypertable", noun=Hypertable):
    """Partition a table by ranges of a column.

    :param with_table: whether the same revision creates the table, so that dropping it undoes both.
    """

    def __init__(
        self,
        target: Hypertable,
        *,
        if_not_exists: bool = False,
        migrate_data: bool = False,
        create_default_indexes: bool = False,
        with_table: bool = False,
    ) -> None:
        super().__init__(target.name, target.schema)
        self.target = target
        self.if_not_exists = if_not_exists
        self.migrate_data = migrate_data
        self.create_default_indexes = create_default_indexes
        self.with_table = with_table

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        column: str | None = None,
        *,
        chunk_time_interval: Interval | None = None,
        dimensions: Sequence[Dimension] = (),
        schema: str | None = None,
        if_not_exists: bool = False,
        migrate_data: bool = False,
        create_default_indexes: bool = False,
        partitioning_func: str | None = None,
        time_column_name: str | None = None,
        partitioning_column: str | None = None,
        number_partitions: int | None = None,
    ) -> None:
        """Turn a table into a hypertable, partitioned by ranges of ``column``.

        :param table_name: the table, without its schema.
        :param column: of type timestamptz, timestamp, date, or an integer type; it becomes NOT NULL.
        :param chunk_time_interval: length of a chunk: ``timedelta``, text such as ``"12 hours"``, or, for an integer
            column, an integer. None takes the server's default.
        :param dimensions: further dimensions.
        :param if_not_exists: do nothing if it is a hypertable already.
        :param migrate_data: move the rows of a table that has some; locks it against everything for the whole copy.
        :param create_default_indexes: let TimescaleDB make its own index on the column, which no model declares.
        :param partitioning_func: function that makes a time of a column of another type.
        :param time_column_name: the same as ``column``.
        :param partitioning_column: with ``number_partitions`` the same as one dimension by hash.
        :raises InvalidObject: for what TimescaleDB would refuse.
        """
        further = tuple(dimensions)
        if partitioning_column is not None:
            further = (*further, Dimension(partitioning_column, number_partitions))
        elif number_partitions is not None:
            raise InvalidObject(
                f"create_hypertable of {table_name} has number_partitions, but no column for them",
                hint='give partitioning_column, or dimensions=[Dimension("device", number_partitions=4)]',
            )
        if column is not None and time_column_name not in (None, column):
            raise InvalidObject(
                f"create_hypertable of {table_name} has both column={column!r} and {time_column_name=!s}",
                hint="leave one of them out",
            )
        by = column or time_column_name or ""
        target = Hypertable(by, chunk_time_interval, further, partitioning_func, name=table_name, schema=schema)
        flags = {"if_not_exists": if_not_exists, "migrate_data": migrate_data}
        operations.invoke(cls(target, **flags, create_default_indexes=create_default_indexes))

    def check(self, connection: Connection) -> None:
        """Refuse a table that cannot be partitioned so."""
        facts = self.facts(connection)
        if catalog.hypertable(connection, self.table_name, self.schema) is None:
            facts.check(self.target)
        elif not self.if_not_exists:
            raise InvalidObject(
                f"{self.shown} is a hypertable already", hint="remove the operation, or give if_not_exists=True"
            )

    def sql(self) -> str:
        """``SELECT create_hypertable(…)``."""
        return "SELECT " + call(
            "create_hypertable",
            self.relation,
            _by_range(self.target.column, self.target.chunk_time_interval, self.target.partitioning_func),
            create_default_indexes=self.create_default_indexes,
            if_not_exists=self.if_not_exists or None,
            migrate_data=self.migrate_data or None,
        )

    def statements(self) -> list[str]:
        """The hypertable, then its further dimensions."""
        return [self.sql(), *map(self._add, self.target.dimensions or ())]

    def _add(self, dimension: Dimension) -> str:
        return add_dimension(self.relation, dimension, if_not_exists=self.if_not_exists)

    def reverse(self) -> DropHypertable:
        """There is no way back but dropping the table, which the reverse of its creation does."""
        return DropHypertable(self.target, with_table=self.with_table)

    def arguments(self) -> list[Code]:
        """Name, column, and what differs from the defaults."""
        flags = flags_of(self, "if_not_exists", "migrate_data", "create_default_indexes")
        return self.call_of(*arguments_of(self.target, skip=("name", "schema")), *flags)


class DropHypertable(HypertableOperation, name="drop_hypertable", noun=Hypertable):
    """Refuse: a hypertable cannot become a plain table again.

    :param with_table: whether the same revision drops the table; there is then nothing left to do.
    """

    def __init__(self, target: Hypertable, *, with_table: bool = False) -> None:
        super().__init__(target.name, target.schema)
        self.target = target
        self.with_table = with_table

    @classmethod
    def invoke(cls, operations: Operations, table_name: str, *, schema: str | None = None) -> NoReturn:
        """Refuse, with the way to a plain table.

        :raises IrreversibleOperation: always.
        """
        raise IrreversibleOperation(
            f"hypertable {table_name} cannot become a plain table again",
            hint="create a plain table, copy the rows, and swap the names; or, if its rows are not needed, replace "
            "this line by op.drop_table",
        )

    def statements(self) -> list[str]:
        """None, if the table is dropped.

        :raises IrreversibleOperation: if it is not.
        """
        return [] if self.with_table else self.invoke(None, self.table_name)  # type: ignore[arg-type]

    def arguments(self) -> list[Code] | None:
        """Only the name."""
        return None if self.with_table else self.call_of()

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """With the schema, as Alembic's own."""
        return (self.verb, self.schema, self.table_name)

    def reverse(self) -> CreateHypertable:
        """Creating it."""
        return CreateHypertable(self.target, with_table=self.with_table)


# --- parts of statements


def add_dimension(relation: Raw, dimension: Dimension, *, if_not_exists: bool) -> str:
    """``SELECT add_dimension(…)``."""
    if dimension.number_partitions is not None:
        named = {"partition_func": dimension.partitioning_func}
        by = call("by_hash", dimension.column, dimension.number_partitions, **named)
    else:
        by = _by_range(dimension.column, dimension.chunk_time_interval, dimension.partitioning_func)
    return "SELECT " + call("add_dimension", relation, by, if_not_exists=if_not_exists or None)


def _by_range(column: str, length: Interval | None, function: str | None) -> Raw:
    return call("by_range", column, *([] if length is None else [length]), partition_func=function)
