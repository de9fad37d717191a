"""Verbs over continuous aggregates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

from alembic.operations import Operations
from sqlalchemy import Connection, Select

from tsext import catalog
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import (
    AGGREGATE_CHUNK_INTERVAL,
    AGGREGATE_COLUMNS,
    CONTINUOUS_AGGREGATES,
    ContinuousAggregate,
    Interval,
)
from tsext.operations.operation import Operation, refuse_without
from tsext.operations.rendering import Code, arguments_of, code_of, flags_of, schema_of
from tsext.sql.quoting import identifier, literal, qualified, shown
from tsext.sql.quoting import interval as interval_literal

MADE_BY_IT = "the revision that is undone made it"
"""Why an aggregate may go when its creation is undone."""


class AggregateOperation(Operation):
    """A verb over a continuous aggregate, by its name and schema."""

    needs = CONTINUOUS_AGGREGATES

    def __init__(self, name: str, schema: str | None) -> None:
        self.name = name
        self.schema = schema

    @property
    def relation(self) -> str:
        """The aggregate's name as it stands in SQL."""
        return qualified(self.name, self.schema)

    @property
    def shown(self) -> str:
        """The aggregate, for messages."""
        return shown(self.name, self.schema)

    def call_of(self, *arguments: Code) -> list[Code]:
        """The aggregate's name, what is given, and the schema if there is one."""
        return [code_of(self.name), *arguments, *schema_of(self.schema)]

    def check(self, connection: Connection) -> None:
        """Refuse an aggregate that does not exist."""
        self.found(connection)

    def found(self, connection: Connection) -> catalog.FoundAggregate:
        """The aggregate this is about.

        :raises InvalidObject: if there is none.
        """
        found = catalog.continuous_aggregate(connection, self.name, self.schema)
        if found is None:
            schema, dot, name = self.name.partition(".")
            hint = f'give the schema apart: "{name}", schema="{schema}"' if dot else "create it first"
            raise InvalidObject(
                f"op.{self.verb}: there is no continuous aggregate {self.shown}", hint=f"{hint}, or correct its name"
            )
        return found


class CreateContinuousAggregate(AggregateOperation, name="create_continuous_aggregate", noun=ContinuousAggregate):
    """Create a continuous aggregate, empty."""

    def __init__(self, target: ContinuousAggregate, *, if_not_exists: bool = False, note: str = "") -> None:
        super().__init__(target.name, target.schema)
        self.target = replace(target, indexes=(), objects=())
        self.if_not_exists = if_not_exists
        self.note = note

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        name: str,
        query: str | Select[Any],
        *,
        materialized_only: bool | None = None,
        create_group_indexes: bool | None = None,
        chunk_interval: Interval | None = None,
        if_not_exists: bool = False,
        with_data: bool = False,
        schema: str | None = None,
    ) -> None:
        """Create a continuous aggregate, empty: ``op.refresh_continuous_aggregate`` or a policy fills it.

        :param query: SQL text, sent as it is, or a ``select(…)``.
        :param materialized_only: False: what is not yet materialised is computed when read.
        :param create_group_indexes: False: TimescaleDB does not index the columns of GROUP BY.
        :param chunk_interval: length of the chunks of what is materialised; TimescaleDB 2.20 and later.
        :param if_not_exists: do nothing if there is one with the same query; refuse one with another.
        :param with_data: refused: filling it cannot run in a transaction.
        :raises InvalidObject: for what TimescaleDB would refuse.
        :raises FeatureNotSupported: in the Apache edition.
        """
        if with_data:
            raise InvalidObject(
                f"continuous aggregate {name} cannot be filled when it is created: that cannot run in a transaction",
                hint=f'leave with_data out, and fill it next: op.refresh_continuous_aggregate("{name}", None, None)',
            )
        target = ContinuousAggregate(
            name,
            query,  # type: ignore[arg-type]  # which is made a text there
            schema=schema,
            materialized_only=materialized_only,
            create_group_indexes=create_group_indexes,
            chunk_interval=chunk_interval,
        )
        operations.invoke(cls(target, if_not_exists=if_not_exists))

    def need(self, connection: Connection) -> None:
        """Its chunk_interval needs a newer server than the aggregate itself."""
        super().need(connection)
        if self.target.chunk_interval is not None:
            refuse_without(AGGREGATE_CHUNK_INTERVAL, catalog.timescaledb(connection), f"op.{self.verb}")

    def check(self, connection: Connection) -> None:
        """Refuse a name that is taken."""
        found = catalog.continuous_aggregate(connection, self.name, self.schema)
        if found is None:
            return
        if not self.if_not_exists:
            raise InvalidObject(
                f"there is a continuous aggregate {self.shown} already",
                hint="remove the operation, or give if_not_exists=True",
            )
        if not catalog.is_query_of(connection, self.target.query, found.aggregate):
            raise InvalidObject(
                f"there is a continuous aggregate {self.shown} already, with another query",
                hint=f'drop it first: op.drop_continuous_aggregate("{self.name}", allow_data_loss="…"), or choose '
                "another name",
            )

    def head(self) -> str:
        """``CREATE MATERIALIZED VIEW … WITH (timescaledb.continuous …) AS``; what follows is the query."""
        given = {name: getattr(self.target, name) for name in ("materialized_only", "create_group_indexes")}
        given["chunk_interval"] = self.target.chunk_interval
        options = ", ".join(["timescaledb.continuous", *_options(given)])
        exists = "IF NOT EXISTS " if self.if_not_exists else ""
        return f"CREATE MATERIALIZED VIEW {exists}{self.relation} WITH ({options}) AS"

    def sql(self) -> str:
        """``CREATE MATERIALIZED VIEW … WITH (timescaledb.continuous …) AS … WITH NO DATA``.

        :raises InvalidObject: if its query is not one SELECT.
        """
        return f"{self.head()}\n{_checked_query(self.shown, self.target.query)}\nWITH NO DATA"

    def arguments(self) -> list[Code]:
        """Name, query, and what differs from the defaults."""
        options = arguments_of(self.target, skip=("name", "query", "schema"))
        return self.call_of(code_of(self.target.query), *options, *flags_of(self, "if_not_exists"))

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """With the schema, as Alembic's own."""
        return (self.verb, self.schema, self.name)

    def reverse(self) -> DropContinuousAggregate:
        """Dropping it."""
        return DropContinuousAggregate(self.target, allow_data_loss=MADE_BY_IT)


