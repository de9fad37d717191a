"""Verbs over the dimensions of hypertables."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, NoReturn, Self

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import Dimension, Interval, interval, partitions
from tsext.operations.hypertables import HypertableOperation, add_dimension, need_uuid
from tsext.operations.optional import leaves_out
from tsext.operations.rendering import Code, arguments_of, code_of, flags_of
from tsext.sql.quoting import call


class AddDimension(HypertableOperation, name="add_dimension", noun=Dimension):
    """Partition a hypertable by a further column; chunks that exist keep their extent."""

    def __init__(
        self, table_name: str, dimension: Dimension, *, schema: str | None = None, if_not_exists: bool = False
    ) -> None:
        super().__init__(table_name, schema)
        self.target = dimension
        self.if_not_exists = if_not_exists

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        column: str,
        *,
        number_partitions: int | None = None,
        chunk_time_interval: Interval | None = None,
        partitioning_func: str | None = None,
        if_not_exists: bool = False,
        schema: str | None = None,
    ) -> None:
        """Add a dimension: by hash with ``number_partitions``, by range with ``chunk_time_interval``.

        Chunks that exist keep their extent. There is no way back.

        :raises InvalidObject: for what TimescaleDB would refuse.
        """
        dimension = Dimension(column, number_partitions, chunk_time_interval, partitioning_func)
        operations.invoke(cls(table_name, dimension, schema=schema, if_not_exists=if_not_exists))

    def check(self, connection: Connection) -> None:
        """Refuse a column that cannot be a dimension."""
        found = self.found(connection)
        if self.target.column in {*found.intervals, *found.partitions}:
            if self.if_not_exists:
                return
            raise InvalidObject(
                f"{self.target.column} is a dimension of {self.shown} already",
                hint="remove the operation, or give if_not_exists=True",
            )
        facts = self.facts(connection)
        extended = replace(found, dimensions=(self.target,))
        facts.check(extended)
        need_uuid(connection, facts, extended)

    def sql(self) -> str:
        """``SELECT add_dimension(…)``."""
        return add_dimension(self.relation, self.target, if_not_exists=self.if_not_exists)

    def arguments(self) -> list[Code]:
        """Name, column, and the partitioning."""
        return self.call_of(*arguments_of(self.target), *flags_of(self, "if_not_exists"))

    def reverse(self) -> DropDimension:
        """TimescaleDB cannot remove a dimension."""
        return DropDimension(self.table_name, self.target, schema=self.schema)


class DropDimension(HypertableOperation, name="drop_dimension", noun=Dimension):
    """Refuse: TimescaleDB cannot remove a dimension."""

    def __init__(self, table_name: str, dimension: Dimension, *, schema: str | None = None) -> None:
        super().__init__(table_name, schema)
        self.target = dimension

    @classmethod
    def invoke(cls, operations: Operations, table_name: str, column: str, *, schema: str | None = None) -> None:
        """Refuse, with the way to a hypertable without the dimension.

        :raises IrreversibleOperation: always.
        """
        if not leaves_out(operations, f"{cls.verb}({code_of(table_name)})"):
            cls.refuse(table_name, column)

    @staticmethod
    def refuse(table_name: str, column: str) -> NoReturn:
        """Tell the way to a hypertable without the dimension.

        :raises IrreversibleOperation: always.
        """
        raise IrreversibleOperation(
            f"dimension {column} of hypertable {table_name} cannot be removed",
            hint=f'op.repartition_hypertable("{table_name}", dimensions=[…]) moves all rows into one without it, while '
            "others write; or keep it, and if it is by hash, let new chunks have one partition: "
            f'op.set_number_partitions("{table_name}", 1)',
        )

    def sql(self) -> str:
        """There is none.

        :raises IrreversibleOperation: always.
        """
        self.refuse(self.table_name, self.target.column)

    def arguments(self) -> list[Code]:
        """Name and column."""
        return self.call_of(code_of(self.target.column, "column"))

    def reverse(self) -> AddDimension:
        """Adding it."""
        return AddDimension(self.table_name, self.target, schema=self.schema)


class DimensionChange(HypertableOperation):
    """Sets a value of one dimension, for chunks to come; knows the old one, so that it can be reversed."""

    argument: ClassVar[str]
    """What the value is called."""

    def __init__(
        self,
        table_name: str,
        value: Any,
        *,
        dimension_name: str | None = None,
        old: Any = None,
        schema: str | None = None,
    ) -> None:
        super().__init__(table_name, schema)
        self.value = self.checked(value)
        self.dimension_name = dimension_name
        self.old = None if old is None else self.checked(old)

    def checked(self, value: Any) -> Any:
        """The value as it is compared.

        :raises InvalidObject: if it makes no sense.
        """
        raise NotImplementedError(f"{type(self).__name__} takes any value")

    def dimension(self, kind: str, columns: Collection[str]) -> str:
        """The column of the dimension that is meant.

        :param kind: ``range`` or ``hash``.
        :param columns: those of the dimensions of that kind.
        :raises InvalidObject: if it is not one of them, or more than one could be meant.
        """
        if self.dimension_name is not None and self.dimension_name in columns:
            return self.dimension_name
        if self.dimension_name is None and len(columns) == 1:
            return next(iter(columns))
        name = f" {self.dimension_name}" if self.dimension_name else ""
        what = "more than one dimension" if columns and not name else f"no dimension{name}"
        hint = f"give dimension_name=, one of {', '.join(columns)}" if columns else "add one with op.add_dimension"
        raise InvalidObject(f"hypertable {self.shown} has {what} by {kind}", hint=hint)

    def sql(self) -> str:
        """``SELECT set_…(…)``."""
        return "SELECT " + call(self.verb, self.relation, self.value, dimension_name=self.dimension_name)

    def arguments(self) -> list[Code]:
        """Name, the new value, the old one."""
        given = {"dimension_name": self.dimension_name, f"old_{self.argument}": self.old}
        named = [code_of(value, name) for name, value in given.items() if value is not None]
        return self.call_of(code_of(self.value), *named)

    def reverse(self) -> Self:
        """Setting the old value.

        :raises IrreversibleOperation: if it is not known.
        """
        if self.old is None:
            raise IrreversibleOperation(
                f"{self.verb} of {self.shown} does not know the old value", hint=f"give old_{self.argument}="
            )
        names = {"dimension_name": self.dimension_name, "schema": self.schema}
        return type(self)(self.table_name, self.old, old=self.value, **names)


class SetChunkTimeInterval(DimensionChange, name="set_chunk_time_interval", noun=Dimension):
    """Change the length of chunks to come; those that exist keep theirs."""

    argument = "chunk_time_interval"

    def checked(self, value: Any) -> timedelta | int:
        """As a ``timedelta``, or as an integer."""
        return interval(value)

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        chunk_time_interval: Interval,
        *,
        dimension_name: str | None = None,
        old_chunk_time_interval: Interval | None = None,
        schema: str | None = None,
    ) -> None:
        """Set the length of chunks to come; those that exist keep theirs.

        :param chunk_time_interval: ``timedelta``, text such as ``"12 hours"``, or, for an integer column, an integer.
        :param dimension_name: column of the dimension, if the hypertable has more than one by range.
        :param old_chunk_time_interval: the length until now, by which the change is reversed.
        :raises InvalidObject: for what TimescaleDB would refuse.
        """
        names = {"dimension_name": dimension_name, "schema": schema}
        operations.invoke(cls(table_name, chunk_time_interval, old=old_chunk_time_interval, **names))

    def check(self, connection: Connection) -> None:
        """Refuse a dimension that is none, or is ambiguous, and an interval that does not fit it."""
        found = self.found(connection)
        column = self.dimension("range", found.intervals)
        if column not in found.functions:
            self.facts(connection).check_interval(column, self.value)


class SetNumberPartitions(DimensionChange, name="set_number_partitions", noun=Dimension):
    """Change the number of partitions of chunks to come; those that exist keep theirs."""

    argument = "number_partitions"

    def checked(self, value: Any) -> int:
        """As it is."""
        return partitions(value)

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        number_partitions: int,
        *,
        dimension_name: str | None = None,
        old_number_partitions: int | None = None,
        schema: str | None = None,
    ) -> None:
        """Set the number of partitions of a dimension by hash, for chunks to come; those that exist keep theirs.

        :param number_partitions: 1 to 32767.
        :param dimension_name: column of the dimension, if the hypertable has more than one by hash.
        :param old_number_partitions: the number until now, by which the change is reversed.
        :raises InvalidObject: for what TimescaleDB would refuse.
        """
        names = {"dimension_name": dimension_name, "schema": schema}
        operations.invoke(cls(table_name, number_partitions, old=old_number_partitions, **names))

    def check(self, connection: Connection) -> None:
        """Refuse a dimension that is none, or is ambiguous."""
        self.dimension("hash", self.found(connection).partitions)
