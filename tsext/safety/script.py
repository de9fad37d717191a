"""What the statements before have done: what is new, and so concerns nobody; and which locks are still held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tsext.catalog import IndexFacts
from tsext.model.locks import LockMode
from tsext.safety.facts import Facts
from tsext.safety.functions import Function
from tsext.safety.hazards import Hazard
from tsext.safety.looping import Looping
from tsext.safety.names import Name
from tsext.safety.types import Type
from tsext.sql import grammar

_TEMPORARY = "pg_temp"


@dataclass
class Added:
    """A constraint that was added."""

    validated: bool
    not_null: tuple[str, ...] = ()
    """The columns that it proves not null, once it is valid."""
    constants: frozenset[str] = frozenset()
    """The constants in a CHECK, by which it may say which rows belong to a partition."""
    columns: frozenset[str] = frozenset()
    """All columns of a CHECK."""
    primary: bool = False
    """Whether it is a primary key that was there before, by another name."""
    references: Name | None = None
    """The table that a foreign key refers to."""
    referring: tuple[str, ...] = ()
    """The columns of a foreign key."""
    referenced: tuple[str, ...] = ()
    """The columns that it refers to."""


@dataclass
class State:
    """What the statements before have done to one relation."""

    new: bool = False
    """It was created, and so is used by nobody."""
    filled: bool = False
    """It got the rows of others, as many as there may be."""
    copied: bool = False
    """It got all rows of a table that is in use."""
    gone: bool = False
    """It was dropped, or has another name now."""
    was: Name | None = None
    """The name by which the catalog knows it, if it was renamed."""
    kind: str = "r"
    """Of a new one: ``pg_class.relkind``."""
    columns: dict[str, str | None] = field(default_factory=dict)
    """Columns that were added or renamed, and the catalog's names of the latter."""
    types: dict[str, Type] = field(default_factory=dict)
    """The types of columns that were added, or got another."""
    nullable: set[str] = field(default_factory=set)
    """Columns that may be null now, whatever the catalog says of them."""
    empty: set[str] = field(default_factory=set)
    """Columns that were added without a value."""
    sources: dict[str, str] = field(default_factory=dict)
    """What gives columns their value now: ``default``, ``identity`` or nothing."""
    computed: dict[str, frozenset[str]] = field(default_factory=dict)
    """Generated columns that were added, and the columns that they read."""
    storage: dict[str, str] = field(default_factory=dict)
    """What was set of its persistence, tablespace and access method, as :class:`RelationFacts` calls them."""
    required: set[str] = field(default_factory=set)
    """Columns that were added NOT NULL, and are filled by a DEFAULT."""
    lost: set[str] = field(default_factory=set)
    """The catalog's names of columns that were dropped or renamed."""
    proven: dict[str, str] = field(default_factory=dict)
    """Columns that are surely not null, and by which constraint; empty: the column's own NOT NULL."""
    constraints: dict[str, Added] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    """Constraints, triggers and policies that were dropped."""
    validated: bool = False
    """A constraint of it was validated of which only the catalog would know what it says."""
    checked: list[frozenset[str]] = field(default_factory=list)
    """Of each CHECK that is valid: its constants."""
    hypertable: bool = False
    dimensions: list[str] = field(default_factory=list)
    """Columns by which it was partitioned, as far as that can be told."""
    keys: list[frozenset[str]] = field(default_factory=list)
    """The columns of each unique key that it was created with, or got."""
    partition_of: bool = False
    """It was made a partition."""
    independent: bool = False
    """It was a partition, or a child, and is none any more."""
    index_of: Name | None = None
    """Of a new index: its table."""
    index: IndexFacts | None = None
    """What it is, if it is a new index."""
    policies: bool = False
    """It got a row security policy."""
    triggers: set[str] = field(default_factory=set)
    """Triggers that were created, or renamed."""
    trigger_definitions: dict[str, str] = field(default_factory=dict)
    """``CREATE TRIGGER`` of those that were created."""
    disabled: set[str] = field(default_factory=set)
    """Triggers that were disabled."""

    def rename_column(self, old: str, new: str) -> None:
        """What is known of a column goes with its name."""
        if old in self.types:
            self.types[new] = self.types.pop(old)
        if old in self.proven:
            self.proven[new] = self.proven.pop(old)
        if old in self.sources:
            self.sources[new] = self.sources.pop(old)
        renamed = {old: new}
        self.computed = {
            renamed.get(each, each): frozenset(renamed.get(one, one) for one in read)
            for each, read in self.computed.items()
        }
        for names in (self.nullable, self.empty, self.required):
            if old in names:
                names.remove(old)
                names.add(new)

    def computing(self, column: str) -> list[str]:
        """The generated columns that were added and read a column."""
        return [each for each, read in self.computed.items() if column in read]

    def forget_column(self, name: str) -> None:
        """It is gone, and another may get its name."""
        self.types.pop(name, None)
        self.proven.pop(name, None)
        self.sources.pop(name, None)
        self.computed.pop(name, None)
        for names in (self.nullable, self.empty, self.required):
            names.discard(name)