class DropContinuousAggregate(AggregateOperation, name="drop_continuous_aggregate", noun=ContinuousAggregate):
    """Drop a continuous aggregate, and with it whatever the raw data no longer has."""

    def __init__(self, target: ContinuousAggregate, *, allow_data_loss: str | None = None) -> None:
        super().__init__(target.name, target.schema)
        self.target = replace(target, indexes=(), objects=())
        self.allow_data_loss = allow_data_loss
        if not allow_data_loss:
            self.note = 'Refused until you state why its history may go: allow_data_loss="…".'

    @classmethod
    def invoke(
        cls, operations: Operations, name: str, *, allow_data_loss: str | None = None, schema: str | None = None
    ) -> None:
        """Drop a continuous aggregate. What it holds of times whose raw data are gone, nothing can bring back.

        :param allow_data_loss: why that may go.
        :raises IrreversibleOperation: without a reason.
        :raises InvalidObject: if there is none, or another aggregates it.
        """
        operations.invoke(cls(ContinuousAggregate(name, "dropped", schema=schema), allow_data_loss=allow_data_loss))

    def check(self, connection: Connection) -> None:
        """Refuse one that others are made of."""
        mine = self.found(connection).materialization
        above = [each for each in catalog.continuous_aggregates(connection) if each.source_hypertable == mine]
        if above:
            names = ", ".join(".".join(filter(None, each.key)) for each in above)
            raise InvalidObject(
                f"continuous aggregate {self.shown} cannot be dropped: {names} is made of it",
                hint=f"drop {names} first",
            )

    def sql(self) -> str:
        """``DROP MATERIALIZED VIEW …``.

        :raises IrreversibleOperation: without a reason.
        """
        if not self.allow_data_loss or not self.allow_data_loss.strip():
            raise IrreversibleOperation(
                f"dropping continuous aggregate {self.shown} loses what it holds of times whose raw data are gone",
                hint='if that may go, say why: allow_data_loss="replaced by daily"; to keep it under another name, use '
                f'op.rename_continuous_aggregate("{self.name}", "{self.name}_old")',
            )
        return f"DROP MATERIALIZED VIEW {self.relation}"

    def arguments(self) -> list[Code]:
        """Name, and the reason, or that there is none yet."""
        return self.call_of(code_of(self.allow_data_loss, "allow_data_loss"))

    def reverse(self) -> CreateContinuousAggregate:
        """Creating it, empty."""
        return CreateContinuousAggregate(
            self.target,
            note=f'Empty: fill it with op.refresh_continuous_aggregate("{self.name}", None, None). What it held of '
            "times whose raw data are gone is lost.",
        )


