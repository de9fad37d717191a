"""Classifying statements: each is read in the light of those before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from tsext.errors import Severity
from tsext.model.locks import LockMode
from tsext.safety import alterations, calls, data, definitions, dynamic, rules  # noqa: F401  (register what they read)
from tsext.safety.facts import Facts
from tsext.safety.hazards import Axis, Hazard, Lock, Statement
from tsext.safety.names import Name
from tsext.safety.reading import READERS, Reading
from tsext.safety.script import Script
from tsext.sql import grammar

_OUTSIDE = {rules.NOT_IN_TRANSACTION.id}


@dataclass(frozen=True)
class Verdict:
    """What was found out about one statement."""

    statement: Statement
    locks: tuple[Lock, ...]
    """On relations that were there before."""
    hazards: tuple[Hazard, ...]


def classify(statements: Iterable[Statement | str], facts: Facts | None = None) -> list[Hazard]:
    """All that may hurt in the statements of one revision, in their order.

    :param facts: what is known of the database; None: nothing but the usual version.
    """
    return [hazard for verdict in verdicts(statements, facts) for hazard in verdict.hazards]


def classify_in_turn(revisions: Iterable[Iterable[Statement]], facts: Facts | None = None) -> list[list[Hazard]]:
    """The same of several revisions that run one after the other, each in a transaction of its own."""
    script, known, found = Script(), facts or Facts(), []
    for statements in revisions:
        verdicts_ = _read_all(list(statements), known, script)
        script.end_transaction()
        found.append([hazard for verdict in verdicts_ for hazard in verdict.hazards])
    return found


def footprint(statement: Statement | str, facts: Facts | None = None) -> tuple[Lock, ...]:
    """The table locks that one statement takes if it runs alone."""
    return tuple(lock for verdict in verdicts([statement], facts) for lock in verdict.locks)


def verdicts(statements: Iterable[Statement | str], facts: Facts | None = None) -> list[Verdict]:
    """Locks and hazards, statement by statement."""
    return _read_all(list(statements), facts or Facts(), Script())


def _read_all(statements: list[Statement | str], facts: Facts, script: Script) -> list[Verdict]:
    given = [one for each in statements for one in _split(each if isinstance(each, Statement) else Statement(each))]
    inside = not _needs_autocommit(given)
    return [_verdict(each, facts, script, inside=inside) for each in given]


def _split(given: Statement) -> Iterator[Statement]:
    """One statement each; what cannot be read, or is empty, as it is."""
    try:
        script = grammar.parse(given.text)
    except grammar.GrammarError:
        yield given
        return
    if len(script.statements) <= 1:
        yield given
        return
    for start, end in script.statements:
        line = given.line + given.text.count("\n", 0, start)
        yield replace(given, text=given.text[start:end], line=line)


def _verdict(statement: Statement, facts: Facts, script: Script, *, inside: bool) -> Verdict:
    in_transaction = inside if statement.in_transaction is None else statement.in_transaction
    reading = Reading(statement, facts, script, in_transaction=in_transaction)
    before = dict(script.held)
    new = set(script.relations)
    _read(reading)
    locks = {name: each for name, each in reading.locks.items() if name not in new and not script.is_new(name)}
    if in_transaction:
        reading.hazards += _under_lock(reading, before)
        for name, lock in reading.locks.items():
            script.hold(name, lock.mode)
    else:
        script.end_transaction()
    return Verdict(statement, tuple(locks.values()), tuple(_distinct(reading.hazards)))


def _read(reading: Reading) -> None:
    try:
        parsed = grammar.parse(reading.statement.text)
    except grammar.GrammarError as error:
        reading.report(rules.UNREADABLE, why=error.message)
        return
    if not parsed.statements:
        return
    (start, end), *_ = parsed.statements
    read = grammar.tree(parsed.text[start:end])
    if read is None:
        reading.report(rules.UNREADABLE, why="it is too long or nested too deep")
        return
    kind, node = read
    _use_enum_values(reading, kind, node)
    if kind in READERS:
        READERS[kind](reading, node)
    else:
        reading.report(rules.UNKNOWN_STATEMENT, what=kind.removesuffix("_stmt").replace("_", " ").upper())


def _use_enum_values(reading: Reading, kind: str, node: object) -> None:
    """A value that this transaction has added to an enum cannot be used in it."""
    added = reading.script.enum_values
    if not added or not reading.in_transaction or kind == "alter_enum_stmt":
        return
    for each in grammar.find(node, "A_Const"):
        value = each.sval.sval if each.WhichOneof("val") == "sval" else None
        if value in added:
            reading.report(rules.ENUM_VALUE_USED, value=value, name=added[value])


def _under_lock(reading: Reading, held: dict[Name, LockMode]) -> Iterator[Hazard]:
    """Work that is harmless by itself, while an earlier statement's lock makes others wait."""
    working = [name for name, lock in reading.locks.items() if lock.work is not None and not reading.is_new(name)]
    if not held or not working or any(_stops(each) for each in reading.hazards):
        return
    worst = max(reading.script.held.items(), key=lambda each: each[1].strength)
    what = reading.statement.text.split(None, 2)
    reading.report(
        rules.WORK_UNDER_LOCK, worst[0], *working, what=" ".join(what[:2]), mode=worst[1].name.replace("_", " ")
    )
    yield replace(reading.hazards.pop(), mode=worst[1], work=reading.locks[working[0]].work)


def _stops(hazard: Hazard) -> bool:
    return hazard.axis in (Axis.LOCK, Axis.WILL_FAIL) and hazard.severity is Severity.ERROR


def _distinct(hazards: list[Hazard]) -> Iterator[Hazard]:
    """Each once, however often a statement gives cause for it."""
    seen = set()
    for each in hazards:
        if (each.rule, each.message) not in seen:
            seen.add((each.rule, each.message))
            yield each


def _needs_autocommit(statements: list[Statement]) -> bool:
    """Whether any of them refuses to run inside a transaction, so that the others will not, either."""
    script, facts = Script(), Facts()
    for each in statements:
        if each.in_transaction is None:
            reading = Reading(each, facts, script, in_transaction=True)
            _read(reading)
            if any(hazard.rule in _OUTSIDE for hazard in reading.hazards):
                return True
    return False
