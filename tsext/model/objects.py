"""Objects: nouns that a schema has beyond what SQLAlchemy's metadata can say."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.schema import SchemaItem

from tsext.errors import InvalidObject

INFO_KEY = "timescaledb"
"""Key of ``Table.info`` under which a model declares its objects."""


@dataclass(frozen=True)
class Object:
    """A noun: something a schema has, beyond what SQLAlchemy's metadata can say."""


@dataclass(frozen=True, kw_only=True)
class TableObject(Object, SchemaItem):
    """A noun that belongs to a table, and may stand among the table's arguments, as a constraint does."""

    __visit_name__ = "timescaledb_object"

    name: str = ""
    """The table's name; empty until the object is taken from the table."""
    schema: str | None = None

    @property
    def key(self) -> tuple[str | None, str]:
        """Schema and name of the table, by which declared and found objects are matched."""
        return self.schema, self.name


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
