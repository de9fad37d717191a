"""What an index or a generated column cannot have: expressions that may change their value, types without an order."""

from __future__ import annotations

from typing import Any

from tsext.safety import rules
from tsext.safety.names import Name
from tsext.safety.reading import Reading
from tsext.safety.types import of_node
from tsext.sql import grammar

_STABLE = {
    "now", "transaction_timestamp", "statement_timestamp", "to_char", "concat", "concat_ws", "array_to_string",
    "current_setting", "to_json", "to_jsonb", "row_to_json", "unaccent", "current_schema", "pg_backend_pid",
    "localtimestamp", "current_user", "session_user",
}  # fmt: skip
"""Functions of PostgreSQL that are stable, whatever their arguments."""

_STABLE_ALONE = {"age", "to_tsvector", "to_tsquery", "plainto_tsquery"}
"""Those that are with one argument, since a setting stands for the other."""


def refuse_changing(reading: Reading, table: Name, what: str, *expressions: Any) -> None:
    """Functions that are not immutable."""
    for expression in expressions:
        if name := _changing(reading, table, expression):
            cure = f"use what is immutable instead of {name}"
            reading.report(rules.REFUSED, table, what=f"{what} by {name}, which is not immutable", cure=cure)


_OF_ZONED = {"date", "date_trunc", "date_part", "extract", "timestamp", "time"}
"""Functions that depend on the session's time zone, if their argument is a timestamptz."""


def _asks_time_zone(reading: Reading, table: Name, node: Any) -> bool:
    """Whether a cast or call makes something of a column that is a timestamptz, which depends on the time zone."""
    given = [node.arg] if node.DESCRIPTOR.name == "TypeCast" else list(node.args)
    named = [each.column_ref.fields[-1].string.sval for each in given if each.WhichOneof("node") == "column_ref"]
    found = [reading.type_of(table, each) for each in named]
    return any(each is not None and each.name == "timestamp with time zone" and not each.array for each in found)


def _changing(reading: Reading, table: Name, expression: Any) -> str | None:
    if len(grammar.find(expression, "SQLValueFunction")):
        return "what differs from one session, or moment, to another"
    for each in grammar.find(expression, "TypeCast"):
        target = of_node(each.type_name).name
        if target != "timestamp with time zone" and _asks_time_zone(reading, table, each):
            return f"a cast of timestamptz to {target}"
    for each in grammar.find(expression, "FuncCall"):
        name = Name.of_list(each.funcname).name
        if name in _OF_ZONED and _asks_time_zone(reading, table, each):
            return f"{name}() of a timestamptz"
        own = name in reading.script.functions or name in reading.facts.made
        if reading.script.is_volatile(each):
            return f"{name}()"
        if not own and (name in _STABLE or (name in _STABLE_ALONE and len(each.args) == 1)):
            return f"{name}()"
    return None


_SCALAR = {
    "smallint", "integer", "bigint", "numeric", "real", "double precision", "text", "character varying", "character",
    "boolean", "date", "timestamp with time zone", "timestamp without time zone", "uuid",
}  # fmt: skip
"""Types that GIN and GiST have an operator class for only by an extension."""


def refuse_method(reading: Reading, table: Name, node: Any) -> None:
    """An access method for which a column has no operator class, or which has no such indexes."""
    method = node.access_method or "btree"
    if method == "hash" and (node.unique or len(node.index_params) > 1):
        cure = "USING btree"
        reading.report(rules.REFUSED, table, what="a hash index that is unique, or of several columns", cure=cure)
    database = reading.facts.database
    extensions = (database.extensions if database is not None else frozenset()) | reading.script.extensions
    for each in (one.index_elem for one in node.index_params):
        type_ = reading.type_of(table, each.name) if each.name and not len(each.opclass) else None
        if type_ is None:
            continue
        lacks = {"gin": "btree_gin", "gist": "btree_gist"}.get(method)
        scalar = lacks is not None and type_.name in _SCALAR and not type_.array and lacks not in extensions
        if scalar and reading.facts.is_complete and not reading.script.blind:
            cure = f"name an operator class, or CREATE EXTENSION {lacks} first"
            reading.report(rules.REFUSED, table, what=f"{method} over {each.name}, a {type_}", cure=cure)
        elif type_.name == "json" and method in ("btree", "hash", "gin") and not type_.array:
            reading.report(rules.REFUSED, table, what=f"an index of {each.name}, a json", cure="use jsonb")
