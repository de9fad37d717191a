"""The safe way, ready to paste: calls of the operations that do the same without making others wait."""

from __future__ import annotations

from typing import Any

from tsext.safety.names import Name, text, texts
from tsext.safety.reading import Reading
from tsext.sql import grammar

_ACTIONS = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT", "r": "RESTRICT"}
"""What is done to rows that refer to others that go or change: ``FKCONSTR_ACTION_…`` in parsenodes.h."""


def index(reading: Reading, table: Name, node: Any) -> str:
    """The arguments of ``op.create_index_concurrently``."""
    named = [each.index_elem.name for each in node.index_params if each.index_elem.name]
    name = node.idxname or "_".join(["ix", table.name, *named])
    given = [text(name), text(table.name), f"[{', '.join(_elements(reading, node))}]", *table.in_schema]
    given += ["unique=True"] if node.unique else []
    if node.access_method not in ("", "btree"):
        given.append(f"postgresql_using={text(node.access_method)}")
    if len(node.index_including_params):
        given.append(f"postgresql_include={texts(each.index_elem.name for each in node.index_including_params)}")
    if node.nulls_not_distinct:
        given.append("postgresql_nulls_not_distinct=True")
    if node.HasField("where_clause"):
        given.append(f"postgresql_where=sa.text({text(grammar.condition(reading.source))})")
    return ", ".join(given)


def _elements(reading: Reading, node: Any) -> list[str]:
    """Columns by name, everything else as it is written."""
    inside = grammar.in_parentheses(reading.source, node.relation.location)
    written = grammar.items(inside) if inside is not None else []
    if len(written) != len(node.index_params):
        return [text(each.index_elem.name or "…") for each in node.index_params]
    plain = [each.index_elem.name if _is_plain(each.index_elem) else None for each in node.index_params]
    return [f"sa.text({text(sql)})" if name is None else text(name) for name, sql in zip(plain, written, strict=True)]


def _is_plain(element: Any) -> bool:
    ordering = grammar.enum_name("SortByDir", element.ordering)
    nulls = grammar.enum_name("SortByNulls", element.nulls_ordering)
    more = len(element.opclass) or len(element.collation)
    return bool(element.name) and not more and (ordering, nulls) == ("SORTBY_DEFAULT", "SORTBY_NULLS_DEFAULT")


def check(reading: Reading, table: Name, constraint: Any) -> str:
    """The arguments of ``op.add_check``."""
    condition = grammar.in_parentheses(reading.source, constraint.location) or "…"
    name = constraint.conname or f"ck_{table.name}"
    return ", ".join([text(name), text(table.name), text(condition), *table.in_schema])


def foreign_key(reading: Reading, table: Name, constraint: Any, columns: list[str]) -> str:
    """The arguments of ``op.add_foreign_key``."""
    referenced = Name.of_range(constraint.pktable)
    name = constraint.conname or "_".join(["fk", table.name, *columns])
    remote = [each.string.sval for each in constraint.pk_attrs] or _primary_key(reading, referenced)
    given = [text(name), text(table.name), text(referenced.name), texts(columns), texts(remote)]
    for word, action in (("ondelete", constraint.fk_del_action), ("onupdate", constraint.fk_upd_action)):
        given += [f"{word}={text(_ACTIONS[action])}"] if action in _ACTIONS else []
    given += ["deferrable=True"] if constraint.deferrable else []
    given += ["initially_deferred=True"] if constraint.initdeferred else []
    given += [f"source_schema={text(table.schema)}"] if table.schema else []
    given += [f"referent_schema={text(referenced.schema)}"] if referenced.schema else []
    return ", ".join(given)


def _primary_key(reading: Reading, table: Name) -> list[str]:
    keys = (each.columns for each in reading.constraints(table) if each.kind == "p")
    return list(next(keys, ("id",)))


def unique(table: Name, constraint: Any, columns: list[str]) -> str:
    """The arguments of ``op.add_unique``."""
    name = constraint.conname or "_".join(["uq", table.name, *columns])
    return ", ".join([text(name), text(table.name), texts(columns), *table.in_schema])
