"""Columns of SQLAlchemy as SQL text, and expressions over columns."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column
from sqlalchemy.types import NullType, TypeEngine

from tsext.errors import InvalidObject
from tsext.sql import grammar
from tsext.sql.dialect import dialect


def type_text(given: TypeEngine[Any] | type[TypeEngine[Any]] | str) -> str:
    """A type as it stands in SQL.

    :raises InvalidObject: if it is none, or says nothing.
    """
    if isinstance(given, str) and given.strip():
        return given.strip()
    type_ = given() if isinstance(given, type) and issubclass(given, TypeEngine) else given
    if not isinstance(type_, TypeEngine) or isinstance(type_, NullType):
        raise InvalidObject(f"the type of a column is {given!r}", hint="give one of SQLAlchemy's: sa.BigInteger()")
    return str(type_.compile(dialect=dialect()))


def default_text(column: Column[Any]) -> str | None:
    """The server default of a column as it stands in SQL; None if it has none."""
    default = dialect().ddl_compiler(dialect(), None).get_column_default_string(column)
    return None if default is None else str(default)


def qualify(expression: str, relation: str) -> str:
    """An expression with its columns said to be those of a relation: ``a + 1`` becomes ``new.a + 1``.

    :raises InvalidObject: if it cannot be read, or a column of it is qualified already.
    """
    found = grammar.expression(expression)
    if found is None:
        raise InvalidObject(f"this is no SQL expression: {expression}", hint="correct it; a query cannot be part of it")
    statement, columns = found
    for column in columns:
        if len(column.fields) != 1 or not column.fields[0].HasField("string"):
            raise InvalidObject(f"this expression has a qualified name: {expression}", hint="name columns alone")
        first = type(column.fields[0])()
        first.string.sval = relation
        column.fields.insert(0, first)
    printed = grammar.printed(statement).removeprefix("SELECT ")
    if not printed:
        raise InvalidObject(f"this expression is too deep: {expression}", hint="put it into a function")
    return printed
