"""What of a table ``CREATE TABLE … LIKE`` leaves out, and another one has to be given to take its place."""

from __future__ import annotations

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
class TableDetails:
    """What of a table ``LIKE`` leaves out; what several of are kept as dictionaries, as the query gives them."""

    tablespace: str | None
    """Quoted where needed; None: the database's."""
    of_type: str | None
    """The type of a typed table."""
    toast_options: tuple[str, ...]
    """``toast.name=value``."""
    privileges: tuple[dict[str, Any], ...]
    """``privilege``: with the column, if it is one of a column; ``grantee``: quoted where needed, ``grantable``; those
    of the owner, too."""
    columns: tuple[dict[str, Any], ...]
    """With settings of their own: ``name``, ``statistics``, ``options``."""
    sequences: tuple[dict[str, Any], ...]
    """Of identity columns: ``column``, ``relation``: as it stands in SQL, ``name``, ``type``, ``comment``,
    ``privileges``."""
    indexes: tuple[dict[str, Any], ...]
    """``name``, ``comment``, ``clustered``, ``tablespace``, ``statistics``: the target by the number of the column."""
    statistics: tuple[dict[str, Any], ...]
    """Extended ones: ``schema``, ``name``, ``target``, ``comment``, ``owner``, ``definition``: all after the name."""
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
    single = ("tablespace", "of_type")
    values = found[0]._mapping.items()
    given: dict[str, Any] = {field: value if field in single else tuple(value or ()) for field, value in values}
    version = connection.dialect.server_version_info or _PUBLICATIONS_SINCE
    query = "table_publications" if version >= _PUBLICATIONS_SINCE else "table_publications_14"
    publications = (
        Publication(row.name, tuple(row.columns or ()), row.condition)
        for row in rows(connection, query, relation=relation)
    )
    return TableDetails(**given, publications=tuple(publications))
