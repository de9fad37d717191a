"""Columns that are added without making others wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, DefaultClause

from tsext.errors import InvalidObject
from tsext.model.objects import Object, check_name


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
