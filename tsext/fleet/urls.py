"""URLs with something to fill in: passwords from the environment, names of databases."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL

from tsext.errors import SettingsError
from tsext.settings import normalise_url

_VARIABLE = r"\$\{(?P<variable>\w+)\}"
_FIELD = r"\{(?P<field>\w+)\}"

_HARMLESS = re.compile(r"[\w.-]*")
"""Means the same wherever it stands in a URL."""


def filled_in(text: str, fields: Mapping[str, str] | None = None) -> URL:
    """The URL, with ``${VARIABLE}`` from the environment and ``{field}`` from the fields, if there are any.

    A value stands for itself, so a password needs no percent-encoding; but one with which the URL begins is a URL.

    :raises SettingsError: if there is no such variable or field, or it is no URL; never with a password in it.
    """
    stand_ins: dict[str, str] = {}

    def stand_in(place: re.Match[str]) -> str:
        value = _value(place, fields or {})
        if place.start() == 0 or _HARMLESS.fullmatch(value):
            return value
        name = f"standin{len(stand_ins)}x"
        stand_ins[name] = value
        return name

    pattern = _VARIABLE if fields is None else f"{_VARIABLE}|{_FIELD}"
    try:
        url = normalise_url(re.sub(pattern, stand_in, text))
    except ValueError:  # what it says would show what stands there, which may be part of a password
        raise SettingsError("the port of the URL is no number", hint="percent-encode /, @ and : in passwords") from None
    return _replaced(url, stand_ins)


def hidden(text: str, url: URL) -> str:
    """The text without the passwords of the URL."""
    given = [value for name, value in url.query.items() if "password" in name]
    for secret in (url.password, *given):
        if secret:
            text = text.replace(str(secret), "***")
    return text


def _value(place: re.Match[str], fields: Mapping[str, str]) -> str:
    variable = place["variable"]
    if variable is None:
        field = place["field"]
        if field not in fields:
            raise SettingsError(
                f"the template has {{{field}}}, which nothing fills in", hint=f"it may have: {', '.join(fields)}"
            )
        return fields[field]
    if variable not in os.environ:
        raise SettingsError(f"the environment variable {variable} is not set", hint=f"export {variable}=…")
    return os.environ[variable]


def _replaced(url: URL, stand_ins: Mapping[str, str]) -> URL:
    def original(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(original, value))
        for name, meant in stand_ins.items():
            value = value and value.replace(name, meant)
        return value

    return url.set(
        username=original(url.username),
        password=original(url.password),
        host=original(url.host),
        database=original(url.database),
        query={name: original(value) for name, value in url.query.items()},
    )
