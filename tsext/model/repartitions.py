"""The shape that a table is to have, in which its rows are moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tsext.errors import InvalidObject
from tsext.model.hypertables import Dimension
from tsext.model.intervals import Interval
from tsext.model.objects import Object, check_name


@dataclass(frozen=True)
class Repartition(Object):
    """The shape that a table is to have.

    :param column: of the ranges by which it is partitioned; None: the one it has now.
    :param chunk_time_interval: None: the one it has now.
    :param dimensions: None: those it has now.
    :param types: new types by column, as SQL text.
    :param using: expressions over the old columns, by new column; a cast, where there is none.
    :param existing_using: expressions over the new columns, for the way back.
    :param plain: whether it is to be a plain table.
    """

    table_name: str
    column: str | None = None
    chunk_time_interval: Interval | None = None
    dimensions: tuple[Dimension, ...] | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    using: Mapping[str, str] = field(default_factory=dict)
    existing_using: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False
    schema: str | None = None

    def __post_init__(self) -> None:
        check_name("table to repartition", self.table_name)
        if extra := sorted((self.using.keys() | self.existing_using.keys()) - self.types.keys()):
            raise InvalidObject(
                f"there is an expression for {', '.join(extra)}, but no type", hint="give its type, too: types={…}"
            )

    @property
    def given(self) -> dict[str, Any]:
        """What it says of the shape, by the names of arguments."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _TABLE}
        return {name: value for name, value in values.items() if value is not None and value not in ({}, False)}


_TABLE = ("table_name", "schema")
