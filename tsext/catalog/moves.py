"""All of a table that another one needs to take its place, and the chunks that its rows are in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from tsext.catalog.asking import rows
from tsext.sql.quoting import qualified


@dataclass(frozen=True)
class MovedColumn:
    """A column, and the type that decides how it is hashed."""

    name: str
    type: str
    """As ``format_type`` writes it."""
    not_null: bool
    generated: str
    """``pg_attribute.attgenerated``: empty if it is not."""
    identity: str
    """``pg_attribute.attidentity``: empty if it is none."""
    base: str
    """Name of the type, or of the one that a domain is made of."""
    schema: str
    """Where that type is."""
    element: str
    """Name of the type of an array's elements."""
    kind: str
    """``pg_type.typtype`` of it: ``b`` base, ``e`` enum, ``r`` range, ``c`` composite …"""
    sequence: str | None
    """The one that it owns, as it stands in SQL."""


@dataclass(frozen=True)
class MovedConstraint:
    """A constraint of the table."""

    name: str
    kind: str
    """``pg_constraint.contype``: ``c`` check, ``f`` foreign key, ``p``, ``u``, ``x``."""
    definition: str
    valid: bool
    comment: str | None
    refers: str | None
    """The table that a foreign key refers to, as it stands in SQL; None, if that is the table itself."""
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns or ()))  # a CHECK may have none


@dataclass(frozen=True)
class ReferringKey:
    """A foreign key of another table that refers to the table."""

    name: str
    table: str
    """The other one, as it stands in SQL."""
    definition: str
    valid: bool
    comment: str | None


@dataclass(frozen=True)
class MovedTrigger:
    """A trigger of the table."""

    name: str
    definition: str
    enabled: str
    """``pg_trigger.tgenabled``: ``O`` as usual, ``D`` disabled, ``A`` always, ``R`` on replicas."""
    comment: str | None


@dataclass(frozen=True)
class MovedPolicy:
    """A row security policy of the table."""

    name: str
    permissive: bool
    command: str
    """``pg_policy.polcmd``: ``r`` SELECT, ``a`` INSERT, ``w`` UPDATE, ``d`` DELETE, ``*`` all."""
    roles: tuple[str, ...]
    """As they stand in SQL."""
    using: str | None
    check: str | None
    comment: str | None


@dataclass(frozen=True)
class ReadingView:
    """A view that reads the table."""

    name: str
    """As it stands in SQL."""
    kind: str
    """``pg_class.relkind``."""


@dataclass(frozen=True)
class MovedTable:
    """A table that another one is to take the place of."""

    schema: str
    name: str
    kind: str
    persistence: str
    owner: str
    options: tuple[str, ...]
    comment: str | None
    row_security: bool
    force_row_security: bool
    replica_identity: str
    identity_index: str | None
    is_child: bool
    has_children: bool
    columns: tuple[MovedColumn, ...]
    constraints: tuple[MovedConstraint, ...]
    """Foreign keys last."""
    referencing: tuple[ReferringKey, ...]
    triggers: tuple[MovedTrigger, ...]
    """None of ours."""
    policies: tuple[MovedPolicy, ...]
    views: tuple[ReadingView, ...]
    functions: tuple[str, ...]
    """That depend on it, in words."""
    has_rules: bool

    def __str__(self) -> str:
        return qualified(self.name, self.schema)

    @property
    def referring(self) -> tuple[str, ...]:
        """The tables whose foreign keys refer to it, each once, as they stand in SQL."""
        return tuple(dict.fromkeys(each.table for each in self.referencing))

    @property
    def referred(self) -> tuple[str, ...]:
        """The tables that its foreign keys refer to, each once, as they stand in SQL."""
        return tuple(dict.fromkeys(each.refers for each in self.constraints if each.refers))

    def column(self, name: str) -> MovedColumn | None:
        """The column of that name."""
        return next((each for each in self.columns if each.name == name), None)


@dataclass(frozen=True)
class SourceChunk:
    """A chunk, and the range of the first dimension that it is for."""

    name: str
    """As it stands in SQL."""
    lower: str
    """As text that the column's type reads."""
    upper: str


def moved_table(connection: Connection, name: str, schema: str | None, ours: str) -> MovedTable | None:
    """A table as it is; None if there is none.

    :param ours: how the names of triggers begin that are not its own.
    """
    found = rows(connection, "moved_table", relation=qualified(name, schema), ours=ours)
    if not found:
        return None
    given = dict(found[0]._mapping)
    for several in ("options", "functions"):
        given[several] = tuple(given[several] or ())
    for several, kind in _PARTS.items():
        given[several] = tuple(kind(**each) for each in given[several] or ())
    return MovedTable(**given)


_PARTS: Mapping[str, Callable[..., Any]] = {
    "columns": MovedColumn,
    "constraints": MovedConstraint,
    "referencing": ReferringKey,
    "triggers": MovedTrigger,
    "policies": MovedPolicy,
    "views": ReadingView,
}
"""What a table has several of, by the names that the query has for them."""


def row_estimate(connection: Connection, relation: str) -> int:
    """About how many rows a table has, with its chunks."""
    return int(rows(connection, "row_estimate", relation=relation)[0].rows)


def leads_index(connection: Connection, relation: str, column: str) -> bool:
    """Whether rows are found by a column, as it is the first one of an index of all rows.

    :param column: as it stands in SQL.
    """
    return bool(rows(connection, "leads_index", relation=relation, column=column)[0].leads)


def source_chunks(connection: Connection, name: str, schema: str) -> list[SourceChunk]:
    """The chunks of a hypertable, in the order of their ranges; those of several partitions have the same."""
    return [_chunk(row) for row in rows(connection, "source_chunks", schema=schema, name=name)]


def chunk_range(connection: Connection, chunk: str) -> SourceChunk:
    """A chunk.

    :param chunk: as it stands in SQL.
    """
    return _chunk(rows(connection, "chunk_range", chunk=chunk)[0])


def chunks_like_columnstore(connection: Connection, name: str, old: str, new: str) -> list[str]:
    """The chunks of a hypertable that are for times of which another one has all chunks in the columnstore.

    :param name: of both.
    :param old: schema of the other one.
    :param new: schema of the one whose chunks are told, as they stand in SQL.
    """
    return [row.name for row in rows(connection, "chunks_like_columnstore", name=name, old=old, new=new)]


def _chunk(row: Any) -> SourceChunk:
    return SourceChunk(row.name, row.lower or row.lower_integer, row.upper or row.upper_integer)


def views_of_columns(connection: Connection, table: str, columns: Iterable[str]) -> list[tuple[str, str]]:
    """Schema and name of the views that read some columns; also those that a continuous aggregate is made of.

    :param table: as it stands in SQL.
    """
    return [
        (row.schema, row.name) for row in rows(connection, "views_of_columns", relation=table, columns=list(columns))
    ]


def table_mark(connection: Connection, table: str) -> str:
    """What differs once anybody has altered a table.

    :param table: as it stands in SQL.
    """
    (found,) = rows(connection, "table_mark", table=table)
    return str(found.mark)


def view_query(connection: Connection, view: str) -> tuple[str, list[str] | None]:
    """The query of a view, and its options as they stand in SQL.

    :param view: as it stands in SQL.
    """
    (found,) = rows(connection, "view", view=view)
    return found.query, found.options
