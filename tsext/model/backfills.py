"""Changes of many rows that are made in batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tsext.errors import InvalidObject
from tsext.model.objects import Object, check_name

COLUMNSTORE = ("convert", "direct")
"""How chunks are changed that are in the columnstore."""


@dataclass(frozen=True)
class RowChange(Object):
    """Rows of a table that are to be changed.

    :param set: what follows ``SET``, as SQL text; or columns and expressions.
    :param where: which rows, as SQL text; None: all.
    :param name: of the backfill; None: made of the rest.
    :raises InvalidObject: without a table or anything to set.
    """

    table_name: str
    set: str | Mapping[str, str]
    where: str | None = None
    name: str | None = None
    schema: str | None = None
    reverse_set: str | Mapping[str, str] | None = None
    reverse_where: str | None = None
    columnstore: str = "convert"

    def __post_init__(self) -> None:
        check_name("table of a backfill", self.table_name)
        if not self.set:
            raise InvalidObject(
                f"a backfill of {self.table_name} sets nothing", hint="""write set={"column": "expression"}"""
            )
        if self.columnstore not in COLUMNSTORE:
            raise InvalidObject(
                f"columnstore of a backfill of {self.table_name} is {self.columnstore!r}",
                hint=f"use one of: {', '.join(COLUMNSTORE)}",
            )
        if self.reverse_where is not None and self.reverse_set is None:
            raise InvalidObject(
                f"a backfill of {self.table_name} has reverse_where, but no reverse_set", hint="give both, or neither"
            )
