"""Where the rows of a table are: what work on many of them is divided by."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from tsext.catalog.asking import rows
from tsext.sql.quoting import qualified
from tsext.sql.sending import ask


@dataclass(frozen=True)
class Heap:
    """A table that holds rows itself: a plain one, a partition, or a chunk."""

    schema: str
    name: str
    tuples: int
    """As of the last VACUUM or ANALYZE; 0 if there was none."""
    primary_key: tuple[str, ...]
    """Its columns; none if it has no primary key."""
    inherits: bool = False
    """Whether it is a chunk, or a child of another plain table."""

    def __str__(self) -> str:
        return qualified(self.name, self.schema)


@dataclass(frozen=True)
class Updating:
    """What an UPDATE of a table does, and one of the tables that hold its rows, each by itself, does not."""

    is_table: bool
    """Whether it is one, partitioned or not, or a hypertable; a view is none."""
    elsewhere: tuple[str, ...]
    """Partitions that are foreign tables."""
    triggers: tuple[str, ...]
    """Triggers for each statement, which fire for the table that is named in it."""


@dataclass(frozen=True)
class ColumnState:
    """A column that is there."""

    type: str
    """As the server prints it."""
    not_null: bool
    same_type: bool
    """Whether it is of the type that was asked about, whatever the modifiers."""
    generated: bool
    """Whether it is an identity, or generated."""


def heaps(connection: Connection, name: str, schema: str | None = None) -> list[Heap]:
    """The tables that hold the rows of a table: itself, its partitions, or its chunks."""
    found = rows(connection, "heaps", relation=qualified(name, schema))
    return [Heap(row.schema, row.name, row.tuples, tuple(row.primary_key), row.inherits) for row in found]


def updating(connection: Connection, name: str, schema: str | None = None) -> Updating | None:
    """What there is to know before a table is changed part by part; None if it is not there."""
    found = rows(connection, "updating", relation=qualified(name, schema))
    return Updating(found[0].kind in "rp", tuple(found[0].elsewhere), tuple(found[0].triggers)) if found else None


def row_order(connection: Connection, relation: str, time: str | None = None) -> tuple[str, ...]:
    """Columns in whose order the rows can be gone through by an index; none, if there are no such.

    :param time: of a hypertable, the column it is partitioned by: of which equal values stay together.
    """
    found = rows(connection, "row_order", relation=relation, time=time)
    return tuple(found[0].columns) if found else ()


def quantiles(connection: Connection, heap: Heap, column: str, parts: int) -> list[str]:
    """Values of a column that divide the rows into about equal parts, as text; fewer, where less is known."""
    found = rows(connection, "quantiles", schema=heap.schema, name=heap.name, column=column)
    bounds = found[0].bounds if found and found[0].bounds else []
    inner = bounds[1:-1]
    step = max(1, -(-len(inner) // max(1, parts - 1)))
    return list(inner[step // 2 :: step])


def vacuumed(connection: Connection, relation: str) -> str | None:
    """Which part of a table a VACUUM is at work on; None if none is.

    :param relation: the table, as it stands in SQL.
    """
    found = rows(connection, "vacuuming", relation=relation)
    return f"{found[0].relation} ({found[0].phase})" if found else None


def is_there(connection: Connection, heap: Heap | str) -> bool:
    """Whether nobody has dropped it meanwhile."""
    query = "SELECT to_regclass(%(relation)s) IS NOT NULL"
    return bool(connection.exec_driver_sql(query, {"relation": str(heap)}).scalar())


def page_count(connection: Connection, heap: Heap | str) -> int:
    """How many pages of 8 kB it has; 0 if it has been dropped meanwhile."""
    query = "SELECT coalesce(pg_relation_size(to_regclass(%(relation)s)), 0) / current_setting('block_size')::int"
    return int(connection.exec_driver_sql(query, {"relation": str(heap)}).scalar_one())


def rows_by_page(connection: Connection, heap: Heap, where: str) -> list[tuple[int, int]]:
    """The pages that have rows of some kind, each with how many, in their order."""
    query = (
        f"SELECT (ctid::text::point)[0]::bigint AS page, count(*) FROM ONLY {heap} "
        f"WHERE {where} GROUP BY page ORDER BY page"
    )
    found = ask(connection, query)
    return [(page, count) for page, count in found]


def column_state(connection: Connection, table: str, schema: str | None, column: str, type_: str) -> ColumnState | None:
    """A column of a table; None if there is none of that name.

    :param type_: the type it is compared with, as SQL.
    """
    found = rows(connection, "column_state", relation=qualified(table, schema), column=column, type=type_)
    return (
        ColumnState(found[0].type, found[0].not_null, bool(found[0].same_type), found[0].generated) if found else None
    )
