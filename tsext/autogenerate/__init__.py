"""Subtraction: what models declare, minus what the database has, gives operations; and no noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

IncludeName = Callable[[str | None, str, Mapping[str, Any]], bool]

_BOOKKEEPING = "tsext"
_HISTORY = "migration_history"
_THEIRS = ("_timescaledb", "timescaledb_", "tsext_new_", "tsext_old_")
"""How names of schemas begin; the last two of those in which a table is while it is repartitioned, or afterwards."""


def include_name(theirs: IncludeName | None = None) -> IncludeName:
    """A filter for ``context.configure(include_name=…)`` that hides TimescaleDB's and tsext's own tables.

    By name and before reflection, because reflecting thousands of chunks takes minutes.

    :param theirs: the project's own filter, asked afterwards.
    """

    def include(name: str | None, type_: str, parent_names: Mapping[str, Any]) -> bool:
        if type_ == "schema" and is_internal(name):
            return False
        if type_ == "table" and name == _HISTORY and parent_names.get("schema_name") is None:
            return False
        return theirs is None or theirs(name, type_, parent_names)

    return include


def is_internal(schema: str | None) -> bool:
    """Whether a schema is TimescaleDB's or tsext's own."""
    return schema is not None and (schema == _BOOKKEEPING or schema.startswith(_THEIRS))
