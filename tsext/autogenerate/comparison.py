"""Models and database side by side, and the operations that lead from one to the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from alembic.operations import ops
from sqlalchemy import Connection, MetaData, Table

from tsext import catalog
from tsext.model import TableObject, declared

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

    @property
    def connection(self) -> Connection:
        """The database."""
        assert self.context.connection is not None
        return self.context.connection

    @cached_property
    def timescaledb(self) -> catalog.TimescaleInfo | None:
        """The TimescaleDB of the database, if it has it."""
        return catalog.timescaledb(self.connection)

    @property
    def metadata(self) -> list[MetaData]:
        """The models' metadata; a project may have several."""
        given: Any = self.context.metadata
        return [each for each in (given if isinstance(given, list | tuple) else [given]) if each is not None]

    def declared(self, kind: type[T]) -> dict[catalog.Key, T]:
        """The objects of one kind that models declare and the project's own filter lets pass, in order."""
        found: dict[catalog.Key, T] = {}
        for metadata in self.metadata:
            found |= {self.key(table): each for table, each in declared(metadata, kind) if self.includes(table)}
        return {key: found[key] for key in in_order(found)}

    @cached_property
    def tables(self) -> set[catalog.Key]:
        """The tables that the models have, and the project's own filter lets pass."""
        tables = (table for metadata in self.metadata for table in metadata.tables.values())
        return {self.key(table) for table in tables if self.includes(table)}

    def includes(self, table: Table) -> bool:
        """Whether the project's own filter lets a table pass."""
        return self.context.run_object_filters(table, table.name, "table", False, None)

    def key(self, table: Table) -> catalog.Key:
        """As Alembic does: the default schema may be named, or not."""
        default = self.connection.dialect.default_schema_name
        return (None if table.schema == default else table.schema), table.name

    @property
    def dropped(self) -> set[catalog.Key]:
        """The tables that Alembic proposes to drop."""
        return {(op.schema, op.table_name) for op in self.upgrade_ops.ops if isinstance(op, ops.DropTableOp)}

    def finish(self) -> None:
        """Put what is to be done around Alembic's own operations."""
        self.upgrade_ops.ops[:] = [*self.before, *self.upgrade_ops.ops, *self.after]


def in_order(keys: Any) -> Iterator[catalog.Key]:
    """Keys by schema and name; the default schema comes first."""
    yield from sorted(keys, key=lambda key: (key[0] or "", key[1]))
