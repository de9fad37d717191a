"""All relations of a database at once: what decides how a statement about one of them locks and whether it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from tsext.catalog.aggregates import continuous_aggregates
from tsext.catalog.asking import rows
from tsext.catalog.columnar import columnstores
from tsext.catalog.installed import timescaledb
from tsext.catalog.partitioning import hypertables
from tsext.model import Columnstore, Hypertable

RelationName = tuple[str, str]
"""Schema and name."""


@dataclass(frozen=True)
class ColumnFacts:
    """One column."""

    name: str
    type: str
    """As ``format_type`` writes it, with its modifiers."""
    not_null: bool
    generated: bool
    base: str
    """The same of the type that a domain is made of; otherwise ``type``."""
    identity: bool
    has_default: bool
    """Whether it has a DEFAULT, or is generated."""
    collation: str | None = None
    """None: that of its type, or of the type that its domain is made of."""


@dataclass(frozen=True)
class ConstraintFacts:
    """One constraint."""

    name: str
    kind: str
    """``pg_constraint.contype``: ``c`` check, ``f`` foreign key, ``n`` not null, ``p``, ``u``, ``x``, ``t``."""
    validated: bool
    definition: str
    columns: tuple[str, ...]
    references: RelationName | None
    index: str | None
    referenced: tuple[str, ...] = ()
    """The columns that a foreign key refers to."""


@dataclass(frozen=True)
class IndexFacts:
    """One index."""

    name: str
    unique: bool
    valid: bool
    whole: bool
    """Whether it is not partial."""
    columns: tuple[str, ...]
    """In their order; without expressions."""
    reads: tuple[str, ...] = ()
    """All columns that it depends on, by its expressions and condition too."""
    has_expressions: bool = False


@dataclass(frozen=True)
class Dependent:
    """What depends on a relation, and would not let it, or a column of it, be dropped."""

    kind: str
    """``view``, ``policy``, ``trigger``, ``generated column``, or ``default`` of a column."""
    name: str
    column: str | None
    """What it reads of the relation; None: all of it."""


@dataclass(frozen=True)
class RelationFacts:
    """One relation, with its partitions or chunks."""

    schema: str
    name: str
    kind: str
    """``pg_class.relkind``."""
    bytes: int | None
    """Of its heap, its partitions or chunks included; as of the last VACUUM or ANALYZE if there was one.
    None: not known."""
    parts: int
    """How many partitions or chunks."""
    columns: Mapping[str, ColumnFacts]
    constraints: Mapping[str, ConstraintFacts]
    indexes: Mapping[str, IndexFacts]
    dependents: tuple[Dependent, ...] = ()
    index_of: RelationName | None = None
    """Of an index: its table."""
    default_partition: RelationName | None = None
    partition_key: tuple[str, ...] = ()
    parent: RelationName | None = None
    """What it is a partition of, or inherits from."""
    triggers: Mapping[str, str] = field(default_factory=dict)
    """Triggers, and the functions that they run."""
    trigger_definitions: Mapping[str, str] = field(default_factory=dict)
    """``CREATE TRIGGER`` of those that are enabled."""
    policies: bool = False
    """Whether it has row security policies."""
    row_security: bool = False
    """Whether row security is enabled."""
    tablespace: str = "pg_default"
    access_method: str = "heap"
    replica_identity: str = "d"
    """``pg_class.relreplident``: ``d`` default, ``n`` nothing, ``f`` full, ``i`` index."""
    persistence: str = "p"
    """``pg_class.relpersistence``: ``p`` permanent, ``u`` unlogged, ``t`` temporary."""
    hypertable: Hypertable | None = None
    columnstore: Columnstore | None = None
    compressed: int = 0
    """How many of its chunks are in the columnstore."""
    aggregates: RelationName | None = None
    """Of a continuous aggregate: the hypertable that it aggregates."""
    whole: bool = True
    """Whether this is all of it: there are no other columns, constraints and indexes."""

    @property
    def continuous_aggregate(self) -> bool:
        """Whether it is one."""
        return self.aggregates is not None

    @property
    def has_rows(self) -> bool | None:
        """Whether there is anything in it, as far as sizes tell; None: that is not known."""
        return None if self.bytes is None else self.bytes > 0


@dataclass(frozen=True)
class DatabaseFacts:
    """What decides how statements lock and whether they fail."""

    postgresql: int
    """Major version."""
    relations: Mapping[RelationName, RelationFacts]
    search_path: tuple[str, ...]
    time_zone: str
    schemas: frozenset[str] = frozenset()
    """The names of all schemas."""
    volatile: Mapping[str, bool] = field(default_factory=dict)
    """Functions by name, the built-in ones that are not volatile left out."""
    constrained_domains: frozenset[str] = frozenset()
    """Domains that not every value of their base type passes, without their schemas."""
    domains: Mapping[str, str] = field(default_factory=dict)
    """Domains, without their schemas, and the types that they are made of."""
    domain_defaults: Mapping[str, str] = field(default_factory=dict)
    """The DEFAULTs of those that have one."""
    definitions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What creates the functions and procedures that users wrote and that may change something, by name."""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The values of enums, without their schemas."""
    types: frozenset[str] = frozenset()
    """Without their schemas, those of tables left out."""
    extensions: frozenset[str] = frozenset()
    """Those that are in the database."""
    functions: frozenset[str] = frozenset()
    """The names of all functions, procedures and aggregates."""
    roles: frozenset[str] = frozenset()
    whole: bool = True
    """Whether this is all that there is; if not, files tell of it, and nothing but sizes and the like is sure."""


def database_facts(connection: Connection) -> DatabaseFacts:
    """Everything at once, in about ten queries whatever the number of tables and chunks."""
    (found,) = rows(connection, "database")
    domains = rows(connection, "domains")
    return DatabaseFacts(
        found.postgresql,
        _relations(connection),
        tuple(found.search_path),
        found.time_zone,
        frozenset(found.schemas),
        volatile={each.name: each.volatile for each in rows(connection, "volatile_functions")},
        constrained_domains=frozenset(each.name for each in domains if each.constrained),
        domains={each.name: each.base for each in domains},
        domain_defaults={each.name: each.default for each in domains if each.default},
        definitions={each.name: tuple(each.definitions) for each in rows(connection, "function_definitions")},
        labels={each.name: tuple(each.labels) for each in rows(connection, "enums")},
        types=frozenset(found.types),
        extensions=frozenset(found.extensions),
        functions=frozenset(found.functions),
        roles=frozenset(found.roles),
    )


def _relations(connection: Connection) -> dict[RelationName, RelationFacts]:
    default = str(connection.dialect.default_schema_name)
    partitioned = {(each.schema or default, each.name): each for each in hypertables(connection)}
    stores = {(each.schema or default, each.name): each for each in columnstores(connection)}
    aggregates = {
        (each.key[0] or default, each.key[1]): each.source_hypertable for each in continuous_aggregates(connection)
    }
    compressed = {}
    if stores and timescaledb(connection):
        compressed = {(each.schema, each.name): each.compressed for each in rows(connection, "compressed_chunks")}
    found = {}
    for row in rows(connection, "relations"):
        name = (row.schema, row.name)
        found[name] = replace(
            _structure(row),
            hypertable=partitioned.get(name),
            columnstore=stores.get(name),
            compressed=compressed.get(name, 0),
            aggregates=aggregates.get(name),
        )
    return found


def _structure(row: Any) -> RelationFacts:
    return RelationFacts(
        schema=row.schema,
        name=row.name,
        kind=row.kind,
        bytes=row.bytes,
        parts=row.parts,
        columns={each[0]: ColumnFacts(*each) for each in row.columns or ()},
        constraints={each[0]: _constraint(each) for each in row.constraints or ()},
        indexes={each[0]: _index(each) for each in row.indexes or ()},
        dependents=tuple(Dependent(*each) for each in row.dependents or ()),
        index_of=_name(row.index_of),
        default_partition=_name(row.default_partition),
        partition_key=tuple(row.partition_key or ()),
        parent=_name(row.parent),
        triggers=row.triggers or {},
        trigger_definitions=row.trigger_definitions or {},
        tablespace=row.tablespace,
        access_method=row.access_method,
        policies=row.policies,
        row_security=row.row_security,
        replica_identity=row.replica_identity,
        persistence=row.persistence,
    )


def _name(found: list[str] | None) -> RelationName | None:
    return (found[0], found[1]) if found else None


def _index(found: list[Any]) -> IndexFacts:
    name, unique, valid, whole, columns, reads, *others = found
    return IndexFacts(name, unique, valid, whole, tuple(columns or ()), tuple(reads or ()), *others)


def _constraint(found: list[Any]) -> ConstraintFacts:
    name, kind, validated, definition, columns, references, index, referenced = found
    names = (tuple(each or ()) for each in (columns, referenced))
    columns, referenced = names
    return ConstraintFacts(name, kind, validated, definition, columns, _name(references), index, referenced)
