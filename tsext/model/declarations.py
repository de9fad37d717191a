"""What the tables and continuous aggregates of a metadata declare."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import MetaData, Table

from tsext.model.aggregates import ContinuousAggregate, aggregates_of
from tsext.model.columnstore import Columnstore
from tsext.model.hypertables import Hypertable, facts_of
from tsext.model.objects import TableObject, objects_of

T = TypeVar("T", bound=TableObject)


def declared(metadata: MetaData, kind: type[T]) -> Iterator[tuple[Table | ContinuousAggregate, T]]:
    """The objects of one kind that a metadata declares, each with the name of its table or continuous aggregate.

    :raises InvalidObject: if a declaration does not fit its table.
    """
    for table in metadata.tables.values():
        for each in objects_of(table):
            if isinstance(each, kind):
                named = replace(each, name=table.name, schema=table.schema)
                if isinstance(named, Hypertable):
                    facts_of(table).check(named)
                if isinstance(named, Columnstore):
                    named.check(facts_of(table), _partitioned_by(table))
                yield table, named
    for aggregate in aggregates_of(metadata):
        for each in aggregate.objects:
            if isinstance(each, kind):
                yield aggregate, replace(each, name=aggregate.name, schema=aggregate.schema)


def _partitioned_by(table: Table) -> str | None:
    return next((each.column for each in objects_of(table) if isinstance(each, Hypertable)), None)
