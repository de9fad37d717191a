"""Continuous aggregates, their hierarchy, and their queries as the server prints them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext.catalog.asking import Key, key_of, rows
from tsext.catalog.installed import timescaledb
from tsext.catalog.partitioning import resolved
from tsext.errors import PreflightFailed
from tsext.model import AggregateIndex, ContinuousAggregate
from tsext.sql.quoting import qualified
from tsext.sql.sending import send, sqlstate


@dataclass(frozen=True)
class FoundAggregate:
    """A continuous aggregate, and what is known of it beyond what a model declares."""

    aggregate: ContinuousAggregate
    source: Key
    """What it aggregates: a hypertable, or another aggregate."""
    materialization: Key
    """The hypertable in which its groups are materialised."""
    source_hypertable: tuple[str, str]
    """The hypertable whose chunks it reads, by the full name."""

    @property
    def key(self) -> Key:
        """Schema and name of the aggregate."""
        return self.aggregate.key


def continuous_aggregates(connection: Connection) -> list[FoundAggregate]:
    """All continuous aggregates; each after the one that it aggregates."""
    if timescaledb(connection) is None:
        return []
    found = rows(connection, "continuous_aggregates")
    above = {(row.materialization_schema, row.materialization_name): (row.schema, row.name) for row in found}
    aggregates = {}
    for row in found:
        source = (row.source_schema, row.source_name)
        aggregates[key_of(connection, row.schema, row.name)] = FoundAggregate(
            _aggregate(connection, row),
            key_of(connection, *above.get(source, source)),
            key_of(connection, row.materialization_schema, row.materialization_name),
            source,
        )
    return sorted(aggregates.values(), key=lambda each: _depth(each, aggregates))


def aggregates_over(connection: Connection, relation: Key) -> list[FoundAggregate]:
    """The continuous aggregates over a hypertable, and those over them; each after the one that it aggregates."""
    found: list[FoundAggregate] = []
    for each in continuous_aggregates(connection):
        if each.source == relation or each.source in {below.key for below in found}:
            found.append(each)
    return found


@dataclass(frozen=True)
class SourceOfAggregate:
    """What a continuous aggregate reads, and where it keeps its groups; names as they stand in SQL."""

    id: int
    """TimescaleDB's id of the hypertable that its groups are kept in."""
    materialization: str
    """The name of that hypertable."""
    source: str
    """The hypertable that it reads; of one made of another aggregate, that in which the other one's groups are."""
    column: str
    """The time column of that hypertable."""
    type: str
    """The type of that column."""
    columns: tuple[str, ...]


def source_of_aggregate(connection: Connection, name: str, schema: str) -> SourceOfAggregate | None:
    """What a continuous aggregate reads; None if there is none of that name."""
    found = rows(connection, "source_of_aggregate", schema=schema, name=name)
    return next((SourceOfAggregate(**{**row._mapping, "columns": tuple(row.columns)}) for row in found), None)


def aggregate_query(connection: Connection, name: str, schema: str) -> str:
    """The query of a continuous aggregate; names that the search path finds are without their schema."""
    (found,) = rows(connection, "aggregate_query", schema=schema, name=name)
    return str(found.query)


def _depth(found: FoundAggregate, aggregates: dict[Key, FoundAggregate]) -> int:
    above = aggregates.get(found.source)
    return 0 if above is None else 1 + _depth(above, aggregates)


def _aggregate(connection: Connection, row: Any) -> ContinuousAggregate:
    schema, name = key_of(connection, row.schema, row.name)
    return ContinuousAggregate(
        name,
        row.query,
        schema=schema,
        materialized_only=row.materialized_only,
        create_group_indexes=row.create_group_indexes,
        chunk_interval=None if row.microseconds is None else timedelta(microseconds=row.microseconds),
        indexes=tuple(map(_index, row.indexes)),
    )


def _index(found: dict[str, Any]) -> AggregateIndex:
    parts = ((_expression(sql) if name is None else name, option) for name, option, sql in found["columns"])
    columns = tuple(f"{indexed}{_direction(option)}" for indexed, option in parts)
    return AggregateIndex(found["name"], columns, found["using"], found["where"])


def _expression(sql: str) -> str:
    """In parentheses, in which the server prints what is no call of a function."""
    return sql if sql.startswith("(") else f"({sql})"


def _direction(option: int) -> str:
    """Bit 0: descending. Bit 1: nulls first, which is the default of descending."""
    return {0: "", 1: " DESC NULLS LAST", 2: " NULLS FIRST", 3: " DESC"}[option & 3]


def continuous_aggregate(connection: Connection, name: str, schema: str | None = None) -> FoundAggregate | None:
    """The continuous aggregate that PostgreSQL finds under this name; None if there is none."""
    relation = resolved(connection, name, schema)
    if relation is None:
        return None
    found = (each for each in continuous_aggregates(connection) if each.key == key_of(connection, *relation))
    return next((replace(each, aggregate=replace(each.aggregate, name=name, schema=schema)) for each in found), None)


def extent(connection: Connection, found: FoundAggregate) -> tuple[datetime, datetime] | tuple[int, int] | None:
    """Where the chunks begin and end that an aggregate reads; None if there are none."""
    schema, name = found.source_hypertable
    row = rows(connection, "extent", schema=schema, name=name)[0]
    if row.start is not None:
        return row.start, row.end
    return None if row.start_integer is None else (row.start_integer, row.end_integer)


# --- queries


def is_query_of(connection: Connection, query: str, aggregate: ContinuousAggregate) -> bool:
    """Whether a query is that of a continuous aggregate, however it is written.

    The server decides: it prints both alike. To print a query, it makes a temporary view of it, in a savepoint that is
    rolled back. A query that the server does not take, such as one over what does not exist yet, is another one.

    :raises PreflightFailed: if the role or the transaction may not make a temporary view.
    """
    return query == aggregate.query or _printed(connection, query) == aggregate.query


def is_same_index(
    connection: Connection, aggregate: ContinuousAggregate, one: AggregateIndex, other: AggregateIndex
) -> bool:
    """Whether two indexes are the same, however their expressions are written; the server decides, as of queries."""
    if one == other:
        return True
    if one.form != other.form:
        return False
    view = qualified(aggregate.name, aggregate.schema)
    selected = [", ".join(f"{sql} AS e{n}" for n, sql in enumerate(each.expressions)) for each in (one, other)]
    printed = [_printed(connection, f"SELECT {each} FROM {view}") for each in selected]
    return printed[0] is not None and printed[0] == printed[1]


def _printed(connection: Connection, query: str) -> str | None:
    savepoint = connection.begin_nested()
    try:
        send(connection, f"CREATE TEMPORARY VIEW tsext_printed AS\n{query}")
        text = connection.exec_driver_sql("SELECT pg_get_viewdef('pg_temp.tsext_printed'::regclass)").scalar_one()
        return ContinuousAggregate("printed", text).query
    except DBAPIError as error:
        if sqlstate(error) in _FORBIDDEN:
            raise PreflightFailed(
                f"queries of continuous aggregates cannot be compared: {error.orig}".strip(),
                hint="run autogenerate in a transaction that is not read only, as a role that has TEMPORARY on the "
                "database and may read the tables",
            ) from error
        return None
    finally:
        savepoint.rollback()


_FORBIDDEN = {"25006", "42501"}
"""read_only_sql_transaction, insufficient_privilege."""
