"""Which verbs a revision calls whatever happens, told from its file: little to load, for most revisions call none."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from alembic.script import Script

from tsext.operations import VERBS


class Call(NamedTuple):
    """A verb that a revision calls whatever happens."""

    revision: str
    verb: str
    arguments: Mapping[str, Any]
    """Those given by keyword, of which the value can be read; the first of the others is ``""``."""


def calls_of(script: Script, function: FunctionType) -> Iterator[Call]:
    """The verbs of TimescaleDB that a revision's function calls whatever happens.

    Not those inside ``if``, ``try``, loops or comprehensions, nor after a ``return`` or ``raise`` that may come first.
    """
    if not _names(function.__code__, function.__globals__) & VERBS.keys():
        return
    module = ast.parse(Path(script.path).read_bytes())
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    if function.__name__ in functions:
        for verb, arguments in _Reader(functions).read(functions[function.__name__].body):
            yield Call(script.revision, verb, arguments)


def _names(code: CodeType, module: Mapping[str, Any], seen: frozenset[str] = frozenset()) -> set[str]:
    """Names that a function uses, with those of the functions of its module that it calls."""
    names = set(code.co_names)
    for name in names - seen:
        called = module.get(name)
        if isinstance(called, FunctionType) and called.__globals__ is module:
            names = names | _names(called.__code__, module, seen | names)
    return names


class _Reader:
    """Follows the statements of functions that are executed in any case."""

    def __init__(self, functions: Mapping[str, ast.FunctionDef]) -> None:
        self.functions = functions
        self.entered: list[str] = []

    def read(self, statements: Iterable[ast.stmt]) -> Iterator[tuple[str, dict[str, Any]]]:
        for statement in statements:
            if isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign):
                yield from self._call(statement.value)
            elif isinstance(statement, ast.With):
                for item in statement.items:
                    yield from self._call(item.context_expr)
                yield from self.read(statement.body)
            if _may_leave(statement):
                return

    def _call(self, node: ast.expr | None) -> Iterator[tuple[str, dict[str, Any]]]:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="op"), attr=verb)):
                first = {"": node.args[0]} if node.args else {}
                given = first | {each.arg: each.value for each in node.keywords if each.arg is not None}
                yield verb, {name: _value(value) for name, value in given.items()}
            case ast.Call(func=ast.Name(id=name)) if name in self.functions and name not in self.entered:
                self.entered.append(name)
                yield from self.read(self.functions[name].body)
                self.entered.remove(name)


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None


def _may_leave(statement: ast.stmt) -> bool:
    return any(isinstance(node, ast.Return | ast.Raise) for node in ast.walk(statement))
