"""Indexes that are built and dropped without blocking writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tsext.errors import InvalidObject
from tsext.model.objects import Object, check_name


@dataclass(frozen=True)
class Index(Object):
    """An index of a table, as Alembic's ``op.create_index`` takes it.

    :param name: without its schema, which is that of the table.
    :param columns: names, or SQL expressions: ``sa.text("lower(name)")``.
    :param options: what else Alembic takes: ``postgresql_where``, ``postgresql_using``, ``postgresql_include`` …
    :raises InvalidObject: without a name or a column.
    """

    name: str
    table_name: str
    columns: Sequence[Any]
    schema: str | None = None
    unique: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name("name of an index", self.name)
        check_name(f"table of index {self.name}", self.table_name)
        given: Any = self.columns
        object.__setattr__(self, "columns", (given,) if isinstance(given, str) else tuple(given))
        if not self.columns:
            raise InvalidObject(f"index {self.name} has no columns", hint='name them: ["symbol", "time"]')
        if wrong := [each for each in self.options if each.startswith("postgresql_concurrently")]:
            raise InvalidObject(f"index {self.name} has {wrong[0]}", hint="leave it out: it always is")
