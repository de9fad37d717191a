"""Expressions: whether each row gets a value of its own, and what a condition proves."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tsext.safety.names import Name
from tsext.safety.script import Script
from tsext.sql import grammar


def is_null(expression: Any) -> bool:
    """Whether it is the constant NULL, with or without a cast."""
    while expression.WhichOneof("node") == "type_cast":
        expression = expression.type_cast.arg
    return expression.WhichOneof("node") == "a_const" and bool(expression.a_const.isnull)


def text_of(expression: Any) -> str | None:
    """What a string says that stands there as it is, with or without a cast; None if it is anything else."""
    while expression.WhichOneof("node") == "type_cast":
        expression = expression.type_cast.arg
    is_text = expression.WhichOneof("node") == "a_const" and expression.a_const.WhichOneof("val") == "sval"
    return str(expression.a_const.sval.sval) if is_text else None


def is_constant(expression: Any) -> bool:
    """Whether it is a literal, with or without a cast or a sign."""
    while expression.WhichOneof("node") in ("type_cast", "a_expr"):
        if expression.WhichOneof("node") == "a_expr":
            if expression.a_expr.HasField("lexpr"):
                return False
            expression = expression.a_expr.rexpr
        else:
            expression = expression.type_cast.arg
    return bool(expression.WhichOneof("node") == "a_const")


def truth(expression: Any, never_null: Collection[str] = ()) -> bool | None:
    """Whether a condition is the same for every row, as ``true``, ``1 = 1`` and ``NULL IS NOT NULL`` are, and how.

    :param never_null: columns of the one table that it is about.
    """
    kind = expression.WhichOneof("node")
    if kind == "a_const":
        return bool(expression.a_const.boolval.boolval) if expression.a_const.WhichOneof("val") == "boolval" else None
    if kind == "null_test":
        asks_for_null = grammar.enum_name("NullTestType", expression.null_test.nulltesttype) == "IS_NULL"
        tested = expression.null_test.arg
        if tested.WhichOneof("node") == "column_ref" and columns_in(tested) & set(never_null):
            return not asks_for_null
        return asks_for_null if is_null(tested) else None
    if kind == "a_expr" and [each.string.sval for each in expression.a_expr.name] == ["="]:
        left, right = _value(expression.a_expr.lexpr), _value(expression.a_expr.rexpr)
        return left == right if left is not None and right is not None and left[0] == right[0] else None
    if kind != "bool_expr":
        return None
    values = [truth(each, never_null) for each in expression.bool_expr.args]
    operator = grammar.enum_name("BoolExprType", expression.bool_expr.boolop)
    if operator == "NOT_EXPR":
        return None if values[0] is None else not values[0]
    decisive = operator == "OR_EXPR"
    if _is_and_is_not_null(expression.bool_expr.args):
        return decisive
    if decisive in values:
        return decisive
    return None if None in values else not decisive


def _is_and_is_not_null(conditions: Any) -> bool:
    """Whether one of them says that something is null, and another that the same is not."""
    tests = [each.null_test for each in conditions if each.WhichOneof("node") == "null_test"]
    said: dict[frozenset[str], set[int]] = {}
    for each in tests:
        if each.arg.WhichOneof("node") == "column_ref":
            said.setdefault(frozenset(columns_in(each.arg)), set()).add(each.nulltesttype)
    return any(len(types) > 1 for types in said.values())


def _value(expression: Any) -> tuple[str, str] | None:
    """Kind and text of a constant."""
    kind = expression.a_const.WhichOneof("val") if expression.HasField("a_const") else None
    return None if kind is None else (kind, str(getattr(expression.a_const, kind)))


def functions(node: Any) -> list[Name]:
    """The functions that an expression or statement calls."""
    return [Name.of_list(each.funcname) for each in grammar.find(node, "FuncCall")]


def columns_in(expression: Any) -> set[str]:
    """The columns that an expression over one table names."""
    references = (each.fields[-1] for each in grammar.find(expression, "ColumnRef"))
    return {each.string.sval for each in references if each.WhichOneof("node") == "string"}


def constants_in(expression: Any) -> frozenset[str]:
    """The constants of an expression, as text."""
    values = ((each, each.WhichOneof("val")) for each in grammar.find(expression, "A_Const"))
    return frozenset(
        str(getattr(getattr(each, kind), kind)) for each, kind in values if kind in ("sval", "ival", "fval")
    )


def constants_of(definition: str) -> frozenset[str]:
    """The same of a constraint's definition, as ``pg_get_constraintdef`` writes it."""
    read = grammar.tree("ALTER TABLE t ADD " + definition)
    return constants_in(read[1]) if read is not None else frozenset()


