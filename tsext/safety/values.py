"""What PostgreSQL refuses of the values that statements give to columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tsext.safety import definitions, rules
from tsext.safety.names import Name
from tsext.safety.reading import Reading

_LOOKED_AT = 100
"""How many rows of an ``INSERT``: the others are most likely as they are."""


def refuse_rows(reading: Reading, node: Any) -> None:
    """``INSERT``: values that are more or fewer than the columns, or not theirs; conflicts that no key tells."""
    table, named = Name.of_range(node.relation), [each.res_target.name for each in node.cols]
    lists = node.select_stmt.select_stmt.values_lists if node.HasField("select_stmt") else ()
    for each in lists[:_LOOKED_AT] if named else ():
        if len(each.list.items) != len(named):
            what = f"{len(each.list.items)} values for {len(named)} columns"
            reading.report(rules.REFUSED, table, what=what, cure="give one for each column")
            break
        refuse(reading, table, list(zip(named, each.list.items, strict=True)))
    _refuse_conflict(reading, table, node)


def refuse(reading: Reading, table: Name, given: Sequence[tuple[str, Any]]) -> None:
    """Values of columns that are generated, and literals that are none of the column's type."""
    for column, value in given:
        if value.WhichOneof("node") == "set_to_default":
            continue
        if definitions.source_of(reading, table, column) == "generated":
            reading.report(rules.REFUSED, table, what=f"a value for {column}, which is generated", cure="leave it out")
        definitions.refuse_literal(reading, table, reading.type_of(table, column), value)


def _refuse_conflict(reading: Reading, table: Name, node: Any) -> None:
    """``ON CONFLICT (…)`` of columns that no unique key has."""
    infer, state = node.on_conflict_clause.infer, reading.state(table)
    named = {each.index_elem.name for each in infer.index_elems}
    plain = named and all(named) and not infer.HasField("where_clause")
    if not plain or not reading.knows(table) or state.keys or state.columns or not reading.need_columns(table, *named):
        return
    keys = [set(each.columns[: len(named)]) for each in reading.indexes(table) if each.unique]
    if named not in keys:
        shown = ", ".join(sorted(named))
        reading.report(rules.REFUSED, table, what=f"ON CONFLICT ({shown}), which is no key", cure="add a unique key")
