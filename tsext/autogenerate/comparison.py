"""Models and database side by side, and the operations that lead from one to the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from alembic.operations import ops
from sqlalchemy import Connection, MetaData, Table

from tsext import catalog
from tsext.model import INFO_KEY, ContinuousAggregate, TableObject, aggregates_of, declared
from tsext.operations.optional import is_left_out
from tsext.settings import Settings

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

T = TypeVar("T", bound=TableObject)


@dataclass
class Comparison:
    """One run of autogenerate: what the models declare, where the database is, and what is to be done."""

    context: AutogenContext
    upgrade_ops: ops.UpgradeOps
    """Alembic's own operations."""
    before: list[ops.MigrateOperation] = field(default_factory=list)
    """What goes before Alembic's own: removals, dependants first."""
    after: list[ops.MigrateOperation] = field(default_factory=list)
    """What follows them: additions and changes, dependants last."""
    replaced: set[catalog.Key] = field(default_factory=set)
    """The aggregates in whose place new ones come: what belongs to them is to be added, whatever is found."""
    dropped_aggregates: set[catalog.Key] = field(default_factory=set)
    """The aggregates that are to be dropped."""

    @property
    def connection(self) -> Connection:
        """The database."""
        assert self.context.connection is not None
        return self.context.connection

    @cached_property
    def timescaledb(self) -> catalog.TimescaleInfo | None:
        """The TimescaleDB of the database, if it has it."""
        return catalog.timescaledb(self.connection)

    @cached_property
    def leaves_out(self) -> bool:
        """Whether TimescaleDB is optional and the server does not have it; then nothing of it is declared."""
        return is_left_out(self.connection, Settings.of(self.context.migration_context))

    @property
    def metadata(self) -> list[MetaData]:
        """The models' metadata; a project may have several."""
        given: Any = self.context.metadata
        return [each for each in (given if isinstance(given, list | tuple) else [given]) if each is not None]

    def declared(self, kind: type[T]) -> dict[catalog.Key, T]:
        """The objects of one kind that models declare and the project's own filter lets pass, in order."""
        found = dict(self.all_declared(kind))
        return {key: found[key] for key in in_order(found)}

    def all_declared(self, kind: type[T]) -> Iterator[tuple[catalog.Key, T]]:
        """The same, of a kind of which a table may have several; as they are declared."""
        for metadata in () if self.leaves_out else self.metadata:
            for on, each in declared(metadata, kind):
                if self.includes(on):
                    yield self.key(on), each

    @cached_property
    def tables(self) -> set[catalog.Key]:
        """The tables and aggregates that the models have, and the project's own filter lets pass."""
        tables = (table for metadata in self.metadata for table in metadata.tables.values())
        return {self.key(table) for table in tables if self.includes(table)} | self.aggregates.keys()

    @cached_property
    def aggregates(self) -> dict[catalog.Key, ContinuousAggregate]:
        """The aggregates that the models have, and the project's own filter lets pass, as they are declared."""
        if self.leaves_out:
            return {}
        aggregates = (each for metadata in self.metadata for each in aggregates_of(metadata))
        return {self.key(each): each for each in aggregates if self.includes(each)}

    def includes(self, relation: Table | ContinuousAggregate, *, reflected: bool = False) -> bool:
        """Whether the project's own filters let a table or an aggregate pass; to them, both are tables."""
        if isinstance(relation, ContinuousAggregate):
            relation = Table(relation.name, MetaData(), schema=relation.schema)
        if reflected and not self.context.run_name_filters(relation.name, "table", {"schema_name": relation.schema}):
            return False
        return self.context.run_object_filters(relation, relation.name, "table", reflected, None)

    def key(self, relation: Table | ContinuousAggregate) -> catalog.Key:
        """As Alembic does: the default schema may be named, or not."""
        default = self.connection.dialect.default_schema_name
        return (None if relation.schema == default else relation.schema), relation.name

    @property
    def dropped(self) -> set[catalog.Key]:
        """The tables that Alembic proposes to drop, and the aggregates that are to be."""
        tables = {(op.schema, op.table_name) for op in self.upgrade_ops.ops if isinstance(op, ops.DropTableOp)}
        return tables | self.dropped_aggregates

    def finish(self) -> None:
        """Put what is to be done around Alembic's own operations; those need not know what is declared."""
        for op in self.upgrade_ops.ops:
            if isinstance(op, ops.CreateTableOp) and op.info:
                op.info = {name: value for name, value in op.info.items() if name != INFO_KEY}
        self.upgrade_ops.ops[:] = [*self.before, *self.upgrade_ops.ops, *self.after]


def in_order(keys: Any) -> Iterator[catalog.Key]:
    """Keys by schema and name; the default schema comes first."""
    yield from sorted(keys, key=lambda key: (key[0] or "", key[1]))
