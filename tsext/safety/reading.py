"""Reading one statement: what it locks, and what there is to say of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tsext.catalog import ColumnFacts, ConstraintFacts, IndexFacts, RelationFacts
from tsext.model.locks import LockMode, Work
from tsext.safety.facts import Facts, estimate
from tsext.safety.functions import Function
from tsext.safety.hazards import Axis, Hazard, Lock, Statement
from tsext.safety.names import Name, text
from tsext.safety.rules import DOES_NOT_EXIST, NOT_IN_TRANSACTION, VERSION, Rule
from tsext.safety.script import Script, State
from tsext.safety.types import Type, of_text
from tsext.sql import grammar

Reader = Callable[["Reading", Any], None]

READERS: dict[str, Reader] = {}
"""What reads a statement, by the kind of its parse tree."""

_WORST = [None, Work.SCAN, Work.BUILD, Work.REWRITE]

_THEIRS = re.compile(r"pg_|information_schema$|tsext$|_?timescaledb_")
"""Schemas of which the catalog's facts say nothing."""


def reads(*kinds: str) -> Callable[[Reader], Reader]:
    """Register what reads some kinds of statements."""

    def register(reader: Reader) -> Reader:
        READERS.update(dict.fromkeys(kinds, reader))
        return reader

    return register


@dataclass(frozen=True)
class Part:
    """One statement of those that were given as one."""

    given: Statement
    statement: Statement


