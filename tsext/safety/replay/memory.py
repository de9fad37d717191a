"""What the catalog would hold after some statements, as far as their text tells."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from tsext.catalog import ColumnFacts, DatabaseFacts, RelationFacts
from tsext.catalog.relations import RelationName
from tsext.safety.facts import Facts
from tsext.safety.names import Name
from tsext.safety.script import Script

_TEMPORARY = "pg_temp"


@dataclass
class Memory:
    """What statements have made, and what is known of what was there before them, which need not be all."""

    functions: Script
    """Which knows functions."""
    relations: dict[RelationName, RelationFacts] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    domains: dict[str, str] = field(default_factory=dict)
    domain_defaults: dict[str, str] = field(default_factory=dict)
    constrained: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)
    search_path: tuple[str, ...] = ("public",)
    depth: int = 0
    """How many functions are at work."""

    @classmethod
    def of(cls, facts: Facts) -> Memory:
        """What is known already."""
        known, functions = facts.database, Script(facts)
        if known is None:
            return cls(functions)
        return cls(
            functions,
            dict(known.relations),
            dict(known.labels),
            dict(known.domains),
            dict(known.domain_defaults),
            set(known.constrained_domains),
            set(known.types),
        )

    def told(self, facts: Facts) -> Facts:
        """The same, as the catalog would tell it."""
        made = {**facts.made, **self.functions.functions}
        database = DatabaseFacts(
            facts.postgresql,
            {key: each for key, each in self.relations.items() if key[0] != _TEMPORARY},
            search_path=("public",),
            time_zone="",
            constrained_domains=frozenset(self.constrained),
            domains=dict(self.domains),
            domain_defaults=dict(self.domain_defaults),
            labels=dict(self.labels),
            types=frozenset(self.types),
            whole=False,
        )
        return replace(facts, database=database, made=made)

    # --- relations

    def key(self, name: Name) -> RelationName:
        """Schema and name of the relation that is meant; where it would be created, if none is known."""
        if name.schema is not None:
            return (name.schema, name.name)
        candidates = ((schema, name.name) for schema in (_TEMPORARY, *self.search_path))
        return next((each for each in candidates if each in self.relations), (self.search_path[0], name.name))

    def find(self, name: Name) -> RelationFacts | None:
        """What is known of a relation."""
        return self.relations.get(self.key(name))

    def create(self, name: Name, kind: str, *, temporary: bool = False, whole: bool = True) -> RelationFacts:
        """A relation that is new, with nothing in it."""
        schema = _TEMPORARY if temporary else name.schema or self.search_path[0]
        made = RelationFacts(schema, name.name, kind, None, 0, {}, {}, {}, whole=whole)
        self.put(made)
        return made

    def change(self, name: Name) -> RelationFacts:
        """A relation that a statement alters, and so is there, known or not."""
        found = self.find(name)
        return found if found is not None else self.create(Name(*self.key(name)), "r", whole=False)

    def put(self, relation: RelationFacts) -> None:
        """What is known of a relation now."""
        self.relations[(relation.schema, relation.name)] = relation

    def update(self, relation: RelationFacts, **changes: Any) -> RelationFacts:
        """The same, some of it changed."""
        changed = replace(relation, **changes)
        self.put(changed)
        return changed

    def update_column(self, relation: RelationFacts, name: str, **changes: Any) -> RelationFacts:
        """The same of one column, if it is known."""
        if name not in relation.columns:
            return relation
        column = replace(relation.columns[name], **changes)
        return self.update(relation, columns={**relation.columns, name: column})

    def children(self, relation: RelationFacts) -> list[RelationFacts]:
        """Partitions of a relation, and what inherits from it."""
        key = (relation.schema, relation.name)
        return [each for each in self.relations.values() if each.parent == key]

    def lose_child(self, parent: RelationFacts, child: RelationName) -> None:
        """A partition, or a child, is gone, or on its own."""
        default = None if parent.default_partition == child else parent.default_partition
        self.update(parent, parts=max(0, parent.parts - 1), default_partition=default)

    def referencing(self, key: RelationName) -> list[RelationFacts]:
        """Other tables that have foreign keys to one."""
        others = (each for name, each in self.relations.items() if name != key)
        return [each for each in others if any(one.references == key for one in each.constraints.values())]

    def drop(self, key: RelationName) -> None:
        """A relation is gone, with its partitions and indexes, and the foreign keys to it."""
        gone = self.relations.pop(key, None)
        if gone is None:
            return
        for each in (*(one for one in self.children(gone) if gone.kind == "p"), *self.indexes_of(key)):
            self.drop((each.schema, each.name))
        parent = self.relations.get(gone.parent) if gone.parent is not None else None
        if parent is not None:
            self.lose_child(parent, key)
        for each in self.referencing(key):
            left = {name: one for name, one in each.constraints.items() if one.references != key}
            self.update(each, constraints=left)
        self._let_go(gone)

    def _let_go(self, gone: RelationFacts) -> None:
        """What a relation depended on does not have it any more; with CASCADE, views over it go, too."""
        name = str(Name(None if gone.schema == self.search_path[0] else gone.schema, gone.name))
        for each in list(self.relations.values()):
            left = tuple(one for one in each.dependents if not _is_of(one.name, name, one.kind))
            if len(left) < len(each.dependents):
                self.update(each, dependents=left)
        for one in gone.dependents:
            if one.kind == "view":
                schema, _, view = one.name.rpartition(".")
                self.drop(self.key(Name(schema or None, view.strip('"'))))

    def indexes_of(self, key: RelationName) -> list[RelationFacts]:
        """The indexes of a relation, as relations."""
        return [each for each in self.relations.values() if each.index_of == key]

    def rename(self, old: RelationName, new: RelationName) -> None:
        """A relation has another name, or is in another schema."""
        found = self.relations.pop(old, None)
        if found is None:
            return
        self.put(replace(found, schema=new[0], name=new[1]))
        for key, each in list(self.relations.items()):
            constraints = {
                name: replace(one, references=new) if one.references == old else one
                for name, one in each.constraints.items()
            }
            references = ("index_of", "parent", "default_partition")
            changes: dict[str, Any] = {what: new for what in references if getattr(each, what) == old}
            if changes or constraints != each.constraints:
                self.relations[key] = replace(each, constraints=constraints, **changes)

    # --- what is not known any more

    def forget(self, told: str | None) -> None:
        """Something was done that cannot be read: it may have changed whatever its text names.

        :param told: the text; None: it may have changed everything.
        """
        words = None if told is None else set(_WORD.findall(told))
        for key in [key for key in self.relations if _is_named(key[1], words)]:
            self.relations.pop(key)
        self.labels = {name: each for name, each in self.labels.items() if not _is_named(name, words)}
        self.domains = {name: each for name, each in self.domains.items() if not _is_named(name, words)}


_WORD = re.compile(r"\w+")


def _is_named(name: str, words: set[str] | None) -> bool:
    """Whether a name is among the words of a text, or made of one, as by ``f"{month}_events"``."""
    if words is None or name in words:
        return True
    ends = any(each.startswith("_") and name.endswith(each) for each in words)
    return ends or any(each.endswith("_") and name.startswith(each) for each in words)


def _is_of(dependent: str, relation: str, kind: str) -> bool:
    return dependent == relation if kind == "view" else kind == "default" and dependent.rpartition(".")[0] == relation


def view_columns(names: Collection[str]) -> dict[str, ColumnFacts]:
    """Columns of which nothing but the names is known."""
    return {
        each: ColumnFacts(each, "", not_null=False, generated=False, base="", identity=False, has_default=False)
        for each in names
    }
