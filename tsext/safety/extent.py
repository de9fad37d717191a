"""How many rows of a table a statement is about, as far as that can be told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tsext.model.locks import Work
from tsext.safety.expressions import columns_in, truth
from tsext.safety.facts import estimate
from tsext.safety.names import Name
from tsext.safety.reading import Reading
from tsext.safety.tables import read_whole
from tsext.sql import grammar

MANY = 100_000
"""How many rows take long to write."""


_LONG = timedelta(seconds=1)
"""For how long nobody minds that rows are locked."""


def is_large(reading: Reading, table: Name) -> bool | None:
    """Whether it takes long to write all of its rows; None if its size is not known."""
    duration = estimate(Work.REWRITE, reading.find(table))
    return None if duration is None else duration >= _LONG


def sources(node: Any) -> Any:
    """What else an UPDATE or DELETE reads."""
    return node.from_clause if node.DESCRIPTOR.name == "UpdateStmt" else node.using_clause


def is_batch(reading: Reading, node: Any) -> bool:
    """Whether a query says which rows, and how many at most."""
    named = {each.range_var.relname for each in sources(node)}
    queries = [reading.common[each] for each in named if each in reading.common]
    return any(_has_limit(each) for each in (node.where_clause, *queries))


def _has_limit(node: Any) -> bool:
    return any(each.HasField("limit_count") for each in grammar.find(node, "SelectStmt"))


def condition(reading: Reading, node: Any) -> bool | None:
    """Whether it is about every row, or about none; None: about some."""
    if not node.HasField("where_clause"):
        return True
    table = Name.of_range(node.relation)
    alone = not len(sources(node)) and not len(grammar.find(node.where_clause, "SubLink"))
    columns = columns_in(node.where_clause) if alone else set()
    known = truth(node.where_clause, {each for each in columns if _is_never_null(reading, table, each)})
    says = any(len(grammar.find(node.where_clause, each)) for each in ("ColumnRef", "SubLink", "CurrentOfExpr"))
    return known if known is not None or says else True


def _is_never_null(reading: Reading, table: Name, column: str) -> bool:
    known = reading.column(table, column)
    return known is not None and known.not_null and column not in reading.state(table).nullable


def is_join(reading: Reading, condition: Any, sources: Any) -> bool:
    """Whether it changes whatever row has its like in a table that was there before, and asks for nothing else."""
    tables = [Name.of_range(each.range_var) for each in sources if each.WhichOneof("node") == "range_var"]
    defined = {name for name in tables if not _has_many_rows(reading, name)}
    asks = any(len(grammar.find(condition, each)) for each in ("A_Const", "SubLink", "ParamRef", "NullTest"))
    return bool(tables) and len(tables) == len(sources) and not defined and not asks


def _has_many_rows(reading: Reading, name: Name) -> bool:
    if name.schema is None and name.name in reading.common:
        return bool(read_whole(reading, reading.common[name.name].select_stmt))
    return reading.state(name).copied or not (reading.is_new(name) or reading.is_missing(name))


def is_of_empty_column(reading: Reading, node: Any) -> bool:
    """Whether it asks for the rows where a column is null that an earlier statement added, and so for all."""
    if node.where_clause.WhichOneof("node") != "null_test":
        return False
    tested = node.where_clause.null_test
    if grammar.enum_name("NullTestType", tested.nulltesttype) != "IS_NULL" or not tested.arg.HasField("column_ref"):
        return False
    return tested.arg.column_ref.fields[-1].string.sval in reading.state(Name.of_range(node.relation)).empty


def _is_of(reference: Any, table: Name, alias: str) -> bool:
    """Whether a column is of the table that is changed, as far as its name tells."""
    return len(reference.fields) == 1 or reference.fields[-2].string.sval in (table.name, alias)


def is_variable(reading: Reading, node: Any, reference: Any) -> bool:
    """Whether a name in a function is surely none of a column, but of a variable, as ``NEW.id`` and ``row.id`` are."""
    if not reading.depth:
        return False
    table, names = Name.of_range(node.relation), [each.string.sval for each in reference.fields]
    if len(names) == 1:
        is_column = reading.knows(table) and not reading.lacks_column(table, names[0])
        return not is_column and not len(sources(node))
    ranges = [node.relation, *grammar.find(node, "RangeVar")]
    return names[-2] not in {one for each in ranges for one in (each.relname, each.alias.aliasname)}


def goes_by_variable(reading: Reading, node: Any) -> bool:
    """Whether it is about the row that a loop, or a trigger, is at."""
    if len(grammar.find(node.where_clause, "CurrentOfExpr")):
        return True
    named = grammar.find(node.where_clause, "ColumnRef")
    return any(is_variable(reading, node, each) for each in named)


def names_a_value(reading: Reading, node: Any) -> bool:
    """Whether it asks for certain values, as ``id = 1`` does, and so for few rows."""
    return _limits(reading, node, node.where_clause)


def _limits(reading: Reading, node: Any, condition: Any) -> bool:
    if condition.WhichOneof("node") == "bool_expr":
        operator = grammar.enum_name("BoolExprType", condition.bool_expr.boolop)
        parts = (_limits(reading, node, each) for each in condition.bool_expr.args)
        return any(parts) if operator == "AND_EXPR" else operator == "OR_EXPR" and all(parts)
    table, alias = Name.of_range(node.relation), node.relation.alias.aliasname
    for each in grammar.find(condition, "A_Expr"):
        kind = grammar.enum_name("A_Expr_Kind", each.kind)
        operator = each.name[0].string.sval if len(each.name) else ""
        column = each.lexpr.WhichOneof("node") == "column_ref"
        other = each.rexpr.WhichOneof("node") == "column_ref" and not is_variable(reading, node, each.rexpr.column_ref)
        if column and not _is_of(each.lexpr.column_ref, table, alias):
            continue
        if kind in ("AEXPR_OP", "AEXPR_IN", "AEXPR_OP_ANY") and operator == "=" and column and not other:
            return _is_selective(reading, table, each.lexpr.column_ref.fields[-1].string.sval)
    return False


def _is_selective(reading: Reading, table: Name, column: str) -> bool:
    """Whether an index finds the rows that have a value; without a catalog, all columns may have one."""
    found, known = reading.find(table), reading.column(table, column)
    if found is None or (known is None and not found.whole):
        return True
    return known is not None and any(each.columns[:1] == (known.name,) for each in reading.indexes(table))
