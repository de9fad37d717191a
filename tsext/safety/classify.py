"""Classifying statements: each is read in the light of those before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from tsext.errors import Severity
from tsext.safety import (  # noqa: F401  (those that are not used here register what they read)
    alterations,
    calls,
    data,
    dropping,
    dynamic,
    functions,
    heads,
    holding,
    indexes,
    objects,
    renaming,
    rules,
    tables,
    user_types,
)
from tsext.safety.facts import Facts
from tsext.safety.hazards import Axis, Hazard, Lock, Statement
from tsext.safety.names import Name
from tsext.safety.reading import Part, Reading
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
    """As :func:`classify`, for several revisions that run one after the other, each in a transaction of its own."""
    return [[hazard for each in revision for hazard in each.hazards] for revision in _in_turn(revisions, facts)]


def with_functions(facts: Facts, statements: Iterable[Statement]) -> Facts:
    """The same facts, the functions that statements create known as well."""
    script = Script(facts)
    for each in statements:
        read = grammar.tree(each.text) if any(kind in each.text.upper() for kind in ("FUNCTION", "PROCEDURE")) else None
        if read is not None and read[0] == "create_function_stmt":
            script.define(Name.of_list(read[1].funcname), functions.of_node(read[1], each.text))
    return replace(facts, made={**facts.made, **script.functions})


def footprint(statement: Statement | str, facts: Facts | None = None) -> tuple[Lock, ...]:
    """The table locks that one statement takes if it runs alone."""
    return tuple(lock for verdict in verdicts([statement], facts) for lock in verdict.locks)


def verdicts(statements: Iterable[Statement | str], facts: Facts | None = None) -> list[Verdict]:
    """Locks and hazards, statement by statement; what holds several, as in a file, one by one."""
    return _in_turn([statements], facts)[0]


def _in_turn(revisions: Iterable[Iterable[Statement | str]], facts: Facts | None) -> list[list[Verdict]]:
    known = facts or Facts()
    script = Script(known)
    readings = []
    for statements in revisions:
        given = (each if isinstance(each, Statement) else Statement(each) for each in statements)
        parts = [part for each in given for part in _split(each)]
        readings.append(list(_read_revision(parts, known, script)))
        script.end_transaction()
    forgotten = {id(each) for each in script.forgotten}
    return [[_verdict(each, forgotten) for each in revision] for revision in readings]


def _verdict(reading: Reading, forgotten: set[int]) -> Verdict:
    return Verdict(reading.part.statement, reading.others, tuple(_distinct(reading.hazards, forgotten)))


def _split(given: Statement) -> Iterator[Part]:
    """One statement each; what cannot be read, or is empty, as it is."""
    try:
        script = grammar.parse(given.text)
    except (grammar.GrammarError, ValueError):
        yield Part(given, given)
        return
    if len(script.statements) <= 1:
        yield Part(given, given)
        return
    for start, end in script.statements:
        line = given.line + given.text.count("\n", 0, start)
        yield Part(given, replace(given, text=given.text[start:end], line=line))


def _read_revision(parts: list[Part], facts: Facts, script: Script) -> Iterator[Reading]:
    explicit = any(_begins(each.statement.text) for each in parts)
    inside = not explicit and not _needs_autocommit(parts, facts)
    for each in parts:
        in_transaction = each.given.in_transaction
        if in_transaction is None:
            in_transaction = script.inside if explicit else inside
        yield _reading(each, facts, script, in_transaction=in_transaction)


def _begins(text: str) -> bool:
    """Whether it is ``BEGIN``, so that what is outside is meant to be on its own."""
    if len(text) > _LONGEST_BEGIN or not any(each in text.upper() for each in ("BEGIN", "START")):
        return False
    read = grammar.tree(text)
    return read is not None and read[0] == "transaction_stmt"


_LONGEST_BEGIN = 1000
"""In characters, with comments."""


def _reading(part: Part, facts: Facts, script: Script, *, in_transaction: bool) -> Reading:
    reading = Reading(part, facts, script, in_transaction=in_transaction)
    before = dict(script.held)
    _read(reading)
    if in_transaction:
        holding.judge(reading, before)
        holding.hold(reading)
    else:
        script.end_transaction()
    script.blind = script.blind or any(_fails(each) for each in reading.hazards)
    reading.others = reading.locks_of_others()
    return reading


def _fails(hazard: Hazard) -> bool:
    """Whether the server refuses the statement, so that nobody knows what will be there for the next."""
    return hazard.axis is Axis.WILL_FAIL and hazard.severity is Severity.ERROR


def _read(reading: Reading) -> None:
    if "\0" in reading.text:
        reading.report(rules.UNREADABLE, why="it has a NUL character")
        return
    try:
        parsed = grammar.parse(reading.text)
    except (grammar.GrammarError, ValueError) as error:
        reading.report(rules.UNREADABLE, why=getattr(error, "message", error))
        return
    if not parsed.statements:
        return
    (start, end), *_ = parsed.statements
    text = parsed.text[start:end]
    read = grammar.tree(text)
    if read is None:
        heads.read(reading, text)
    else:
        holding.read(reading, text, *read)


def _distinct(hazards: list[Hazard], forgotten: set[int]) -> Iterator[Hazard]:
    """Each once, however often a statement gives cause for it."""
    seen = set()
    for each in hazards:
        if (each.rule, each.message) not in seen and id(each) not in forgotten:
            seen.add((each.rule, each.message))
            yield each


def _is_about_rows(text: str) -> bool:
    """Whether it surely runs in a transaction, so that many rows need not be read twice."""
    return text.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE")


def _needs_autocommit(parts: list[Part], facts: Facts) -> bool:
    """Whether any of them refuses to run inside a transaction, so that the others will not, either."""
    script = Script(facts)
    for each in parts:
        if each.given.in_transaction is None and not _is_about_rows(each.statement.text):
            reading = Reading(each, facts, script, in_transaction=True)
            _read(reading)
            if any(hazard.rule in _OUTSIDE for hazard in reading.hazards):
                return True
    return False
