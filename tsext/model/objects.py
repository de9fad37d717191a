"""Objects: nouns that a schema has beyond what SQLAlchemy's metadata can say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import MetaData, Table, event
from sqlalchemy.schema import SchemaItem

from tsext.errors import InvalidObject

INFO_KEY = "timescaledb"
"""Key of ``Table.info`` under which a model declares its objects."""


@dataclass(frozen=True)
class Object:
    """A noun: something a schema has, beyond what SQLAlchemy's metadata can say."""

    of_metadata: ClassVar[bool] = False
    """Whether it is declared in the info of a metadata."""


def objects_in(metadata: MetaData) -> list[Object]:
    """What the info of a metadata declares, in order.

    :raises InvalidObject: if it holds anything that does not belong there.
    """
    found = metadata.info.get(INFO_KEY, [])
    objects = list(found) if isinstance(found, list | tuple) else [found]
    for each in objects:
        if not isinstance(each, Object) or not each.of_metadata:
            raise InvalidObject(
                f'metadata.info["{INFO_KEY}"] holds {each!r}',
                hint="declare there tsext.ContinuousAggregate(…) and tsext.Job(…); what belongs to a table, in the "
                "table's arguments",
            )
    return objects


@dataclass(frozen=True, kw_only=True)
class TableObject(Object, SchemaItem):
    """A noun that belongs to a table, and may stand among the table's arguments, as a constraint does."""

    __visit_name__ = "timescaledb_object"

    several: ClassVar[bool] = False
    """Whether one table may have more than one of this kind."""

    name: str = ""
    """The table's name; empty until the object is taken from the table."""
    schema: str | None = None

    @property
    def key(self) -> tuple[str | None, str]:
        """Schema and name of the table, by which declared and found objects are matched."""
        return self.schema, self.name


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


@dataclass(frozen=True)
class Extension(Object):
    """An extension of PostgreSQL."""

    name: str
    schema: str | None = None
    version: str | None = None
    """None: the default version, and not compared."""

    def __post_init__(self) -> None:
        check_name("extension", self.name)


def check_name(what: str, name: object) -> None:
    """A name that could be one.

    :raises InvalidObject: unless it is a string that is not empty.
    """
    if not isinstance(name, str) or not name:
        raise InvalidObject(f"the {what} is {name!r}", hint="give its name, as a string")
