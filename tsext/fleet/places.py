"""On which line of a TOML file something stands; ``tomllib`` tells that only of what it cannot parse."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Place(NamedTuple):
    """A key of a table, or the table itself."""

    table: str
    """The array of tables that it is in; empty: the file's own."""
    number: int = 0
    """Which of that array, from 0."""
    key: str = ""
    """Empty: the table itself."""

    def at(self, key: str) -> Place:
        """A key of the same table."""
        return self._replace(key=key)


Places = Mapping[Place, int]
"""On which line each begins."""


def places(text: str) -> Places:
    """Where tables and keys begin in a file that can be parsed."""
    found: dict[Place, int] = {}
    numbers: Counter[str] = Counter()
    table = Place("")
    for line, statement, parsed in _statements(text):
        (name,) = parsed
        if statement.lstrip().startswith("["):
            table = Place(name, numbers[name])
            numbers[name] += 1
            found[table] = line
        else:
            found[table.at(name)] = line
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
