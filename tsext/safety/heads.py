"""Statements that are too long or nested too deep for a tree: what their first words tell."""

from __future__ import annotations

from tsext.model.locks import LockMode
from tsext.safety import functions, rules
from tsext.safety.names import name_in
from tsext.safety.reading import Reading
from tsext.sql import grammar

_HARMLESS = {"COMMENT", "SET", "VALUES", "TABLE", "SHOW", "EXPLAIN"}
_DEFINED = {"FUNCTION", "PROCEDURE", "AGGREGATE"}


def read(reading: Reading, text: str) -> None:
    """What can be told."""
    words = grammar.words(text, 12)
    upper = [each.upper() for each in words]
    if upper[:2] == ["INSERT", "INTO"]:
        reading.lock(name_in(_name(words[2:])), LockMode.ROW_EXCLUSIVE)
        return
    if upper[:2] == ["CREATE", "TABLE"]:
        names = words[5:] if upper[2:5] == ["IF", "NOT", "EXISTS"] else words[2:]
        reading.script.create(name_in(_name(names)))
        return
    if upper[:1] == ["CREATE"]:
        kinds = [each for each in upper[1:4] if each not in ("OR", "REPLACE")]
        if kinds and kinds[0] in _DEFINED:
            name = name_in(_name(words[1 + upper[1:4].index(kinds[0]) + 1 :]))
            reading.script.define(name, functions.unknown())
            return
        if kinds and kinds[0] == "VIEW":
            view = name_in(_name(words[upper.index("VIEW") + 1 :]))
            if reading.find(view) is not None:
                reading.lock(view, LockMode.ACCESS_EXCLUSIVE)
            else:
                reading.script.create(view, kind="v")
            return
    if upper[:1] and upper[0] in _HARMLESS:
        return
    reading.report(rules.UNREADABLE, why="it is too long or nested too deep")


def _name(words: list[str]) -> str:
    """A name, with its schema if that is written."""
    return "".join(words[:3]) if words[1:2] == ["."] else "".join(words[:1])
