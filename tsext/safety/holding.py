"""What locks that are held do to what comes after them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tsext.errors import Severity
from tsext.model.locks import LockMode
from tsext.safety import missing, rules
from tsext.safety.hazards import Axis, Hazard, Lock
from tsext.safety.names import Name
from tsext.safety.reading import READERS, Reading
from tsext.sql import grammar


def read(reading: Reading, source: str, kind: str, node: Any) -> None:
    """One statement, by the tree of its source."""
    reading.source = source
    if "with" in source.lower():
        reading.common = {each.ctename: each.ctequery for each in grammar.find(node, "CommonTableExpr")}
    _use_enum_values(reading, kind, node)
    if kind in READERS:
        missing.look_up_others(reading, kind, node)
        READERS[kind](reading, node)
        missing.look_up_relations(reading, kind, node)
    else:
        reading.report(rules.UNKNOWN_STATEMENT, what=kind.removesuffix("_stmt").replace("_", " ").upper())


_GUARDED = {rules.EXISTS_ALREADY.id, rules.DOES_NOT_EXIST.id}
"""What IF and EXCEPTION are there to prevent, in DO and in functions."""


def read_inside(reading: Reading, source: str, kind: str, node: Any) -> None:
    """A statement that another runs, as DO and functions do; it holds its locks until the other is done."""
    inner = reading.inner()
    before = dict(reading.script.held)
    read(inner, source, kind, node)
    inner.hazards = [each for each in inner.hazards if each.rule not in _GUARDED]
    judge(inner, before)
    hold(inner)
    reading.take(inner)


def hold(reading: Reading) -> None:
    """The locks of a statement are held until the end of the transaction."""
    for name, lock in reading.locks.items():
        found = reading.find(name)
        if lock.mode.blocks_reads or found is None or found.kind != "m":  # nobody writes to a materialized view
            reading.script.hold(name, lock.mode)


def judge(reading: Reading, held: dict[Name, LockMode]) -> None:
    """Report work that is harmless by itself, while the lock of an earlier command makes others wait."""
    working = {name: lock for name, lock in reading.locks.items() if lock.work and not reading.is_new(name)}
    if not working or any(_stops(each) for each in reading.hazards):
        return
    several = reading.commands > 1
    own = {name: lock.mode for name, lock in working.items() if several and lock.mode.blocks_writes}
    locks = {**own, **held}
    if not locks:
        return
    _report(reading, locks, working)


def wait(reading: Reading) -> None:
    """The same of a statement that lets time pass, and does nothing."""
    if reading.script.held:
        _report(reading, reading.script.held, {})


def _report(reading: Reading, locks: dict[Name, LockMode], working: dict[Name, Lock]) -> None:
    worst = max(locks, key=lambda each: locks[each].strength)
    words = {"what": " ".join(reading.text.split(None, 2)[:2]), "mode": locks[worst].name.replace("_", " ")}
    relations = [reading.short(each) for each in (worst, *(each for each in working if each != worst))]
    hazard = reading.report(rules.WORK_UNDER_LOCK, *relations, **words)
    work = next((each.work for each in working.values()), None)
    reading.hazards[-1] = replace(hazard, mode=locks[worst], work=work)


def _stops(hazard: Hazard) -> bool:
    return hazard.axis in (Axis.LOCK, Axis.WILL_FAIL) and hazard.severity is Severity.ERROR


def _use_enum_values(reading: Reading, kind: str, node: Any) -> None:
    """A value that this transaction has added to an enum cannot be used in it."""
    added = reading.script.enum_values
    if not added or not reading.in_transaction or kind == "alter_enum_stmt":
        return
    for each in grammar.find(node, "A_Const"):
        value = each.sval.sval if each.WhichOneof("val") == "sval" else None
        if value in added:
            reading.report(rules.ENUM_VALUE_USED, value=value, name=added[value])
