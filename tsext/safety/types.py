"""Types: whether a change of one rewrites the table, and whether values may be lost.

Source: ``ATColumnChangeRequiresRewrite`` in PostgreSQL's tablecmds.c, and the support functions that simplify casts to
the same type with another length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

_ALIASES = {
    "int2": "smallint", "int4": "integer", "int8": "bigint", "int": "integer", "float4": "real",
    "float8": "double precision", "bool": "boolean", "bpchar": "character", "char": "character",
    "varchar": "character varying", "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone", "timetz": "time with time zone", "time": "time without time zone",
    "varbit": "bit varying", "decimal": "numeric",
}  # fmt: skip

SERIAL = frozenset({"serial", "serial2", "serial4", "serial8", "smallserial", "bigserial"})

_COERCIBLE = {
    ("character varying", "text"), ("text", "character varying"), ("citext", "text"), ("text", "citext"),
    ("citext", "character varying"), ("character varying", "citext"), ("cidr", "inet"), ("xml", "text"),
    ("xml", "character varying"), ("integer", "oid"), ("oid", "integer"), ("regclass", "oid"), ("oid", "regclass"),
    ("pg_node_tree", "text"), ("bit", "bit varying"), ("integer", "regclass"),
}  # fmt: skip
"""Pairs of types that have the same bytes."""

_SAME_INDEX = ({"character varying", "text"}, {"cidr", "inet"}, {"oid", "regclass"})
"""Those of them that have the same operator classes, so that indexes stay as they are."""

_ZONED = {"timestamp with time zone", "timestamp without time zone"}

_MODIFIED = {
    "character varying", "numeric", "bit varying", "interval", "timestamp with time zone",
    "timestamp without time zone", "time with time zone", "time without time zone",
}  # fmt: skip
"""Types of which a longer one needs no rewrite."""

_PRECISE = {each for each in _MODIFIED if "time" in each or each == "interval"}
_MICROSECONDS = 6
"""The greatest precision of times, which says the same as none."""

_SECONDS = 1 << 12
"""In the mask of an interval's fields: with seconds, as ``interval day to second`` has them, nothing is cut off."""

_ORDERED = ("smallint", "integer", "bigint", "numeric")


class Type(NamedTuple):
    """A type: its name as ``format_type`` writes it, and its modifiers."""

    name: str
    modifiers: tuple[int, ...] = ()
    array: bool = False

    def __str__(self) -> str:
        modifiers = f"({','.join(map(str, self.modifiers))})" if self.modifiers else ""
        return f"{self.name}{modifiers}{'[]' if self.array else ''}"


INTEGER = Type("integer")


@dataclass(frozen=True)
class Change:
    """What a change of type does."""

    rewrites: bool
    reindexes: bool = False
    """Whether indexes of the column are built anew."""
    narrows: bool = False
    """Whether values may not fit."""


def of_node(node: Any) -> Type:
    """Of a ``TypeName``."""
    names = [each.string.sval for each in node.names]
    name = names[-1] if names else ""
    schema = names[-2] if len(names) > 1 else None
    known = _ALIASES.get(name, name)
    shown = known if schema in (None, "pg_catalog") else f"{schema}.{name}"
    modifiers = tuple(each.a_const.ival.ival for each in node.typmods if each.a_const.WhichOneof("val") == "ival")
    if known == "character" and not modifiers and name == "bpchar" and schema == "pg_catalog":
        modifiers = (1,)
    if known == "interval" and modifiers:
        # the first says which fields it has
        shown, modifiers = (shown, modifiers[1:]) if modifiers[0] & _SECONDS else (f"interval {modifiers[0]}", ())
    if known in _PRECISE and modifiers == (_MICROSECONDS,):
        modifiers = ()
    return Type(shown, modifiers, bool(len(node.array_bounds)))


_NUMBERED = {"bigserial": "bigint", "serial8": "bigint", "smallserial": "smallint", "serial2": "smallint"}


def of_new_column(node: Any) -> Type:
    """Of the ``TypeName`` of a column that is added: a serial is an integer."""
    given = of_node(node)
    return Type(_NUMBERED.get(given.name, "integer")) if given.name in SERIAL else given


def of_text(text: str) -> Type:
    """Of what ``format_type`` writes."""
    array = text.endswith("[]")
    given = re.search(r"\(([\d,]+)\)", text)
    modifiers = tuple(int(each) for each in given[1].split(",")) if given else ()
    name = re.sub(r"\([\d,]+\)|\[\]", "", text)
    if name.startswith("interval ") and name.endswith("second"):
        name = "interval"
    if name in _PRECISE and modifiers == (_MICROSECONDS,):
        modifiers = ()
    return Type(name, modifiers, array)


_WIDEST = {"text", "character varying", "numeric", "inet", "interval", "time without time zone",
           "time with time zone", "timestamp without time zone"}  # fmt: skip
"""What columns are usually widened to: with no length or precision, it holds all that a narrower one did."""


def is_usually_wider(new: Type) -> bool:
    """Whether a column that gets this type most likely had a narrower one with the same bytes."""
    return new.name in _WIDEST and not new.modifiers and not new.array


def change(old: Type, new: Type, *, utc: bool) -> Change:
    """What it does to give a column another type.

    :param utc: whether the session's time zone is UTC.
    """
    if old == new:
        return Change(rewrites=False)
    if old.array or new.array:
        return Change(rewrites=True)
    if old.name == new.name:
        grows = _grows(old, new)
        return Change(rewrites=not (grows and old.name in _MODIFIED), narrows=not grows)
    if {old.name, new.name} == _ZONED:
        return Change(rewrites=not (utc and _grows(old, new)), reindexes=True)
    if (old.name, new.name) in _COERCIBLE:
        # a length is cast from one type to the other row by row, even where all values fit
        reindexes = {old.name, new.name} not in _SAME_INDEX
        return Change(bool(new.modifiers), reindexes=reindexes, narrows=not _grows(old, new))
    return Change(rewrites=True, narrows=_narrows(old, new))


def _grows(old: Type, new: Type) -> bool:
    """Whether all that fits into the old fits into the new."""
    if not new.modifiers:
        return True
    if not old.modifiers:
        return False
    if old.name == new.name == "numeric":
        scales = [each.modifiers[1] if len(each.modifiers) > 1 else 0 for each in (old, new)]
        return scales[0] == scales[1] and new.modifiers[0] >= old.modifiers[0]
    return new.modifiers[0] >= old.modifiers[0]


def _narrows(old: Type, new: Type) -> bool:
    if old.name in _ORDERED and new.name in _ORDERED:
        return _ORDERED.index(new.name) < _ORDERED.index(old.name)
    return old.name in ("double precision", "numeric", "timestamp with time zone", "timestamp without time zone") and (
        new.name in ("real", "integer", "bigint", "smallint", "date")
    )
