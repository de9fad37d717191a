"""Values and names as SQL text; for statements that PostgreSQL cannot take parameters in."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy.dialects.postgresql.base import PGIdentifierPreparer

from tsext.errors import InvalidObject
from tsext.sql.dialect import dialect

LONGEST_NAME = 63
"""In bytes: PostgreSQL's NAMEDATALEN - 1. What is longer, the server cuts off with no more than a notice."""

_ALSO_RESERVED = frozenset({"collation", "concurrently", "lateral", "system_user", "tablesample"})
"""Reserved in PostgreSQL 18, but missing from SQLAlchemy's list; a test compares both with the grammar."""

_UNITS = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
    ("second", timedelta(seconds=1)),
    ("microsecond", timedelta(microseconds=1)),
)


class Raw(str):
    """SQL text that :func:`literal` and :func:`call` put in as it stands."""

    __slots__ = ()


NULL = Raw("NULL")
"""For a named argument of :func:`call` that must be passed although it is null."""


@cache
def _preparer() -> PGIdentifierPreparer:
    return PGIdentifierPreparer(dialect())


def ended(sql: str) -> str:
    """A part of a statement, behind which another may follow: a comment at its end goes to the end of the line."""
    return f"{sql}\n" if "--" in sql else sql


def identifier(name: str) -> str:
    """A name, quoted only where PostgreSQL needs it.

    :raises InvalidObject: PostgreSQL cannot have an object of this name.
    """
    _check_name(name)
    if name in _ALSO_RESERVED or not name.isprintable():
        return _preparer().quote_identifier(name)
    return _preparer().quote(name)


def escaped(sql: str) -> str:
    """SQL as ``sqlalchemy.text()`` must be given it: with a backslash before what it would take for a parameter."""
    return re.sub(r"(?<![:\w]):\w+(?![:\w])", r"\\\g<0>", sql)


def _check_name(name: str) -> None:
    if not name:
        raise InvalidObject("a name is empty", hint="give the object a name")
    if "\0" in name:
        raise InvalidObject(f"the name {name!r} holds a NUL character", hint="remove it from the name")
    length = len(_utf8(name))
    if length > LONGEST_NAME:
        raise InvalidObject(
            f'the name "{name}" has {length} bytes; PostgreSQL keeps only the first {LONGEST_NAME}',
            hint=f"shorten it to at most {LONGEST_NAME} bytes",
        )


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidObject(
            f"{text!r} holds half of a surrogate pair, which is no character",
            hint="decode the text with the encoding it was written in",
        ) from error


def qualified(name: str, schema: str | None = None) -> str:
    """``schema.name``, or ``name`` alone if there is no schema."""
    return identifier(name) if schema is None else f"{identifier(schema)}.{identifier(name)}"


def shown(name: str, schema: str | None = None) -> str:
    """A name for messages, as it is: with its schema, if that is given."""
    return f"{schema}.{name}" if schema else name


def cut(name: str, suffix: str = "") -> str:
    """A name with a suffix, the name cut so that PostgreSQL keeps all of it."""
    return name.encode()[: LONGEST_NAME - len(suffix.encode())].decode(errors="ignore") + suffix


def short(*parts: str, suffix: str = "") -> str:
    """A name made of others; where it is too long, cut, with a hash by which it is still the only one."""
    name = "_".join(parts) + suffix
    if len(name.encode()) <= LONGEST_NAME:
        return name
    tail = f"_{hashlib.sha256(name.encode()).hexdigest()[:8]}{suffix}"
    return cut(name, tail)


def regclass(name: str, schema: str | None = None) -> Raw:
    """The text of a relation, as TimescaleDB's functions want it: ``'"My Schema".conditions'``."""
    return Raw(literal(qualified(name, schema)))


def interval(value: timedelta | str) -> Raw:
    """An ``INTERVAL`` constant; a string is what PostgreSQL reads, for example ``"1 month"``."""
    return Raw("INTERVAL " + _string(value if isinstance(value, str) else duration(value)))


def literal(value: object) -> str:
    """A constant as SQL text; ``dict`` and ``list`` become ``jsonb``.

    :raises InvalidObject: the value is of another type, or PostgreSQL has no such constant.
    """
    for kinds, write in _WRITERS:
        if isinstance(value, kinds):
            return write(value)
    raise InvalidObject(
        f"a {type(value).__name__} cannot be written as an SQL constant: {value!r}",
        hint="pass None, a bool, number, string, timedelta, datetime, date, dict or list, or Raw(SQL text)",
    )


def _string(value: str) -> str:
    if "\0" in value:
        raise InvalidObject(
            f"the string {value!r} holds a NUL character, which PostgreSQL cannot store",
            hint="remove it, or store bytea",
        )
    _utf8(value)
    return "'" + value.replace("'", "''") + "'"


def _float(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else f"'{float(value)}'::float8"


def _decimal(value: Decimal) -> str:
    if value.is_finite():
        return str(value)
    return "'NaN'::numeric" if value.is_nan() else f"'{float(value)}'::numeric"


def _datetime(value: datetime) -> str:
    kind = "TIMESTAMP" if value.utcoffset() is None else "TIMESTAMPTZ"
    return f"{kind} '{value.isoformat(' ')}'"


def _json(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidObject(
            f"this is not JSON: {error}",
            hint="use only null, bool, finite numbers, strings, lists and objects in it",
        ) from error
    if r"\u0000" in text.replace(r"\\", ""):
        raise InvalidObject(
            f"the JSON {text} holds a NUL character, which PostgreSQL's jsonb cannot store", hint="remove it"
        )
    return text


def duration(value: timedelta) -> str:
    """``1 day 6 hours``; days have 24 hours, as in Python, and there is no longer unit than a day."""
    return " ".join(_parts(value)) or "0 seconds"


def _parts(value: timedelta) -> Iterator[str]:
    rest, sign = abs(value), "-" if value < timedelta() else ""
    for unit, length in _UNITS:
        count, rest = divmod(rest, length)
        if count:
            yield f"{sign}{count} {unit}{'' if count == 1 else 's'}"


_WRITERS: Sequence[tuple[type | tuple[type, ...], Callable[[Any], str]]] = (
    (type(None), lambda _: "NULL"),
    (Raw, str),
    (str, _string),
    (bool, lambda value: "true" if value else "false"),
    (int, lambda value: str(int(value))),
    (float, _float),
    (Decimal, _decimal),
    (timedelta, interval),
    (datetime, _datetime),
    (date, lambda value: f"DATE '{value.isoformat()}'"),
    ((dict, list), lambda value: f"{_string(_json(value))}::jsonb"),
)
"""The first that fits: a bool is an int, and a datetime is a date."""


def call(function: str, /, *args: object, **named: object) -> Raw:
    """A function call: ``f('a', INTERVAL '1 day', if_not_exists => true)``.

    :param function: the function's name, if need be with its schema, as SQL text.
    :param named: those that are ``None`` are left out; pass :data:`NULL` for a null.
    """
    positional = [literal(value) for value in args]
    given = {name: value for name, value in named.items() if value is not None}
    by_name = [f"{identifier(name)} => {literal(value)}" for name, value in given.items()]
    return Raw(f"{function}({', '.join(positional + by_name)})")
