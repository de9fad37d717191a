"""What triggers do when a statement changes rows.

The application's own writes fire them as well; what is told of a revision is which rows of other tables it locks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from tsext.safety import dynamic
from tsext.safety.expressions import columns_in
from tsext.safety.hazards import Axis
from tsext.safety.looping import Looping
from tsext.safety.names import Name
from tsext.safety.reading import Reading
from tsext.sql import grammar

EVENTS = {"INSERT": 1 << 2, "DELETE": 1 << 3, "UPDATE": 1 << 4}
"""``TRIGGER_TYPE_…`` in PostgreSQL's pg_trigger.h."""

_DEEPEST = 5
"""How many triggers and functions may run one another; what is deeper is not read."""


def fire(reading: Reading, table: Name, event: str, *, rows: Looping, changed: Collection[str] | None = None) -> None:
    """Read the functions that the triggers of a table run.

    :param rows: of which rows the statement is.
    :param changed: the columns that an UPDATE changes.
    """
    if reading.depth >= _DEEPEST or reading.is_new(table):
        return
    for node in _triggers(reading, table):
        if node.events & EVENTS[event] and (changed is None or _minds(node, changed)):
            _run(reading, node, rows if node.row else Looping.NONE)


def _triggers(reading: Reading, table: Name) -> Iterator[Any]:
    """The trees of those that are there now, and enabled."""
    found, state = reading.find(table), reading.state(table)
    known = found.trigger_definitions if found is not None else {}
    definitions = {each: one for each, one in known.items() if each not in state.dropped} | state.trigger_definitions
    for name, definition in definitions.items():
        if name in state.disabled:
            continue
        read = grammar.tree(definition)
        if read is not None and read[0] == "create_trig_stmt":
            yield read[1]


def _minds(node: Any, changed: Collection[str]) -> bool:
    """Whether an UPDATE of some columns fires it, told from ``UPDATE OF``, and from what it asks to differ."""
    named = {each.string.sval for each in node.columns}
    if named and not named & set(changed):
        return False
    kinds = {grammar.enum_name("A_Expr_Kind", each.kind) for each in grammar.find(node.when_clause, "A_Expr")}
    asks_for_change = kinds == {"AEXPR_DISTINCT"}
    return not asks_for_change or bool(columns_in(node.when_clause) & {*changed, "old", "new"})


def _run(reading: Reading, node: Any, rows: Looping) -> None:
    outside = reading.script.looping
    for function in reading.script.functions_of(Name.of_list(node.funcname), 0):
        if function.body is None or function in reading.running:
            continue
        inner = reading.inner()
        inner.running = (*inner.running, function)
        reading.script.looping = max(outside, rows)
        dynamic.run(inner, function.body)
        inner.hazards = [each for each in inner.hazards if each.axis is Axis.LOCK]
        reading.take(inner)
    reading.script.looping = outside
