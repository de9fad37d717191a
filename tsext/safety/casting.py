"""Which values of one type PostgreSQL takes for those of another: casts, comparisons, and what a literal says.

Source: ``pg_cast`` and ``pg_amop`` of PostgreSQL 18, and the input functions of types.
"""

from __future__ import annotations

import re

from tsext.safety.types import Type

_GROUPS = {
    "string": {"text", "character varying", "character", "name"},
    "number": {"smallint", "integer", "bigint", "numeric", "real", "double precision"},
    "moment": {"date", "timestamp without time zone", "timestamp with time zone"},
    "json": {"json", "jsonb"},
    "network": {"inet", "cidr"},
    "boolean": {"boolean"}, "uuid": {"uuid"}, "bytea": {"bytea"}, "time": {"time without time zone"},
    "interval": {"interval"},
}  # fmt: skip
_GROUP_OF = {each: group for group, names in _GROUPS.items() for each in names}

_ALSO = {("time", "interval"), ("interval", "time")}
"""Groups that are assigned to one another all the same."""

_INTEGERS = {"smallint", "integer", "bigint"}


def is_assignable(old: Type, new: Type) -> bool | None:
    """Whether a column may be given another type without USING; None if that is not known."""
    before, after = _GROUP_OF.get(old.name), _GROUP_OF.get(new.name)
    if after == "string" and not new.array:
        return True
    if before is None or after is None:
        return None
    if old.array != new.array:
        return False
    moment_to_time = before == "moment" and after == "time" and old.name != "date"
    return before == after or (before, after) in _ALSO or moment_to_time


def can_refer(column: Type, key: Type) -> bool | None:
    """Whether a foreign key may have such a column, and refer to such a key; None if that is not known."""
    before, after = _GROUP_OF.get(column.name), _GROUP_OF.get(key.name)
    if before is None or after is None or column.array or key.array or column.name == "name" or key.name == "name":
        return None
    if before == after == "number":
        if column.name in _INTEGERS:
            return True  # which become what the key is
        return key.name not in _INTEGERS and (column.name == key.name or key.name in ("real", "double precision"))
    return before == after


_BOOLEAN = re.compile(r"\s*(t|tr|tru|true|f|fa|fal|fals|false|y|ye|yes|n|no|on|of|off|0|1)\s*", re.IGNORECASE)
_INTEGER = re.compile(r"\s*[-+]?(\d+(_\d+)*|0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+)\s*")
_UUID = re.compile(r"\{?[\da-fA-F]{4}(-?[\da-fA-F]{4}){7}\}?")


def says(text: str, type_: Type) -> bool:
    """Whether a literal may be of a type."""
    if type_.array:
        return True
    patterns = {"boolean": _BOOLEAN, "uuid": _UUID, **dict.fromkeys(_INTEGERS, _INTEGER)}
    pattern = patterns.get(type_.name)
    return pattern is None or pattern.fullmatch(text) is not None
