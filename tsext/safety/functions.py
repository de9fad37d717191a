"""Functions and procedures that users write: what they run, and what they are replaced by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tsext.sql import bodies, grammar
from tsext.sql.bodies import Body, Kind, Part

_GIVEN = {"FUNC_PARAM_IN", "FUNC_PARAM_INOUT", "FUNC_PARAM_VARIADIC", "FUNC_PARAM_DEFAULT"}
_MANY = 100
"""As many arguments as PostgreSQL allows."""


@dataclass(frozen=True)
class Function:
    """A function or procedure."""

    arguments: range
    """With how many it may be called."""
    volatile: bool
    body: Body | None
    """None: it cannot be read."""
    value: Any = None
    """The expression that PostgreSQL puts in place of a call; None if it calls the function."""


def of_definition(definition: str) -> Function | None:
    """What a ``CREATE FUNCTION`` or ``CREATE PROCEDURE`` creates; None if that cannot be read."""
    read = grammar.tree(definition)
    return of_node(read[1], definition) if read is not None and read[0] == "create_function_stmt" else None


def of_node(node: Any, source: str) -> Function:
    """The same.

    :param source: the text that the tree was made of.
    """
    options = {each.def_elem.defname: each.def_elem.arg for each in node.options}
    language = options["language"].string.sval.lower() if "language" in options else "sql"
    volatile = "volatility" not in options or options["volatility"].string.sval == "volatile"
    if language != "sql":
        return Function(_arguments(node), volatile, bodies.of_function(source) if language == "plpgsql" else None)
    text = options["as"].list.items[0].string.sval if "as" in options else bodies.standard(source)
    return Function(_arguments(node), volatile, [Part(Kind.STATEMENT, text)], _value(node, options, text))


def unknown() -> Function:
    """One that cannot be read."""
    return Function(range(_MANY + 1), volatile=True, body=None)


def aggregate() -> Function:
    """One of an aggregate."""
    return Function(range(_MANY + 1), volatile=False, body=[])


def _arguments(node: Any) -> range:
    parameters = [each.function_parameter for each in node.parameters]
    modes = [grammar.enum_name("FunctionParameterMode", each.mode) for each in parameters]
    given = [each for each, mode in zip(parameters, modes, strict=True) if mode in _GIVEN or node.is_procedure]
    most = _MANY if "FUNC_PARAM_VARIADIC" in modes else len(given)
    return range(sum(not each.HasField("defexpr") for each in given), most + 1)


_SEVERAL = {"count", "sum", "avg", "min", "max", "generate_series", "unnest"}
"""Functions of many rows, or that give many."""


def _value(node: Any, options: dict[str, Any], text: str) -> Any:
    """Source: ``inline_function`` in PostgreSQL's clauses.c."""
    strict = "strict" in options and len(node.parameters)
    if node.is_procedure or node.return_type.setof or strict or {"security", "set"} & set(options):
        return None
    try:
        script = grammar.parse(text)
    except grammar.GrammarError:
        return None
    read = grammar.tree(script.text) if len(script.statements) == 1 else None
    if read is None or read[0] != "select_stmt":
        return None
    several = any(each.funcname[-1].string.sval in _SEVERAL for each in grammar.find(read[1], "FuncCall"))
    return None if several else grammar.value(read[1])