class AlterContinuousAggregate(AggregateOperation, name="alter_continuous_aggregate", noun=ContinuousAggregate):
    """Change options of a continuous aggregate; knows the old ones, so that it can be reversed.

    :param new: option and value.
    :param old: the same, until now.
    """

    def __init__(self, name: str, new: Mapping[str, Any], old: Mapping[str, Any], *, schema: str | None = None) -> None:
        super().__init__(name, schema)
        self.new = {option: value for option, value in new.items() if value is not None}
        self.old = {option: value for option, value in old.items() if value is not None}
        if not self.new:
            raise InvalidObject(
                f"op.{self.verb} of {self.shown} changes nothing", hint="give materialized_only= or chunk_interval="
            )

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        name: str,
        *,
        materialized_only: bool | None = None,
        old_materialized_only: bool | None = None,
        chunk_interval: Interval | None = None,
        old_chunk_interval: Interval | None = None,
        schema: str | None = None,
    ) -> None:
        """Change options of a continuous aggregate; the old values are those by which it is reversed.

        :param materialized_only: False: what is not yet materialised is computed when read.
        :param chunk_interval: length of the chunks to come of what is materialised; TimescaleDB 2.20 and later.
        :raises InvalidObject: if there is no such aggregate, or nothing to change.
        """

        def options(only: bool | None, length: Interval | None) -> dict[str, Any]:
            checked = ContinuousAggregate(name, "altered", materialized_only=only, chunk_interval=length)
            return {"materialized_only": only, "chunk_interval": checked.chunk_interval}

        new = options(materialized_only, chunk_interval)
        operations.invoke(cls(name, new, options(old_materialized_only, old_chunk_interval), schema=schema))

    def need(self, connection: Connection) -> None:
        """Its chunk_interval needs a newer server than the aggregate itself."""
        super().need(connection)
        if "chunk_interval" in self.new:
            refuse_without(AGGREGATE_CHUNK_INTERVAL, catalog.timescaledb(connection), f"op.{self.verb}")

    def sql(self) -> str:
        """``ALTER MATERIALIZED VIEW … SET (…)``."""
        return f"ALTER MATERIALIZED VIEW {self.relation} SET ({', '.join(_options(self.new))})"

    def arguments(self) -> list[Code]:
        """Name, each new value, each old one."""
        parts = []
        for option, value in self.new.items():
            parts.append(code_of(value, option))
            if option in self.old:
                parts.append(code_of(self.old[option], f"old_{option}"))
        return self.call_of(*parts)

    def reverse(self) -> AlterContinuousAggregate:
        """Setting the old values.

        :raises IrreversibleOperation: if one is not known.
        """
        if missing := [option for option in self.new if option not in self.old]:
            raise IrreversibleOperation(
                f"{self.verb} of {self.shown} does not know the old {missing[0]}", hint=f"give old_{missing[0]}="
            )
        return AlterContinuousAggregate(self.name, self.old, self.new, schema=self.schema)


class AddAggregateColumn(AggregateOperation, name="add_continuous_aggregate_column", noun=ContinuousAggregate):
    """Let a continuous aggregate compute one more column."""

    needs = AGGREGATE_COLUMNS

    def __init__(self, name: str, column: str, type_: str, expression: str, *, schema: str | None = None) -> None:
        super().__init__(name, schema)
        self.column = column
        self.type_ = type_
        self.expression = expression

    @classmethod
    def invoke(
        cls, operations: Operations, name: str, column: str, type_: str, expression: str, *, schema: str | None = None
    ) -> None:
        """Let a continuous aggregate compute one more column; TimescaleDB 2.28 and later.

        Groups that are materialised already have NULL there, until a refresh with ``force=True``. No way back.

        :param type_: as SQL text: ``"numeric"``.
        :param expression: of aggregate functions, as SQL text: ``"max(price)"``.
        :raises FeatureNotSupported: if the server is older.
        """
        operations.invoke(cls(name, column, type_, expression, schema=schema))

    def sql(self) -> str:
        """``ALTER MATERIALIZED VIEW … ADD COLUMN … GENERATED ALWAYS AS (…) STORED``."""
        column = f"{identifier(self.column)} {self.type_} GENERATED ALWAYS AS ({self.expression}) STORED"
        return f"ALTER MATERIALIZED VIEW {self.relation} ADD COLUMN {column}"

    def arguments(self) -> list[Code]:
        """Name, column, type, expression."""
        return self.call_of(*map(code_of, (self.column, self.type_, self.expression)))

    def reverse(self) -> NoReturn:
        """TimescaleDB cannot drop a column of one.

        :raises IrreversibleOperation: always.
        """
        raise IrreversibleOperation(
            f"column {self.column} of continuous aggregate {self.shown} cannot be dropped",
            hint="create an aggregate without it beside this one, fill it, and swap the names",
        )


# --- parts of statements


def _options(given: Mapping[str, Any]) -> list[str]:
    """Options as they stand in ``WITH (…)``, where an interval is plain text."""
    texts = {
        name: interval_literal(value).removeprefix("INTERVAL ") if isinstance(value, timedelta) else literal(value)
        for name, value in given.items()
        if value is not None
    }
    return [f"timescaledb.{name} = {text}" for name, text in texts.items()]


def _checked_query(shown: str, query: str) -> str:
    from tsext.sql import grammar  # most runs do not need it

    try:
        statements = grammar.parse(query).statements
    except grammar.GrammarError as error:
        raise InvalidObject(
            f"the query of continuous aggregate {shown} is no SQL: {error.message}", hint="correct it"
        ) from error
    tree = grammar.tree(query)
    if len(statements) != 1 or (tree is not None and tree[0] != "select_stmt"):
        raise InvalidObject(
            f"the query of continuous aggregate {shown} is not one SELECT", hint="give one SELECT … GROUP BY …"
        )
    return query