class Reading:
    """One statement, and what has been found out about it."""

    def __init__(self, part: Part, facts: Facts, script: Script, *, in_transaction: bool) -> None:
        self.part = part
        self.facts = facts
        self.script = script
        self.in_transaction = in_transaction
        self.locks: dict[Name, Lock] = {}
        self.source = ""
        """The text that its tree was made of, to whose characters the tree refers."""
        self.common: dict[str, Any] = {}
        """The queries of its WITH, by name."""
        self.others: tuple[Lock, ...] = ()
        """The locks on relations that were there before the revision."""
        self.hazards: list[Hazard] = []
        self.commands = 1
        """Of an ``ALTER TABLE``."""
        self.only = False
        """Whether an ``ALTER TABLE`` says ``ONLY``."""
        self.depth = 0
        """How many statements and functions run this one."""
        self.running: tuple[Function, ...] = ()
        """The functions among them."""
        self._created_before = {name for name, state in script.states.items() if state.new}

    @property
    def text(self) -> str:
        """The statement as it is written."""
        return self.part.statement.text

    def inner(self) -> Reading:
        """For a statement that this one runs."""
        inner = Reading(self.part, self.facts, self.script, in_transaction=self.in_transaction)
        inner.depth, inner.running = self.depth + 1, self.running
        return inner

    def take(self, inner: Reading) -> None:
        """What was found out about a statement that this one runs."""
        self.hazards += inner.hazards
        for name, lock in inner.locks.items():
            earlier = self.locks.get(name)
            if earlier is None or lock.mode.strength > earlier.mode.strength:
                self.locks[name] = replace(lock, work=lock.work or (earlier.work if earlier is not None else None))
            elif earlier.work is None:
                self.locks[name] = replace(earlier, work=lock.work, estimate=lock.estimate)

    def locks_of_others(self) -> tuple[Lock, ...]:
        """Its locks on relations that were there before the revision."""
        new = self._created_before
        return tuple(each for name, each in self.locks.items() if name not in new and not self.is_new(name))

    # --- what is known of names

    def is_new(self, name: Name) -> bool:
        """Whether the relation was created by an earlier statement, or is temporary."""
        return self.script.is_new(name)

    def state(self, name: Name) -> State:
        """What earlier statements have done to a relation."""
        return self.script.of(name)

    def find(self, name: Name) -> RelationFacts | None:
        """What the catalog knows of a relation, unless earlier statements have replaced it."""
        state = self.script.of(name)
        return None if state.new or state.gone else self.facts.find(state.was or self.script.key(name))

    def knows(self, name: Name) -> bool:
        """Whether all is known that there is of a relation."""
        found = self.find(name)
        return found is not None and found.whole

    def is_missing(self, name: Name) -> bool:
        """Whether there is surely no such relation."""
        return not self.script.blind and self.is_nowhere(name)

    def is_nowhere(self, name: Name) -> bool:
        """Whether neither the catalog has such a relation, nor a statement that can be read has made it."""
        if not self.facts.is_complete or _THEIRS.match(name.schema or name.name):
            return False
        return not self.is_new(name) and self.find(name) is None

    def column(self, table: Name, name: str) -> ColumnFacts | None:
        """What the catalog knows of a column, by the name it has now."""
        found, state = self.find(table), self.state(table)
        if found is None or (name in state.lost and name not in state.columns):
            return None
        known = state.columns.get(name, name)
        return None if known is None else found.columns.get(known)

    def type_of(self, table: Name, name: str) -> Type | None:
        """The type that a column has now, or that its domain is made of; None if that is not known."""
        column = self.column(table, name)
        known = of_text(column.base) if column is not None and column.base else None
        return self.state(table).types.get(name, known)

    def domain_default(self, name: str) -> Any:
        """The parse tree of a domain's DEFAULT; None if it has none, or that is not known."""
        made = self.script.domain_defaults.get(name.rpartition(".")[2])
        return self.facts.domain_default(name) if made is None else made

    def is_own_column(self, table: Name, name: str) -> bool:
        """Whether an earlier statement added it."""
        state = self.state(table)
        return state.new or state.columns.get(name, name) is None

    def lacks_column(self, table: Name, name: str) -> bool:
        """Whether there is surely no such column."""
        return not self.script.blind and self.knows_no_column(table, name)

    def knows_no_column(self, table: Name, name: str) -> bool:
        """Whether nothing that can be read tells of such a column."""
        found = self.find(table)
        if found is None or not found.whole or not found.columns or self.is_own_column(table, name):
            return False
        return self.column(table, name) is None

    def need_columns(self, table: Name, *names: str) -> bool:
        """Report columns that are not there; whether all are."""
        missing = [each for each in names if each and self.lacks_column(table, each)]
        for each in missing:
            self.report(DOES_NOT_EXIST, what="column", name=f"{table}.{each}")
        return not missing

    def parent(self, table: Name) -> RelationFacts | None:
        """What the table is a partition of, or inherits from."""
        found = self.find(table)
        if found is None or found.parent is None or self.state(table).independent:
            return None
        return self.facts.find(Name(*found.parent))

    def is_inherited(self, table: Name, column: str) -> bool:
        """Whether it is a column of what the table is a partition of, or inherits from."""
        parent = self.parent(table)
        return parent is not None and column in parent.columns

    def constraint(self, table: Name, name: str) -> ConstraintFacts | None:
        """What the catalog knows of a constraint that is still there."""
        found = self.find(table)
        return None if found is None or name in self.state(table).dropped else found.constraints.get(name)

    def constraints(self, table: Name) -> list[ConstraintFacts]:
        """All that the catalog knows of, and that are still there."""
        found = self.find(table)
        dropped = self.state(table).dropped
        return [each for each in found.constraints.values() if each.name not in dropped] if found is not None else []

    def indexes(self, table: Name) -> list[IndexFacts]:
        """Its indexes: those that the catalog knows of and that are still there, and those that were created."""
        found, key = self.find(table), self.script.key(table)
        known = list(found.indexes.values()) if found is not None else []
        made = [each.index for each in self.script.states.values() if each.index is not None and each.index_of == key]
        return [each for each in known if not self.script.has_left(Name(key.schema, each.name))] + made

    @property
    def is_utc(self) -> bool:
        """Whether the session's time zone is UTC, so that timestamp and timestamptz have the same bytes."""
        zone = self.script.time_zone or self.facts.time_zone
        return zone.upper() in ("UTC", "ETC/UTC", "GMT", "UCT", "ZULU", "+00", "+00:00")

    def is_before(self, *version: int) -> bool:
        """Whether TimescaleDB is older than a version, for sure."""
        found = self.facts.timescaledb
        return found is not None and found.number < version

    def is_since(self, *version: int) -> bool:
        """Whether TimescaleDB is of a version, or newer, for sure."""
        found = self.facts.timescaledb
        return found is not None and found.number >= version

    # --- what is found out

    def lock(self, name: Name, mode: LockMode, work: Work | None = None) -> None:
        """The statement locks a relation; of several locks the strongest counts."""
        key, found = self.script.key(name), self.find(name)
        earlier = self.locks.get(key)
        if earlier is not None and earlier.mode.strength > mode.strength:
            mode = earlier.mode
        if earlier is not None:
            work = max(earlier.work, work, key=_WORST.index)
        known = self.facts.database is not None and key.schema != "pg_temp"
        shown = self.short(key) if known else name
        self.locks[key] = Lock(str(shown), mode, work, found.parts if found is not None else 0, estimate(work, found))

    def forget_lock(self, name: Name) -> None:
        """The statement does not lock it after all."""
        self.locks.pop(self.script.key(name), None)

    def short(self, key: Name) -> Name:
        """A name as users write it: without the default schema."""
        return Name(None, key.name) if key.schema == self.facts.search_path[0] else key

    def is_locked(self, name: Name) -> bool:
        """Whether the statement locks it already."""
        return self.script.key(name) in self.locks

    def report(self, rule: Rule, *relations: Name, **words: object) -> Hazard:
        """Report that a rule applies to the statement.

        :param relations: which it is about.
        :param words: what is filled into the message and the hint of the rule.
        """
        keys = [self.script.key(each) for each in relations]
        locks = [self.locks[each] for each in keys if each in self.locks]
        strongest = max(locks, key=lambda each: each.mode.strength, default=None)
        filled = defaultdict(lambda: "…", {name: str(word) for name, word in words.items()})
        if relations:
            columns = [str(words["column"])] if "column" in words else []
            filled.setdefault("table", str(relations[0]))
            filled.setdefault("target", text(relations[0].name))
            filled.setdefault("arguments", relations[0].arguments(*columns))
        hazard = Hazard(
            rule.id,
            rule.message.format_map(filled),
            rule.hint.format_map(filled),
            rule.severity,
            axis=rule.axis,
            statement=self.part.given,
            line=self.part.statement.line,
            mode=strongest.mode if strongest else None,
            work=strongest.work if strongest else None,
            relations=tuple(str(each) for each in relations),
            estimate=strongest.estimate if strongest else None,
        )
        self.hazards.append(hazard)
        self.script.blind = self.script.blind or rule.axis is Axis.UNKNOWN
        return hazard

    def report_parting(self, rule: Rule, name: Name, **words: object) -> None:
        """Report that something is gone which others use, unless a later statement gives its name to something else."""
        self.script.miss(name, self.report(rule, *([name] if self.is_locked(name) else []), name=name, **words))

    def refuse_in_transaction(self, what: str) -> None:
        """The statement commits by itself."""
        if self.in_transaction:
            self.report(NOT_IN_TRANSACTION, what=what)

    def need_postgresql(self, version: int, what: str, cure: str) -> bool:
        """Report what an older server lacks; whether this one has it, as far as is known."""
        if not self.facts.is_complete or self.facts.postgresql >= version:
            return True
        needed, found = f"PostgreSQL {version}", f"PostgreSQL {self.facts.postgresql}"
        self.report(VERSION, what=what, cure=cure, needed=needed, found=found)
        return False


def cascades(node: Any) -> bool:
    """Whether a statement, or a command of ALTER TABLE, says CASCADE."""
    return grammar.enum_name("DropBehavior", node.behavior) == "DROP_CASCADE"
