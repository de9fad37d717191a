"""What the tables and continuous aggregates of a metadata declare."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import MetaData, Table, event

from tsext.errors import InvalidObject
from tsext.model.aggregates import ContinuousAggregate, aggregates_of
from tsext.model.columnstore import Columnstore
from tsext.model.hypertables import Hypertable, facts_of
from tsext.model.objects import INFO_KEY, TableObject

T = TypeVar("T", bound=TableObject)


@event.listens_for(TableObject, "after_parent_attach", propagate=True)
def _declare(declared: TableObject, parent: object) -> None:
    """An object placed among a table's arguments is the same as one in the table's info."""
    if not isinstance(parent, Table):
        raise InvalidObject(
            f"a {type(declared).__name__} stands in {parent!r}",
            hint="place it among the arguments of the table, beside its columns",
        )
    there = objects_of(parent)
    if declared not in there:
        parent.info[INFO_KEY] = _checked(parent, [*there, declared])


def objects_of(table: Table) -> list[TableObject]:
    """What a table declares, in order.

    :raises InvalidObject: if its info holds anything else, or one kind twice.
    """
    found = table.info.get(INFO_KEY, [])
    return _checked(table, list(found) if isinstance(found, list | tuple) else [found])


def _checked(table: Table, objects: list[TableObject]) -> list[TableObject]:
    kinds = set()
    for each in objects:
        if not isinstance(each, TableObject):
            raise InvalidObject(
                f'table {table.fullname}: info["{INFO_KEY}"] is {each!r}', hint="declare tsext.Hypertable(…)"
            )
        if type(each) in kinds and not each.several:
            raise InvalidObject(
                f"table {table.fullname} declares a {type(each).__name__} twice", hint="keep one of them"
            )
        kinds.add(type(each))
    return objects


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
