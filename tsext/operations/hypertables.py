"""Verbs over hypertables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NoReturn

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import CHUNK_SKIPPING, TIMESCALEDB, UUID_PARTITIONING, Dimension, Hypertable, Interval, TableFacts
from tsext.operations.operation import Operation, refuse_without
from tsext.operations.optional import leaves_out
from tsext.operations.rendering import Code, arguments_of, code_of, flags_of, schema_of
from tsext.sql.quoting import Raw, call, regclass, shown


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
        return [code_of(self.table_name), *arguments, *schema_of(self.schema)]

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
        return shown(self.table_name, self.schema)


class CreateHypertable(HypertableOperation, name="create_hypertable", noun=Hypertable):
    """Partition a table by ranges of a column.

    :param with_table: whether the same revision creates the table, so that dropping it undoes both.
    """

    arguments_need = {"chunk_skipping": CHUNK_SKIPPING}

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
        integer_now_func: str | None = None,
        chunk_skipping: Sequence[str] | None = None,
        tablespaces: Sequence[str] | None = None,
    ) -> None:
        """Turn a table into a hypertable, partitioned by ranges of ``column``.

        :param table_name: the table, without its schema.
        :param column: of type timestamptz, timestamp, date, an integer type, or a UUIDv7; it becomes NOT NULL.
        :param chunk_time_interval: length of a chunk: ``timedelta``, text such as ``"12 hours"``, or, for an integer
            column, an integer. None takes the server's default.
        :param dimensions: further dimensions.
        :param if_not_exists: do nothing if it is a hypertable already.
        :param migrate_data: move the rows of a table that has some; locks it against everything for the whole copy.
        :param create_default_indexes: let TimescaleDB make its own index on the column, which no model declares.
        :param partitioning_func: function that makes a time of a column of another type.
        :param time_column_name: the same as ``column``.
        :param partitioning_column: with ``number_partitions`` the same as one dimension by hash.
        :param integer_now_func: as :meth:`set_integer_now_func` has it.
        :param chunk_skipping: columns, as :meth:`enable_chunk_skipping` has them.
        :param tablespaces: as :meth:`attach_tablespace` has them.
        :raises InvalidObject: for what TimescaleDB would refuse.
        :raises FeatureNotSupported: for a UUID below TimescaleDB 2.22, and chunk skipping below 2.17.1.
        """
        target = Hypertable(
            _column(table_name, column, time_column_name),
            chunk_time_interval,
            (*dimensions, *_by_hash(table_name, partitioning_column, number_partitions)),
            partitioning_func,
            integer_now_func,
            None if chunk_skipping is None else tuple(chunk_skipping),
            None if tablespaces is None else tuple(tablespaces),
            name=table_name,
            schema=schema,
        )
        flags = {"if_not_exists": if_not_exists, "migrate_data": migrate_data}
        operations.invoke(cls(target, **flags, create_default_indexes=create_default_indexes))

    def need(self, connection: Connection) -> None:
        """Refuse what this server does not have, chunk skipping included."""
        super().need(connection)
        if self.target.chunk_skipping:
            refuse_without(CHUNK_SKIPPING, catalog.timescaledb(connection), f"op.{self.verb} with chunk_skipping")

    def check(self, connection: Connection) -> None:
        """Refuse a table that cannot be partitioned so."""
        facts = self.facts(connection)
        if catalog.hypertable(connection, self.table_name, self.schema) is None:
            facts.check(self.target)
            need_uuid(connection, facts, self.target)
            check_now_function(connection, self.target)
            check_tablespaces(connection, self.target.tablespaces or ())
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
        """The hypertable, then its further dimensions, then what is set on it."""
        return [self.sql(), *map(self._add, self.target.dimensions or ()), *self._settings()]

    def _add(self, dimension: Dimension) -> str:
        return add_dimension(self.relation, dimension, if_not_exists=self.if_not_exists)

    def _settings(self) -> Iterator[str]:
        target, again = self.target, self.if_not_exists
        if target.integer_now_func is not None:
            yield set_integer_now_func(self.relation, target.integer_now_func, replace_if_exists=again)
        for column in target.chunk_skipping or ():
            yield enable_chunk_skipping(self.relation, column, if_not_exists=again)
        for tablespace in target.tablespaces or ():
            # that of the table itself is attached by now
            yield attach_tablespace(self.relation, tablespace, if_not_attached=True)

    def reverse(self) -> DropHypertable:
        """There is no way back but dropping the table, which the reverse of its creation does."""
        return DropHypertable(self.target, with_table=self.with_table)

    def arguments(self) -> list[Code]:
        """Name, column, and what differs from the defaults."""
        flags = flags_of(self, "if_not_exists", "migrate_data", "create_default_indexes")
        return self.call_of(*arguments_of(self.target, skip=("name", "schema")), *flags)


def _column(table_name: str, column: str | None, time_column_name: str | None) -> str:
    """The column by either of its names; empty if it is not given.

    :raises InvalidObject: if they are two columns.
    """
    if column is not None and time_column_name not in (None, column):
        raise InvalidObject(
            f"create_hypertable of {table_name} has both column={column!r} and {time_column_name=!s}",
            hint="leave one of them out",
        )
    return column or time_column_name or ""


def _by_hash(table_name: str, partitioning_column: str | None, number_partitions: int | None) -> Iterator[Dimension]:
    """The dimension that is given as TimescaleDB's older function has it, if one is.

    :raises InvalidObject: if it has no column.
    """
    if partitioning_column is not None:
        yield Dimension(partitioning_column, number_partitions)
    elif number_partitions is not None:
        raise InvalidObject(
            f"create_hypertable of {table_name} has number_partitions, but no column for them",
            hint='give partitioning_column, or dimensions=[Dimension("device", number_partitions=4)]',
        )


class DropHypertable(HypertableOperation, name="drop_hypertable", noun=Hypertable):
    """Refuse: a hypertable cannot become a plain table again.

    :param with_table: whether the same revision drops the table; there is then nothing left to do.
    """

    def __init__(self, target: Hypertable, *, with_table: bool = False) -> None:
        super().__init__(target.name, target.schema)
        self.target = target
        self.with_table = with_table

    @classmethod
    def invoke(cls, operations: Operations, table_name: str, *, schema: str | None = None) -> None:
        """Refuse, with the way to a plain table.

        :raises IrreversibleOperation: always.
        """
        if not leaves_out(operations, f"{cls.verb}({code_of(table_name)})"):
            cls.refuse(table_name)

    @staticmethod
    def refuse(table_name: str) -> NoReturn:
        """Tell the way to a plain table.

        :raises IrreversibleOperation: always.
        """
        raise IrreversibleOperation(
            f"hypertable {table_name} cannot become a plain table again",
            hint=f'op.convert_to_table("{table_name}") moves its rows into one while others write; or, if nobody needs '
            "them, replace this line by op.drop_table",
        )

    def statements(self) -> list[str]:
        """None, if the table is dropped.

        :raises IrreversibleOperation: if it is not.
        """
        return [] if self.with_table else self.refuse(self.table_name)

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


def set_integer_now_func(relation: Raw, function: str, *, replace_if_exists: bool) -> str:
    """``SELECT set_integer_now_func(…)``."""
    return "SELECT " + call("set_integer_now_func", relation, function, replace_if_exists=replace_if_exists or None)


def enable_chunk_skipping(relation: Raw, column: str, *, if_not_exists: bool) -> str:
    """``SELECT set_config(…), enable_chunk_skipping(…)``."""
    return skipping(call("enable_chunk_skipping", relation, column, if_not_exists=if_not_exists or None))


def skipping(function: Raw) -> str:
    """A call for which the setting must be on; it stays on to the end of the transaction."""
    # In one statement, so that it holds outside a transaction, too.
    return f"SELECT set_config('timescaledb.enable_chunk_skipping', 'on', true), {function}"


def attach_tablespace(relation: Raw, tablespace: str, *, if_not_attached: bool) -> str:
    """``SELECT attach_tablespace(…)``."""
    return "SELECT " + call("attach_tablespace", tablespace, relation, if_not_attached=if_not_attached or None)


# --- what the server would refuse


def need_uuid(connection: Connection, facts: TableFacts, hypertable: Hypertable) -> None:
    """Refuse a dimension by ranges of a UUID where there can be none.

    :raises FeatureNotSupported: below TimescaleDB 2.22.
    """
    for column in hypertable.intervals:
        if facts.columns[column] == "uuid" and column not in hypertable.functions:
            refuse_without(UUID_PARTITIONING, catalog.timescaledb(connection), f"column {column} of {facts.name}")


def check_now_function(connection: Connection, hypertable: Hypertable) -> None:
    """Refuse a function that cannot tell the time of a hypertable's column.

    :raises InvalidObject: naming what is wrong with it.
    """
    name = hypertable.integer_now_func
    if name is None:
        return
    found = catalog.now_function(connection, name, hypertable)
    if found is None:
        raise InvalidObject(
            f"there is no function {name}, or more than one",
            hint=f"create it first: CREATE FUNCTION {name}() RETURNS … STABLE …",
        )
    if found.arguments or found.is_volatile or found.returns != found.column_type:
        raise InvalidObject(
            f"function {name} cannot tell what is now in column {hypertable.column}, which is of type "
            f"{found.column_type}",
            hint=f"it must take no arguments, be STABLE, and return {found.column_type}",
        )


def check_tablespaces(connection: Connection, wanted: Collection[str]) -> None:
    """Refuse tablespaces that do not exist.

    :raises InvalidObject: naming them.
    """
    there = catalog.tablespaces(connection) if wanted else []
    if missing := [name for name in wanted if name not in there]:
        raise InvalidObject(
            f"there is no tablespace {', '.join(missing)}",
            hint=f"the server has {', '.join(there)}; create it outside of migrations: CREATE TABLESPACE … LOCATION …",
        )
