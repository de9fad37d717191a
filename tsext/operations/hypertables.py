"""Verbs over hypertables and their dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

from alembic.operations import MigrateOperation, Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import InvalidObject, IrreversibleOperation, PreflightFailed
from tsext.model import Dimension, Hypertable, Interval
from tsext.operations import Nothing, Operation, rendered_fields, repr_of
from tsext.sql.quoting import Raw, call, interval, literal, regclass


def _needs_timescaledb(connection: Connection, verb: str) -> None:
    if catalog.timescaledb(connection) is None:
        raise PreflightFailed(
            f"op.{verb} needs TimescaleDB, which this database does not have",
            hint='run op.create_extension("timescaledb") in this revision or an earlier one',
        )


def _dimension(dimension: Dimension) -> Raw:
    if dimension.number_partitions is not None:
        return call("by_hash", dimension.column, dimension.number_partitions)
    return _by_range(dimension.column, dimension.chunk_time_interval)


def _by_range(column: str, length: Interval | None) -> Raw:
    return call("by_range", column, *([] if length is None else [_length(length)]))


def _length(value: Interval) -> Raw:
    return Raw(literal(value)) if isinstance(value, int) else interval(value)


class HypertableOperation(Operation):
    """A verb whose object is a hypertable."""

    noun = Hypertable
    target: Hypertable

    def check(self, connection: Connection) -> None:
        """Refuse if the database has no TimescaleDB."""
        _needs_timescaledb(connection, self.verb)

    @property
    def relation(self) -> Raw:
        """The hypertable as a ``regclass`` string."""
        return regclass(self.target.name, self.target.schema)


class CreateHypertable(HypertableOperation, name="create_hypertable"):
    """Partition a table by ranges of ``column``.

    No default indexes are made: declare the indexes you want, so that autogenerate sees them.
    """

    def __init__(
        self,
        target: Hypertable,
        if_not_exists: bool = False,
        migrate_data: bool = False,
        with_table: bool = False,
    ) -> None:
        super().__init__(target)
        self.if_not_exists = if_not_exists
        self.migrate_data = migrate_data
        self.with_table = with_table
        """Whether the same revision creates the table, so that dropping it undoes both."""

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        column: str,
        *,
        chunk_time_interval: Interval | None = None,
        dimensions: Sequence[Dimension] = (),
        schema: str | None = None,
        if_not_exists: bool = False,
        migrate_data: bool = False,
    ) -> None:
        """Turn a table into a hypertable, partitioned by ranges of ``column``.

        :param chunk_time_interval: ``timedelta``, text that PostgreSQL reads, or an integer for integer columns.
        :param dimensions: further dimensions.
        :param migrate_data: move the rows of a table that has some; locks it for the whole copy.
        """
        target = Hypertable(column, chunk_time_interval, tuple(dimensions), table_name, schema)
        operations.invoke(cls(target, if_not_exists, migrate_data))

    def sql(self) -> str:
        """``SELECT create_hypertable(…)``."""
        first = call(
            "create_hypertable",
            self.relation,
            _by_range(self.target.column, self.target.chunk_time_interval),
            create_default_indexes=False,
            if_not_exists=self.if_not_exists or None,
            migrate_data=self.migrate_data or None,
        )
        return f"SELECT {first}"

    def statements(self) -> list[str]:
        """The hypertable, then its further dimensions."""
        partial = [replace(self.target, column="", dimensions=(each,)) for each in self.target.dimensions]
        return [self.sql(), *(AddDimension(each).sql() for each in partial)]

    def reverse(self) -> MigrateOperation:
        """There is no way back but dropping the table, which the reverse of its creation does."""
        return Nothing() if self.with_table else DropHypertable(self.target)

    def arguments(self) -> list[str]:
        """As in the call."""
        flags = [name for name in ("if_not_exists", "migrate_data") if getattr(self, name)]
        return [*rendered_fields(self.target, skip=()), *(f"{flag}=True" for flag in flags)]


class DropHypertable(HypertableOperation, name="drop_hypertable"):
    """Refuse: a hypertable cannot become a plain table again."""

    @classmethod
    def invoke(cls, operations: Operations, table_name: str, *, schema: str | None = None) -> NoReturn:
        """Refuse, with the way to a plain table.

        :raises IrreversibleOperation: always.
        """
        raise IrreversibleOperation(
            f"hypertable {table_name} cannot become a plain table again",
            hint="create a plain table, copy the rows, and swap the names; or drop the table if its rows are not "
            "needed, by replacing this line with op.drop_table",
        )

    def arguments(self) -> list[str]:
        """Only the name."""
        return _named(self.target)

    def reverse(self) -> Operation:
        """Creating it."""
        return CreateHypertable(self.target)


class AddDimension(HypertableOperation, name="add_dimension"):
    """Partition a hypertable by a further column; chunks that exist keep their extent."""

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        column: str,
        *,
        number_partitions: int | None = None,
        chunk_time_interval: Interval | None = None,
        schema: str | None = None,
    ) -> None:
        """Add a dimension: by hash with ``number_partitions``, by range with ``chunk_time_interval``."""
        dimension = Dimension(column, number_partitions, chunk_time_interval)
        operations.invoke(cls(Hypertable("", None, (dimension,), table_name, schema)))

    @property
    def dimension(self) -> Dimension:
        """The dimension that is added."""
        return self.target.dimensions[0]

    def sql(self) -> str:
        """``SELECT add_dimension(…)``."""
        return "SELECT " + call("add_dimension", self.relation, _dimension(self.dimension))

    def arguments(self) -> list[str]:
        """Name, column, and the partitioning."""
        return _named(self.target, *rendered_fields(self.dimension, skip=("name",)))

    def reverse(self) -> Operation:
        """TimescaleDB cannot remove a dimension."""
        return DropDimension(self.target)


class DropDimension(AddDimension, name="drop_dimension"):
    """Refuse: TimescaleDB cannot remove a dimension."""

    @classmethod
    def invoke(
        cls, operations: Operations, table_name: str, column: str, *, schema: str | None = None, **given: Any
    ) -> NoReturn:
        """Refuse, with the way to a hypertable without the dimension.

        :raises IrreversibleOperation: always.
        """
        raise IrreversibleOperation(
            f"dimension {column} of hypertable {table_name} cannot be removed",
            hint="create a hypertable without it, copy the rows, and swap the names",
        )

    def reverse(self) -> Operation:
        """Adding it."""
        return AddDimension(self.target)


class SetChunkTimeInterval(HypertableOperation, name="set_chunk_time_interval"):
    """Change the length of chunks to come; those that exist keep theirs."""

    def __init__(
        self,
        target: Hypertable,
        old_chunk_time_interval: Interval | None = None,
        dimension_name: str | None = None,
    ) -> None:
        super().__init__(target)
        self.old_chunk_time_interval = old_chunk_time_interval
        self.dimension_name = dimension_name

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
        """Set the length of chunks to come.

        :param dimension_name: column of the dimension, if the hypertable has more than one by range.
        :param old_chunk_time_interval: the length until now, so that the change can be reversed.
        """
        target = Hypertable("", chunk_time_interval, (), table_name, schema)
        operations.invoke(cls(target, old_chunk_time_interval, dimension_name))

    def sql(self) -> str:
        """``SELECT set_chunk_time_interval(…)``."""
        assert self.target.chunk_time_interval is not None
        return "SELECT " + call(
            "set_chunk_time_interval",
            self.relation,
            _length(self.target.chunk_time_interval),
            dimension_name=self.dimension_name,
        )

    def arguments(self) -> list[str]:
        """Name, the new interval, the old one."""
        parts = [repr_of(self.target.chunk_time_interval)]
        if self.dimension_name is not None:
            parts.append(f"dimension_name={repr_of(self.dimension_name)}")
        if self.old_chunk_time_interval is not None:
            parts.append(f"old_chunk_time_interval={repr_of(self.old_chunk_time_interval)}")
        return _named(self.target, *parts)

    def reverse(self) -> Operation:
        """Setting the old interval.

        :raises InvalidObject: if it is not known.
        """
        if self.old_chunk_time_interval is None:
            raise InvalidObject(
                f"set_chunk_time_interval of {self.target.name} does not know the old interval",
                hint="give old_chunk_time_interval=",
            )
        old = replace(self.target, chunk_time_interval=self.old_chunk_time_interval)
        return SetChunkTimeInterval(old, self.target.chunk_time_interval, self.dimension_name)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """With both intervals."""
        old, new = self.old_chunk_time_interval, self.target.chunk_time_interval
        return (self.verb, self.target.schema, self.target.name, old, new)


def _named(target: Hypertable, *others: str) -> list[str]:
    schema = [f"schema={repr_of(target.schema)}"] if target.schema else []
    return [repr_of(target.name), *others, *schema]
