"""What of a table ``CREATE TABLE … LIKE`` leaves out, and another one has to be given to take its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from tsext.catalog.asking import rows
from tsext.sql.quoting import qualified

_PUBLICATIONS_SINCE = (15,)
"""PostgreSQL with publications of some columns and rows of a table."""


@dataclass(frozen=True)
class Publication:
    """A publication that a table is named in."""

    name: str
    """Quoted where needed, and so are the columns."""
    columns: tuple[str, ...]
    """None: all, also those to come."""
    condition: str | None
    """For the rows that are published."""


@dataclass(frozen=True)
class Privilege:
    """What a role may do with the table, with one of its columns, or with a sequence."""

    privilege: str
    """With the column, if it is one of a column."""
    grantee: str
    """Quoted where needed."""
    grantable: bool


@dataclass(frozen=True)
class ColumnSettings:
    """A column that has settings of its own."""

    name: str
    statistics: int | None
    """The target."""
    options: list[str] | None


@dataclass(frozen=True)
class IdentitySequence:
    """The sequence of an identity column."""

    column: str
    relation: str
    """As it stands in SQL."""
    name: str
    type: str
    comment: str | None
    privileges: tuple[Privilege, ...]

    @classmethod
    def of(cls, privileges: list[dict[str, Any]] | None, **given: Any) -> IdentitySequence:
        """As the query gives it."""
        return cls(**given, privileges=tuple(Privilege(**each) for each in privileges or ()))


@dataclass(frozen=True)
class IndexDetails:
    """What an index has beside its definition."""

    name: str
    comment: str | None
    clustered: bool
    """Whether the table is marked to be clustered on it."""
    tablespace: str | None
    """None: the database's."""
    statistics: dict[str, int] | None
    """Targets by the number of the column."""


@dataclass(frozen=True)
class ExtendedStatistics:
    """What ``CREATE STATISTICS`` makes."""

    schema: str
    name: str
    target: int | None
    comment: str | None
    owner: str
    """Quoted where needed."""
    definition: str
    """All after the name."""


@dataclass(frozen=True)
class TableDetails:
    """What of a table ``LIKE`` leaves out."""

    tablespace: str | None
    """Quoted where needed; None: the database's."""
    of_type: str | None
    """The type of a typed table."""
    toast_options: tuple[str, ...]
    """``toast.name=value``."""
    privileges: tuple[Privilege, ...]
    """Those of the owner, too."""
    columns: tuple[ColumnSettings, ...]
    sequences: tuple[IdentitySequence, ...]
    indexes: tuple[IndexDetails, ...]
    statistics: tuple[ExtendedStatistics, ...]
    view_rules: tuple[str, ...]
    """``CREATE RULE`` of views that do something with the table."""
    uses_of_row_type: tuple[str, ...]
    """In words."""
    published_with_all: tuple[str, ...]
    """Publications of all tables."""
    publications: tuple[Publication, ...]


def table_details(connection: Connection, name: str, schema: str | None) -> TableDetails | None:
    """All of a table that ``LIKE`` leaves out; None if there is none."""
    relation = qualified(name, schema)
    found = rows(connection, "table_details", relation=relation)
    if not found:
        return None
    given = dict(found[0]._mapping)
    for several in ("toast_options", "view_rules", "uses_of_row_type", "published_with_all"):
        given[several] = tuple(given[several] or ())
    for several, kind in _PARTS.items():
        given[several] = tuple(kind(**each) for each in given[several] or ())
    version = connection.dialect.server_version_info or _PUBLICATIONS_SINCE
    query = "table_publications" if version >= _PUBLICATIONS_SINCE else "table_publications_14"
    publications = (
        Publication(row.name, tuple(row.columns or ()), row.condition)
        for row in rows(connection, query, relation=relation)
    )
    return TableDetails(**given, publications=tuple(publications))


_PARTS: Mapping[str, Callable[..., Any]] = {
    "privileges": Privilege,
    "columns": ColumnSettings,
    "sequences": IdentitySequence.of,
    "indexes": IndexDetails,
    "statistics": ExtendedStatistics,
}
"""What a table has several of, by the names that the query has for them."""
