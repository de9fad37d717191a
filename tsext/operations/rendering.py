"""How a verb and its nouns are written in a revision: Python that black would leave alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from textwrap import wrap
from typing import Any

from tsext.model import Object

WIDTH = 88 - 4
"""Black's default, less the indentation of a function's body."""


@dataclass(frozen=True)
class Code:
    """A piece of Python that can be broken into lines where black would: one item on each."""

    opening: str
    items: tuple[Code, ...] = ()
    closing: str = ""
    imports: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.opening}{', '.join(map(str, self.items))}{self.closing}"

    def broken(self, indent: int = 0, after: str = "") -> str:
        """The same, broken where it is too long for a line."""
        line = f"{' ' * indent}{self}{after}"
        if len(line) <= WIDTH or not self.items:
            return line
        inner = [item.broken(indent + 4, ",") for item in self.items]
        return "\n".join([" " * indent + self.opening, *inner, " " * indent + self.closing + after])

    def needs(self) -> Iterator[str]:
        """The import statements it needs."""
        yield from self.imports
        for item in self.items:
            yield from item.needs()


@dataclass(frozen=True)
class Lines(Code):
    """A string of several lines, each a literal of its own where one for all is too long."""

    text: str = ""

    def broken(self, indent: int = 0, after: str = "") -> str:
        """One literal, or one for each line."""
        line = f"{' ' * indent}{self}{after}"
        if len(line) <= WIDTH:
            return line
        lines = [_string(each) for each in self.text.splitlines(keepends=True)]
        if not self.opening:
            return "\n".join(" " * indent + each for each in lines) + after
        inner = [" " * (indent + 4) + each for each in lines]
        return "\n".join([f"{' ' * indent}{self.opening}(", *inner, f"{' ' * indent}){after}"])

    def __str__(self) -> str:
        return self.opening + _string(self.text)


def code_of(value: Any, name: str = "") -> Code:
    """A value as Python that black would leave alone, as a keyword argument if it has a name."""
    start = f"{name}=" if name else ""
    if isinstance(value, str) and "\n" in value:
        return Lines(start, text=value)
    if isinstance(value, str):
        return Code(start + _string(value))
    if isinstance(value, timedelta):
        return Code(start + _timedelta(value), imports=("from datetime import timedelta",))
    if isinstance(value, date):
        return _date(value, start)
    if isinstance(value, Mapping):
        return Code(f"{start}{{", tuple(_item(key, each) for key, each in value.items()), "}")
    if isinstance(value, Object):
        class_ = type(value).__name__
        return Code(f"{start}{class_}(", tuple(arguments_of(value)), ")", (f"from tsext import {class_}",))
    if isinstance(value, list | tuple):
        return Code(f"{start}[", tuple(map(code_of, value)), "]")
    return Code(start + repr(value))


def arguments_of(target: Object, *, skip: tuple[str, ...] = ()) -> list[Code]:
    """The fields of an object that differ from their defaults, by keyword."""
    given = {each.name: getattr(target, each.name) for each in fields(target) if each.name not in skip}
    defaults = {each.name: each.default for each in fields(target)}
    return [code_of(value, name) for name, value in given.items() if value != defaults[name]]


def schema_of(schema: str | None) -> list[Code]:
    """The argument ``schema``; none for the default one."""
    return [code_of(schema, "schema")] if schema else []


def flags_of(operation: object, *names: str) -> list[Code]:
    """Those of an operation's switches that are on, by keyword."""
    return [code_of(True, name) for name in names if getattr(operation, name)]


def arguments_in(call: ast.Call) -> list[Code]:
    """The arguments of a call that somebody else has rendered."""
    named = [(each.value, each.arg or "") for each in call.keywords]
    return [_code_in(node, name) for node, name in [*((each, "") for each in call.args), *named]]


def _code_in(node: ast.expr, name: str = "") -> Code:
    start = f"{name}=" if name else ""
    match node:
        case ast.Constant(value=value):
            return code_of(value, name)
        case ast.List(elts=items):
            return Code(f"{start}[", tuple(map(_code_in, items)), "]")
        case ast.Call():
            return Code(f"{start}{ast.unparse(node.func)}(", tuple(arguments_in(node)), ")")
        case ast.Dict(keys=keys, values=values):
            pairs = [
                (_code_in(key), _code_in(value)) for key, value in zip(keys, values, strict=True) if key is not None
            ]
            return Code(
                f"{start}{{", tuple(replace(value, opening=f"{key}: {value.opening}") for key, value in pairs), "}"
            )
    return Code(start + ast.unparse(node))


def comment(text: str) -> list[str]:
    """A text as lines of a comment."""
    return [f"# {line}" for line in wrap(text, WIDTH - 2, break_long_words=False, break_on_hyphens=False)]


def repr_of(value: Any) -> str:
    """A value on one line, as black would leave it."""
    return str(code_of(value))


def _string(value: str) -> str:
    """With double quotes, unless it would have to escape more of them."""
    quote = '"' if value.count('"') <= value.count("'") else "'"
    # repr() escapes what cannot be printed; of a single character it chooses the other quotes.
    characters = "".join(repr(character)[1:-1] for character in value)
    return quote + characters.replace(quote, "\\" + quote) + quote


def _item(key: Any, value: Any) -> Code:
    """One item of a dict."""
    code = code_of(value)
    return replace(code, opening=f"{code_of(key)}: {code.opening}")


def _date(value: date, start: str) -> Code:
    """A date, or a time; one with a zone in UTC."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC)
    class_, _, items = repr(value)[:-1].partition("(")
    return Code(f"{start}{class_}(", tuple(map(Code, items.split(", "))), ")", ("import datetime",))


def _timedelta(value: timedelta) -> str:
    hours, seconds = divmod(value.seconds, 3600)
    if seconds:
        hours, seconds = 0, value.seconds
    parts = {"days": value.days, "hours": hours, "seconds": seconds, "microseconds": value.microseconds}
    return f"timedelta({', '.join(f'{unit}={count}' for unit, count in parts.items() if count)})"
