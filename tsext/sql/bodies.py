"""What the bodies of functions run, and those of DO: statements, in the order in which they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tsext.sql import grammar

Body = list[tuple[str, str]]
"""Kinds and texts.

``sql`` is a statement, or an expression made into one; ``dynamic`` an expression that gives the text of one; ``fors``
the query of a loop, which ``end_fors`` ends; ``commit`` and ``rollback`` have no text.
"""


def of_block(text: str) -> Body | None:
    """Of a DO block in PL/pgSQL; None if it cannot be read."""
    tag = "$tsext_body$"
    if tag in text:
        return None
    return of_function(f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS {tag}{text}{tag}")


def of_function(definition: str) -> Body | None:
    """Of a function or procedure in PL/pgSQL, by its ``CREATE``; None if it cannot be read."""
    found = grammar.plpgsql(definition)
    return None if found is None else list(_sql_in(found))


def standard(definition: str) -> str:
    """The statements of a function in SQL that has them outside a string: ``RETURN …``, ``BEGIN ATOMIC … END``."""
    data, tokens = definition.encode(), list(grammar.tokens(definition))
    words = [token.upper() for token, _, _ in tokens]
    if "ATOMIC" in words:
        return data[tokens[words.index("ATOMIC")][2] : tokens[-1][1]].decode()
    return "SELECT " + data[tokens[words.index("RETURN")][2] :].decode()


_DYNAMIC = {("dynexecute", "query"), ("dynfors", "query"), ("return_query", "dynquery"), ("open", "dynquery")}
"""Statements of PL/pgSQL, and where they have an expression that gives the text of another."""
_EXPRESSION, _ASSIGNMENT = 2, 3
"""From which on a text is of a kind: ``RawParseMode`` in PostgreSQL's parser.h."""


def _sql_in(tree: Any, statement: str = "", field: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(tree, list):
        for each in tree:
            yield from _sql_in(each, statement, field)
    elif isinstance(tree, dict):
        for key, inner in sorted(tree.items(), key=_is_run_after):
            kind = key.removeprefix("PLpgSQL_stmt_")
            if key == "PLpgSQL_expr":
                yield _sql(inner, statement, field)
            elif kind in ("commit", "rollback"):
                yield kind, ""
            else:
                yield from _sql_in(inner, *((kind, "") if kind != key else (statement, key)))
            if kind == "fors":
                yield "end_fors", ""


def _is_run_after(item: tuple[str, Any]) -> bool:
    """Whether it is run after the expressions that stand beside it, as the statements in a loop are."""
    return not (isinstance(item[1], dict) and "PLpgSQL_expr" in item[1])


def _sql(expression: dict[str, Any], statement: str, field: str) -> tuple[str, str]:
    text, mode = expression["query"], expression["parseMode"]
    if (statement, field) in _DYNAMIC:
        return "dynamic", text
    if mode >= _ASSIGNMENT:
        return "sql", "SELECT " + re.split(r":?=", text, maxsplit=1)[-1]
    return ("fors" if statement == "fors" else "sql"), f"SELECT {text}" if mode == _EXPRESSION else text
