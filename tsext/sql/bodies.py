"""What the bodies of functions run, and those of DO: statements, in the order in which they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tsext.sql import grammar


class Kind(StrEnum):
    """What a part of a body is."""

    STATEMENT = "statement"
    """Or an expression made into one."""
    DYNAMIC = "dynamic"
    """An expression that gives the text of a statement."""
    LOOP = "fors"
    """The query of a loop over its rows, by a cursor or without; what is in the loop follows."""
    UNTIL = "until"
    """A loop that goes on until something holds, without a query; what is in it follows."""
    END_OF_LOOP = "end of loop"
    COMMIT = "commit"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class Part:
    """Something that a body runs."""

    kind: Kind
    text: str = ""
    """SQL; of what ends a loop or a transaction, none."""

    @property
    def ends_transaction(self) -> bool:
        """Whether what follows is in another transaction."""
        return self.kind in (Kind.COMMIT, Kind.ROLLBACK)


Body = list[Part]
"""In the order in which it is written."""


def of_block(text: str) -> Body | None:
    """Of a DO block in PL/pgSQL; None if it cannot be read."""
    tag = "$tsext_body$"
    if tag in text:
        return None
    return of_function(f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS {tag}{text}{tag}")


def of_function(definition: str) -> Body | None:
    """Of a function or procedure in PL/pgSQL, by its ``CREATE``; None if it cannot be read."""
    found = grammar.plpgsql(definition)
    return None if found is None else list(_parts(found, _cursors(found)))


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


_Cursors = dict[int, str]
"""The queries of cursors, by the number of the variable."""


def _parts(tree: Any, cursors: _Cursors, statement: str = "", field: str = "") -> Iterator[Part]:
    if isinstance(tree, list):
        for each in tree:
            yield from _parts(each, cursors, statement, field)
    elif isinstance(tree, dict):
        for key, inner in sorted(tree.items(), key=_is_run_after):
            kind = key.removeprefix("PLpgSQL_stmt_")
            begin = _begin(kind, inner, cursors)
            if begin is not None:
                yield begin
            if key == "PLpgSQL_expr":
                yield _part(inner, statement, field)
            elif kind in (Kind.COMMIT, Kind.ROLLBACK):
                yield Part(Kind(kind))
            else:
                yield from _parts(inner, cursors, *((kind, "") if kind != key else (statement, key)))
            if kind == Kind.LOOP or begin is not None:
                yield Part(Kind.END_OF_LOOP)


_COUNTED = re.compile(r"\s*\w+\s*<=?\s*\d+\s*")
"""The condition of a loop that counts to a number that is written there."""


def _begin(kind: str, loop: Any, cursors: _Cursors) -> Part | None:
    """How a loop begins that has no query of its own; None if it has, or is none, or says how often it runs."""
    if kind == "forc":
        return Part(Kind.LOOP, cursors.get(loop["curvar"], ""))
    if kind == "while" and _COUNTED.fullmatch(loop["cond"]["PLpgSQL_expr"]["query"]):
        return None
    if kind in ("while", "loop"):
        fetched = [each["curvar"] for each in _find(loop, "PLpgSQL_stmt_fetch")]
        return Part(Kind.LOOP, cursors.get(fetched[0], "")) if fetched else Part(Kind.UNTIL)
    if kind == "fori":
        bounds = (loop[each]["PLpgSQL_expr"]["query"] for each in ("lower", "upper"))
        return None if all(each.lstrip("-").isdigit() for each in bounds) else Part(Kind.UNTIL)
    return None


def _cursors(function: Any) -> _Cursors:
    """Those that are declared with a query, or opened for one."""
    datums: list[Any] = next(_find(function, "datums"), [])
    declared = [each.get("PLpgSQL_var", {}).get("cursor_explicit_expr") for each in datums]
    found = {number: each for number, each in enumerate(declared) if each is not None}
    found |= {each["curvar"]: each["query"] for each in _find(function, "PLpgSQL_stmt_open") if "query" in each}
    return {number: each["PLpgSQL_expr"]["query"] for number, each in found.items()}


def _find(tree: Any, key: str) -> Iterator[Any]:
    """What stands under a key, anywhere."""
    if isinstance(tree, list):
        for each in tree:
            yield from _find(each, key)
    elif isinstance(tree, dict):
        for name, inner in tree.items():
            if name == key:
                yield inner
            yield from _find(inner, key)


def _is_run_after(item: tuple[str, Any]) -> bool:
    """Whether it is run after the expressions that stand beside it, as the statements in a loop are."""
    return not (isinstance(item[1], dict) and "PLpgSQL_expr" in item[1])


def _part(expression: dict[str, Any], statement: str, field: str) -> Part:
    text, mode = expression["query"], expression["parseMode"]
    if (statement, field) in _DYNAMIC:
        return Part(Kind.DYNAMIC, text)
    if mode >= _ASSIGNMENT:
        return Part(Kind.STATEMENT, "SELECT " + re.split(r":?=", text, maxsplit=1)[-1])
    kind = Kind.LOOP if statement == Kind.LOOP else Kind.STATEMENT
    return Part(kind, f"SELECT {text}" if mode == _EXPRESSION else text)