class Script:
    """The state after some statements."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.search_path = facts.search_path
        self.states: dict[Name, State] = {}
        self.types: set[str] = set()
        """Types that were created, without their schemas."""
        self.constrained: set[str] = set()
        """Domains with constraints that were created, without their schemas."""
        self.domain_defaults: dict[str, Any] = {}
        """The parse trees of the DEFAULTs of domains that were created, without their schemas."""
        self.schemas: dict[str, bool] = {}
        """Schemas that were created or renamed, and whether they are new."""
        self.functions: dict[str, Sequence[Function]] = {}
        """Functions that were created, without their schemas."""
        self.dropped_types: set[str] = set()
        """Types that were dropped, without their schemas."""
        self.renamed: dict[str, str] = {}
        """Types and functions that were there before, by the names that they have now, and the catalog's."""
        self.roles: set[str] = set()
        """Roles that were created."""
        self.extensions: set[str] = set()
        """Extensions that were created."""
        self.blind = False
        """Something was run that cannot be read, and may have made whatever is missing; or failed."""
        self.held: dict[Name, LockMode] = {}
        """The strongest lock that the transaction holds on each relation that was there before, if others wait."""
        self.enum_values: dict[str, Name] = {}
        """Values that the transaction has added to enums that were there before."""
        self.time_zone: str | None = None
        """The session's, if it was set."""
        self.looping = Looping.NONE
        """In which kind of loop a statement runs."""
        self.inside = False
        """After a BEGIN that is written out."""
        self.invented: set[Name] = set()
        """Names that nobody had before a relation got them."""
        self.forgotten: list[Hazard] = []
        """What has turned out to be none."""
        self._missed: dict[Name, Hazard] = {}

    # --- names

    @property
    def extended(self) -> bool:
        """Whether an extension was created, which brings functions and types."""
        return bool(self.extensions)

    def known_as(self, name: str) -> str | None:
        """What the catalog calls a type or function; None if what it knew by that name has another now."""
        if name in self.renamed:
            return self.renamed[name]
        return None if name in self.renamed.values() else name

    def key(self, name: Name) -> Name:
        """Schema and name of the relation that PostgreSQL would find; where it would create it, if there is none."""
        if name.schema is not None:
            return name
        for schema in (_TEMPORARY, *self.search_path):
            candidate = Name(schema, name.name)
            state = self.states.get(candidate)
            if (state is not None and not state.gone) or (state is None and self.facts.has(candidate)):
                return candidate
        return Name(self.search_path[0], name.name)

    def of(self, name: Name) -> State:
        """What was done to a relation."""
        return self.states.get(self.key(name), State())

    def change(self, name: Name) -> State:
        """The same, to write into."""
        return self.states.setdefault(self.key(name), State())

    def is_new(self, name: Name) -> bool:
        """Whether it was created here, and so is used by nobody."""
        return self.of(name).new

    def is_gone(self, name: Name) -> bool:
        """Whether it was dropped or renamed here."""
        return self.of(name).gone

    def has_left(self, name: Name) -> bool:
        """Whether the relation that the catalog knows by a name was dropped, and not just renamed."""
        return self.states.get(name, State()).gone and not any(each.was == name for each in self.states.values())

    # --- changes

    def create(self, name: Name, *, temporary: bool = False, kind: str = "r") -> State:
        """A relation is new."""
        key = Name(_TEMPORARY if temporary else name.schema or self.search_path[0], name.name)
        self.states[key] = State(new=True, kind=kind)
        self.replace(key)
        return self.states[key]

    def drop(self, name: Name) -> None:
        """A relation is gone."""
        self.states[self.key(name)] = State(gone=True)

    def rename(self, old: Name, new: Name) -> None:
        """A relation has another name."""
        key = self.key(old)
        state = self.change(old)
        if not state.new and state.was is None:
            state.was = key
        self.states[key] = State(gone=True)
        renamed = Name(new.schema or key.schema, new.name)
        if renamed not in self.states and not self.facts.has(renamed):
            self.invented.add(renamed)
        self.states[renamed] = state
        if key in self.held:
            self.held[renamed] = self.held.pop(key)
        for each in self.states.values():
            each.index_of = renamed if each.index_of == key else each.index_of
        self.replace(renamed)

    def miss(self, name: Name, hazard: Hazard) -> None:
        """Something is gone that others use, unless something else takes its name in time."""
        self._missed[self.key(name)] = hazard

    def replace(self, name: Name) -> None:
        """Something takes a name, maybe before anybody has missed what had it."""
        hazard = self._missed.pop(self.key(name), None)
        if hazard is not None:
            self.forgotten.append(hazard)

    def define(self, name: Name, function: Function) -> None:
        """A function is created, maybe instead of one that takes the same arguments."""
        known = self.functions.get(name.name, self.facts.functions(name.name))
        others = [each for each in known if each.arguments != function.arguments]
        self.functions[name.name] = [*others, function]
        self.replace(name)

    def rename_otherwise(self, name: Name, new: str, *, is_type: bool) -> None:
        """A type, or a function, has another name; what a function does goes with it."""
        if name.name not in self.types and name.name not in self.functions:
            self.renamed[new] = self.renamed.pop(name.name, name.name)
        if is_type:
            self.types -= {name.name}
            self.types |= set() if new in self.renamed else {new}
            return
        self.functions[new] = self.functions.pop(name.name, self.facts.functions(name.name))

    def functions_of(self, name: Name, arguments: int) -> list[Function]:
        """Those that a call may mean, whether a statement has created them or they were there before."""
        known = self.functions.get(name.name, self.facts.functions(name.name))
        return [each for each in known if arguments in each.arguments]

    def is_volatile(self, call: Any, within: tuple[Function, ...] = ()) -> bool | None:
        """Whether a call may give another value for each row; None if that is not known.

        :param within: the functions in whose place the call is put.
        """
        name = Name.of_list(call.funcname)
        found = self.functions_of(name, len(call.args))
        return any(self._is_volatile(each, within) for each in found) if found else self.facts.is_volatile(name.name)

    def _is_volatile(self, function: Function, within: tuple[Function, ...]) -> bool:
        if not function.volatile or function.value is None or function in within:
            return function.volatile
        calls = grammar.find(function.value, "FuncCall")
        return any(self.is_volatile(each, (*within, function)) is not False for each in calls)

    # --- transactions

    def hold(self, name: Name, mode: LockMode) -> None:
        """The transaction holds a lock until its end."""
        if mode.blocks_writes and not self.is_new(name):
            key = self.key(name)
            held = self.held.get(key)
            self.held[key] = mode if held is None or mode.strength > held.strength else held

    def end_transaction(self) -> None:
        """Its locks are released, and others see what it did."""
        self.held.clear()
        self.enum_values.clear()
        self._missed.clear()
