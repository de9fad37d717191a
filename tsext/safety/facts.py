"""What is known of the database that statements are for: nothing but its version, or all of its catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from tsext import catalog
from tsext.catalog import DatabaseFacts, RelationFacts, TimescaleInfo
from tsext.model.locks import Work
from tsext.safety import builtin
from tsext.safety.functions import Function, of_definition
from tsext.safety.names import Name
from tsext.sql import grammar

BYTES_PER_SECOND = {Work.SCAN: 400_000_000, Work.BUILD: 60_000_000, Work.REWRITE: 50_000_000}
"""By which durations are estimated: what a modest server does with cold data, the indexes of a rewrite included."""


@dataclass(frozen=True)
class Facts:
    """What is known of the target.

    ``Facts()`` knows a version only: the static reading, in review. :func:`facts` asks a database.
    """

    postgresql: int = 17
    """Major version."""
    timescaledb: TimescaleInfo | None = None
    database: DatabaseFacts | None = field(default=None, repr=False)
    """None: the catalog is not at hand, and nothing else tells of it."""
    made: Mapping[str, Sequence[Function]] = field(default_factory=dict, repr=False)
    """Functions that revisions create, by name, which the catalog need not know."""

    @classmethod
    def unknown(cls, postgresql: int = 17, timescaledb: TimescaleInfo | None = None) -> Facts:
        """Of a database that cannot be asked: its versions at most."""
        return cls(postgresql, timescaledb)

    @property
    def is_complete(self) -> bool:
        """Whether all is known that there is, as the catalog tells it; else files may have told something."""
        return self.database is not None and self.database.whole

    @property
    def search_path(self) -> tuple[str, ...]:
        """The schemas in which names are looked up; ``public``, if that is not known."""
        return (self.database.search_path if self.database is not None else ()) or ("public",)

    def has(self, name: Name) -> bool:
        """Whether the catalog has a relation of this schema and name."""
        return self.database is not None and (name.schema or "", name.name) in self.database.relations

    def find(self, name: Name) -> RelationFacts | None:
        """The relation that PostgreSQL finds under a name; None if there is none, or it is not known."""
        if self.database is None:
            return None
        schemas = (name.schema,) if name.schema else self.search_path
        found = (self.database.relations.get((schema, name.name)) for schema in schemas)
        return next((each for each in found if each is not None), None)

    def referencing(self, relation: RelationFacts) -> list[RelationFacts]:
        """Other tables that have foreign keys to one."""
        if self.database is None:
            return []
        key = (relation.schema, relation.name)
        others = (each for each in self.database.relations.values() if each is not relation)
        return [each for each in others if any(one.references == key for one in each.constraints.values())]

    def inheriting(self, relation: RelationFacts) -> list[RelationFacts]:
        """Tables that inherit from one, but are no partitions."""
        if self.database is None or relation.kind == "p":
            return []
        return [each for each in self.database.relations.values() if each.parent == (relation.schema, relation.name)]

    def users_of_type(self, name: str) -> list[tuple[RelationFacts, str]]:
        """Tables and columns of a type, or of an array of it."""
        relations = self.database.relations.values() if self.database is not None else ()
        return [
            (each, column.name)
            for each in relations
            for column in each.columns.values()
            if each.kind in "rpm" and column.type.rpartition(".")[2].removesuffix("[]").strip('"') == name
        ]

    def columns_of_type(self, name: str) -> list[str]:
        """The same, as text."""
        return [f"{each.name}.{column}" for each, column in self.users_of_type(name)]

    def is_volatile(self, function: str) -> bool | None:
        """Whether a function may give another value for each row; None if that is not known."""
        if self.database is not None and self.database.whole:
            return self.database.volatile.get(function, False)
        if function in builtin.VOLATILE:
            return True
        return False if function in builtin.NOT_VOLATILE else None

    def functions(self, name: str) -> Sequence[Function]:
        """The functions and procedures of a name that users wrote, as far as they may change something."""
        if self.database is None or name in self.made:
            return self.made.get(name, ())
        found = (of_definition(each) for each in self.database.definitions.get(name, ()))
        return [each for each in found if each is not None]

    def domain_base(self, name: str) -> str | None:
        """The type that a domain is made of; None if it is none, or that is not known."""
        return self.database.domains.get(name.rpartition(".")[2]) if self.database is not None else None

    def domain_default(self, name: str) -> Any:
        """The parse tree of a domain's DEFAULT; None if it has none, or that is not known."""
        defaults = self.database.domain_defaults if self.database is not None else {}
        read = grammar.tree("SELECT " + defaults.get(name.rpartition(".")[2], ""))
        targets: Any = read[1].target_list if read is not None and read[0] == "select_stmt" else ()
        return targets[0].res_target.val if len(targets) else None

    @property
    def constrained_domains(self) -> frozenset[str]:
        """Domains that not every value of their base type passes, without their schemas."""
        return self.database.constrained_domains if self.database is not None else frozenset()

    @property
    def time_zone(self) -> str:
        """The session's; empty if it is not known."""
        return self.database.time_zone if self.database is not None else ""


def facts(connection: Connection) -> Facts:
    """All that the catalog tells; about ten queries."""
    found = catalog.database_facts(connection)
    return Facts(found.postgresql, catalog.timescaledb(connection), found)


def estimate(work: Work | None, relation: RelationFacts | None) -> timedelta | None:
    """How long work on a relation takes, told from its size."""
    if work is None or relation is None or relation.bytes is None:
        return None
    return timedelta(seconds=round(relation.bytes / BYTES_PER_SECOND[work], 3))
