"""Columns that are added or changed without making others wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, DefaultClause

from tsext.errors import InvalidObject
from tsext.model.objects import Object, check_name

SYNC = "zz_tsext_sync"
"""How the names of triggers begin that keep two columns equal, of which their arguments are the names.

Triggers run in the order of their names, and these after those that change the row.
"""


@dataclass(frozen=True)
class ColumnWithDefault(Object):
    """A column of a table with a default that gives each row a value of its own.

    :raises InvalidObject: without a table, a name or a default, or if the column has a constraint or an index.
    """

    table_name: str
    column: Column[Any]
    schema: str | None = None

    def __post_init__(self) -> None:
        check_name("table of a column", self.table_name)
        if not isinstance(self.column, Column):
            raise InvalidObject(
                f"the column of {self.table_name} is {self.column!r}", hint="write sa.Column(name, type, …)"
            )
        check_name(f"column of {self.table_name}", self.column.name)
        if not isinstance(self.column.server_default, DefaultClause):
            raise InvalidObject(
                f"column {self.column.name} of {self.table_name} has no server_default",
                hint="write server_default=sa.text(…); without a default use op.add_column",
            )
        column = self.column
        if column.primary_key or column.unique or column.index or column.foreign_keys or column.constraints:
            raise InvalidObject(
                f"column {column.name} of {self.table_name} has a constraint or an index beside its default",
                hint="add it afterwards: op.add_unique, op.add_foreign_key, op.add_check, op.create_index_concurrently",
            )


@dataclass(frozen=True)
class ColumnChange(Object):
    """A column that is to have another type, or another name, with a second one beside it meanwhile.

    :param twin: the column beside it.
    :param type_: of the twin, as SQL text; None where it is that of the column.
    :param using: an SQL expression over the columns, from which the twin gets its value; None where PostgreSQL needs
        none to store it.
    :raises InvalidObject: without a table, or if both columns have one name.
    """

    table_name: str
    column: str
    twin: str
    type_: str | None = None
    using: str | None = None
    schema: str | None = None

    def __post_init__(self) -> None:
        check_name("table of a column", self.table_name)
        check_name(f"column of {self.table_name}", self.column)
        check_name(f"column beside {self.table_name}.{self.column}", self.twin)
        if self.column == self.twin:
            raise InvalidObject(f"column {self.column} of {self.table_name} has that name", hint="give another")


@dataclass(frozen=True)
class ColumnType(Object):
    """A column of a hypertable with a columnstore that is to have another type.

    :param type_: as SQL text, and so the existing one, if it is known.
    :param using: an SQL expression over the columns; None for a cast.
    """

    table_name: str
    column: str
    type_: str
    existing_type: str | None = None
    using: str | None = None
    schema: str | None = None

    def __post_init__(self) -> None:
        check_name("table of a column", self.table_name)
        check_name(f"column of {self.table_name}", self.column)
