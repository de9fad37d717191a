"""Continuous aggregates of a table that gets another shape: what makes others like them over the new table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill.repartition.aggregates import Aggregate, beside
from tsext.backfill.repartition.move import CAPTURE
from tsext.model.aggregates import AggregateIndex, is_expression
from tsext.operations.aggregates import CreateContinuousAggregate
from tsext.operations.columnstore import EnableColumnstore
from tsext.operations.swapping import copied_privileges
from tsext.sql.quoting import call, identifier, literal, qualified, regclass


def made_again(connection: Connection, relation: catalog.Relation, place: str) -> tuple[dict[str, Any], ...]:
    """What the move keeps of the aggregates of a hypertable.

    :param relation: its schema and name.
    :param place: the schema in which they are made.
    """
    found = catalog.aggregates_over(connection, catalog.key_of(connection, *relation))
    return tuple(asdict(_made_again(connection, each, place)) for each in found)


def _made_again(connection: Connection, found: catalog.FoundAggregate, place: str) -> Aggregate:
    name, schema = found.aggregate.name, found.aggregate.schema or connection.dialect.default_schema_name or ""
    create = CreateContinuousAggregate(replace(found.aggregate, schema=place, chunk_interval=None))
    indexes = found.aggregate.indexes or ()
    return Aggregate(
        name, schema, create.head(), tuple(_settings(connection, found, schema, place)), tuple(x.name for x in indexes)
    )


def _settings(connection: Connection, found: catalog.FoundAggregate, schema: str, place: str) -> Iterator[str]:
    name = found.aggregate.name
    made = qualified(name, place)
    if found.aggregate.chunk_interval is not None:
        yield "SELECT " + call("set_chunk_time_interval", regclass(name, place), found.aggregate.chunk_interval)
    columnstore = catalog.columnstore(connection, name, schema)
    if columnstore is not None:
        enable = EnableColumnstore(replace(columnstore, name=name, schema=place), continuous_aggregate=True)
        enable.timescaledb = catalog.timescaledb(connection)
        yield enable.sql()
    for index in found.aggregate.indexes or ():
        yield _index(index, beside(index.name, place), made)
    view = catalog.moved_table(connection, name, schema, CAPTURE)
    if view is not None and view.comment is not None:
        yield f"COMMENT ON VIEW {made} IS {literal(view.comment)}"
    yield copied_privileges(regclass(name, schema), made)


def _index(index: AggregateIndex, name: str, made: str) -> str:
    parts = ((column if is_expression(column) else identifier(column), direction) for column, direction in index.parts)
    columns = ", ".join(map("".join, parts))
    where = f" WHERE {index.where}" if index.where else ""
    return f"CREATE INDEX {identifier(name)} ON {made} USING {index.using} ({columns}){where}"
