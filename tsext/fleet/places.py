"""On which line of a TOML file something stands; ``tomllib`` tells that only of what it cannot parse."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

Places = Mapping[tuple[str, int, str], int]
"""Line of (array of tables, index in it, key), of the table itself for the key ``""``, of the file's own keys in
``("", 0, key)``."""


def places(text: str) -> Places:
    """Where tables and keys begin in a file that can be parsed."""
    found: dict[tuple[str, int, str], int] = {}
    numbers: Counter[str] = Counter()
    table = ("", 0)
    for line, statement, parsed in _statements(text):
        (name,) = parsed
        if statement.lstrip().startswith("["):
            table = (name, numbers[name])
            numbers[name] += 1
            found[(*table, "")] = line
        else:
            found[(*table, name)] = line
    return found


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Each header and each key with its value, however many lines that takes, and the line on which it begins."""
    statement, begin = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        statement += line + "\n"
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # it goes on
        if parsed:
            yield begin, statement, parsed
        statement, begin = "", number + 1