def volatile_function(expression: Any, script: Script) -> tuple[str, bool] | None:
    """A function that may give another value for each row, and whether that is sure; None if there is none."""
    calls = grammar.find(expression, "FuncCall")
    found = [(Name.of_list(each.funcname).name, script.is_volatile(each)) for each in calls]
    sure = next((name for name, volatile in found if volatile), None)
    if sure is not None:
        return sure, True
    return next(((name, False) for name, volatile in found if volatile is None), None)


def not_null_columns(condition: Any) -> tuple[str, ...]:
    """The columns of which a CHECK says ``IS NOT NULL``."""
    kind = condition.WhichOneof("node")
    if kind == "bool_expr" and grammar.enum_name("BoolExprType", condition.bool_expr.boolop) == "AND_EXPR":
        return tuple(column for each in condition.bool_expr.args for column in not_null_columns(each))
    if kind != "null_test" or grammar.enum_name("NullTestType", condition.null_test.nulltesttype) != "IS_NOT_NULL":
        return ()
    tested = condition.null_test.arg
    if tested.WhichOneof("node") != "column_ref":
        return ()
    return (tested.column_ref.fields[-1].string.sval,)


def proves_not_null(definition: str) -> tuple[str, ...]:
    """The columns of which a constraint's definition, as ``pg_get_constraintdef`` writes it, says the same."""
    if definition.startswith("NOT NULL "):
        read = grammar.tree("SELECT " + definition.removeprefix("NOT NULL ").removesuffix(" NOT VALID"))
        return () if read is None else tuple(each.fields[-1].string.sval for each in grammar.find(read[1], "ColumnRef"))
    read = grammar.tree("ALTER TABLE t ADD " + definition)
    if read is None:
        return ()
    checks = [each for each in grammar.find(read[1], "Constraint") if each.HasField("raw_expr")]
    return tuple(column for each in checks for column in not_null_columns(each.raw_expr))


_SERIES = {"generate_series", "unnest", "jsonb_array_elements", "json_array_elements", "regexp_split_to_table"}
"""Functions that give many rows each time they are called."""


def gives_many_rows(query: Any) -> bool:
    """Whether a query gives more rows than are written in it."""
    reads = any(len(each.from_clause) for each in grammar.find(query, "SelectStmt"))
    return reads or any(each.name in _SERIES for each in functions(query))


def longest_series(query: Any) -> int:
    """How many rows ``generate_series`` gives, where that is written; 0: it is not called, or not with integers."""
    calls = [each for each in grammar.find(query, "FuncCall") if each.funcname[-1].string.sval == "generate_series"]
    bounds = [[one.a_const.ival.ival for one in each.args if one.a_const.HasField("ival")] for each in calls]
    return max((each[1] - each[0] + 1 for each in bounds if len(each) > 1), default=0)


_FIRST = {"min", "max", "exists"}
"""Aggregates that an index answers, at least of all rows."""
_WHOLE = {"count", "sum", "avg", "array_agg", "string_agg", "json_agg", "jsonb_agg", "bool_and", "bool_or"}
"""Aggregates that no index answers."""


def reads_everything(node: Any) -> bool:
    """Whether a query is sure to read all that it selects from."""
    named = {
        Name.of_list(each.funcname).name for target in node.target_list for each in grammar.find(target, "FuncCall")
    }
    if not len(node.from_clause):
        return False
    bounded = node.HasField("where_clause") or node.HasField("limit_count") or named & _FIRST
    return bool(named & _WHOLE) or not bounded
