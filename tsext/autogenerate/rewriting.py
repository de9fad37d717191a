"""The safe form: what Alembic proposes for tables that are in use, as verbs that make nobody wait."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from alembic.operations import MigrateOperation
from alembic.operations.ops import (
    AddColumnOp,
    AlterColumnOp,
    CreateCheckConstraintOp,
    CreateForeignKeyOp,
    CreateIndexOp,
    CreateTableOp,
    CreateUniqueConstraintOp,
    DowngradeOps,
    DropColumnOp,
    DropIndexOp,
    DropTableOp,
    MigrationScript,
    ModifyTableOps,
    OpContainer,
)
from sqlalchemy import Column, Connection, DefaultClause, MetaData, Table
from sqlalchemy.sql import ClauseElement

from tsext import safety
from tsext.autogenerate import splitting
from tsext.autogenerate.aggregates import CreateAggregateIndex, DropAggregateIndex
from tsext.autogenerate.retyping import Retyping
from tsext.catalog import Key
from tsext.model import Columnstore, Hypertable, objects_of
from tsext.model.columns import ColumnWithDefault
from tsext.model.constraints import Check, ForeignKey, NotNull, Unique
from tsext.model.repartitions import Repartition
from tsext.operations import indexes
from tsext.operations.columns import AddColumnWithDefault
from tsext.operations.constraints import AddCheck, AddForeignKey, AddUnique, SetNotNull
from tsext.operations.hypertables import CreateHypertable
from tsext.operations.operation import Operation
from tsext.operations.repartition import RepartitionHypertable
from tsext.sql.columns import default_text
from tsext.sql.dialect import dialect
from tsext.sql.quoting import identifier

_CONSTRAINTS = (CreateCheckConstraintOp, CreateForeignKeyOp, CreateUniqueConstraintOp)

FILL_FIRST = "If the table has rows, fill the column first: this fails on the first that is NULL."


def make_safe(
    directives: list[MigrationScript],
    metadata: MetaData | list[MetaData] | None,
    connection: Connection | None = None,
) -> None:
    """Rewrite what would make others wait; what commits as it goes gets a revision of its own, after the other.

    :param metadata: the models', which tell what is a hypertable.
    :param connection: to the database that they were compared with; None: types are changed as Alembic does it.
    """
    retyping = None if connection is None else Retyping(connection)
    for directive in list(directives):
        if directive.upgrade_ops is None:
            continue
        _rewrite(directive.upgrade_ops, _Tables(directive.upgrade_ops, metadata, retyping))
        parts = splitting.apart(directive)
        for each in parts:
            assert each.upgrade_ops is not None
            back = each.upgrade_ops.reverse_into(DowngradeOps([]))
            _rewrite(back, _Tables(back, metadata))
            splitting.make_repeatable(back)
            each.downgrade_ops = back
        directives[:] = [one for each in directives for one in (parts if each is directive else [each])]


class _Tables:
    """Which tables nobody uses yet, or any more, and what the models say of the others."""

    def __init__(
        self,
        container: OpContainer,
        metadata: MetaData | list[MetaData] | None,
        retyping: Retyping | None = None,
    ) -> None:
        self.operations = operations = list(splitting.flat(container))
        made = (each for each in operations if isinstance(each, CreateTableOp | DropTableOp))
        self.idle: set[Key] = {(each.schema, each.table_name) for each in made}
        cut = (each for each in operations if isinstance(each, DropColumnOp))
        self.cut: set[tuple[Key, str]] = {((each.schema, each.table_name), each.column_name) for each in cut}
        """Columns that go, and with them indexes."""
        self.metadata = metadata if isinstance(metadata, list) else [] if metadata is None else [metadata]
        self.retyping = retyping
        """None on the way back, before which the database is another."""

    def in_use(self, schema: str | None, name: str) -> bool:
        """Whether a table is there before and after."""
        return (schema, name) not in self.idle

    def goes_with_column(self, key: Key, index: DropIndexOp) -> bool:
        """Whether an index goes with a column that goes, or may: of one with expressions that is not known."""
        cut = {column for table, column in self.cut if table == key}
        create = index.reverse()
        used = [*create.columns, *(create.kw.get("postgresql_include") or ())]
        names = [each.name if isinstance(each, Column) else each for each in used]
        is_known = all(isinstance(each, str) for each in names) and create.kw.get("postgresql_where") is None
        return bool(cut.intersection(names) if is_known else cut)

    def stays_constrained(self, key: Key) -> bool:
        """Whether a table gets a constraint in the first revision, which may need a column that is added there."""
        constraints = (each for each in self.operations if isinstance(each, _CONSTRAINTS) and _table_of(each) == key)
        return any(each in _safe(each, self) for each in constraints)

    def declares(self, kind: type[Any], schema: str | None, name: str) -> bool:
        """Whether the models say that a table is, or has, something of TimescaleDB's."""
        return any(isinstance(each, kind) for table in self.declared(schema, name) for each in objects_of(table))

    def is_partitioned(self, schema: str | None, name: str) -> bool:
        """Whether the models say that PostgreSQL partitions a table."""
        return any(table.dialect_options["postgresql"]["partition_by"] for table in self.declared(schema, name))

    def declared(self, schema: str | None, name: str) -> Iterator[Table]:
        """What the models say of a table."""
        for metadata in self.metadata:
            table = metadata.tables.get(f"{schema}.{name}" if schema else name)
            if table is not None:
                yield table


# --- one operation


def _rewrite(container: OpContainer, tables: _Tables) -> None:
    rewritten: list[MigrateOperation] = []
    for each in container.ops:
        if isinstance(each, ModifyTableOps):
            _rewrite(each, tables)
            rewritten += _around_ours(each)
        else:
            rewritten += _safe(each, tables)
    container.ops = rewritten


def _around_ours(container: ModifyTableOps) -> Iterator[MigrateOperation]:
    """What is changed of one table, our verbs beside it: inside, ``render_as_batch`` would call them on a batch."""
    for ours, operations in groupby(container.ops, key=lambda each: isinstance(each, Operation)):
        if ours:
            yield from operations
        else:
            yield ModifyTableOps(container.table_name, list(operations), schema=container.schema)


def _safe(operation: MigrateOperation, tables: _Tables) -> list[MigrateOperation]:
    """What to do instead; the operation itself where nobody would wait for it, or nothing else can be done."""
    key = _table_of(operation)
    if key is None or not tables.in_use(*key) or isinstance(operation, CreateAggregateIndex | DropAggregateIndex):
        return [operation]
    if isinstance(operation, CreateHypertable):
        return list(_hypertable(operation))
    if isinstance(operation, CreateIndexOp):
        return [indexes.created(operation)] if operation.index_name else [operation]
    if isinstance(operation, DropIndexOp):
        # before a column goes with which it would go; on the way back it is built once the column is there again
        return [operation] if tables.goes_with_column(key, operation) else [indexes.dropped(operation)]
    if tables.declares(Columnstore, *key):
        return [operation]
    if isinstance(operation, CreateUniqueConstraintOp):
        adopts_none = tables.declares(Hypertable, *key) or tables.is_partitioned(*key)
        return [operation] if adopts_none else list(_unique(operation))
    if isinstance(operation, CreateCheckConstraintOp):
        return list(_check(operation))
    if isinstance(operation, CreateForeignKeyOp):
        return list(_foreign_key(operation))
    if isinstance(operation, AlterColumnOp):
        return list(_altered(operation, tables))
    if isinstance(operation, AddColumnOp) and not tables.stays_constrained(key):
        return list(_added(operation))
    return [operation]


def _table_of(operation: MigrateOperation) -> Key | None:
    if isinstance(operation, CreateForeignKeyOp):
        return operation.kw.get("source_schema"), operation.source_table
    name = getattr(operation, "table_name", None)
    return None if name is None else (getattr(operation, "schema", None), name)


def _hypertable(operation: CreateHypertable) -> Iterator[MigrateOperation]:
    """A table that may have rows, which are moved."""
    target = operation.target
    settings = (target.partitioning_func, target.integer_now_func, target.chunk_skipping, target.tablespaces)
    if any(settings):
        yield operation
        return
    dimensions = target.dimensions or None
    shape = Repartition(target.name, target.column, target.chunk_time_interval, dimensions, schema=target.schema)
    repartition = RepartitionHypertable(shape)
    repartition.former = Repartition(target.name, plain=True, schema=target.schema)
    yield repartition


def _unique(operation: CreateUniqueConstraintOp) -> Iterator[MigrateOperation]:
    name, columns = operation.constraint_name, tuple(operation.columns)
    if isinstance(name, str) and all(isinstance(each, str) for each in columns) and not _options(operation.kw):
        yield AddUnique(Unique(name, operation.table_name, columns, operation.schema))
    else:
        yield operation


def _check(operation: CreateCheckConstraintOp) -> Iterator[MigrateOperation]:
    name = operation.constraint_name
    if isinstance(name, str) and not _options(operation.kw):
        yield AddCheck(Check(name, operation.table_name, _text(operation.condition), operation.schema))
    else:
        yield operation


def _foreign_key(operation: CreateForeignKeyOp) -> Iterator[MigrateOperation]:
    name, kw = operation.constraint_name, dict(operation.kw)
    given = {name: kw.pop(name, None) for name in ("ondelete", "onupdate", "referent_schema")}
    given["schema"] = kw.pop("source_schema", None)
    deferrable, initially = bool(kw.pop("deferrable", None)), str(kw.pop("initially", None) or "")
    if not isinstance(name, str) or _options(kw):
        yield operation
        return
    key = ForeignKey(
        name,
        operation.source_table,
        operation.referent_table,
        tuple(operation.local_cols),
        tuple(operation.remote_cols),
        deferrable=deferrable,
        initially_deferred=initially.upper() == "DEFERRED",
        **given,
    )
    yield AddForeignKey(key)


def _altered(operation: AlterColumnOp, tables: _Tables) -> Iterator[MigrateOperation]:
    """NOT NULL apart from whatever else is altered, and a type that takes long."""
    rest = copy.copy(operation)
    if operation.modify_nullable is False:
        rest.modify_nullable = None
    if rest.has_changes() and tables.retyping is not None:
        yield from tables.retyping.instead(rest, tables.declared(operation.schema, operation.table_name))
    elif rest.has_changes():
        yield rest
    if operation.modify_nullable is False:
        yield SetNotNull(NotNull(operation.table_name, operation.column_name, operation.schema))


def _added(operation: AddColumnOp) -> Iterator[MigrateOperation]:
    """A column that has to be filled: in batches by its default, or without one by the author."""
    column, default = operation.column, operation.column.server_default
    has_value = default is not None or column.computed is not None or column.identity is not None
    if isinstance(default, DefaultClause) and column.comment is None and _rewrites(operation.table_name, column):
        # its constraints and indexes are operations of their own
        given: Any = default.arg
        bare: Column[Any] = Column(column.name, column.type, server_default=given, nullable=column.nullable)
        yield AddColumnWithDefault(ColumnWithDefault(operation.table_name, bare, operation.schema))
    elif column.nullable or has_value or column.primary_key:
        yield operation
    else:
        nullable = column._copy()
        nullable.nullable = True
        yield AddColumnOp(operation.table_name, nullable, schema=operation.schema)
        not_null = SetNotNull(NotNull(operation.table_name, column.name, operation.schema))
        not_null.note = FILL_FIRST
        yield not_null


def _rewrites(table: str, column: Column[Any]) -> bool:
    """Whether a default gives each row a value of its own."""
    added = f"ALTER TABLE {identifier(table)} ADD COLUMN {identifier(column.name)} text DEFAULT {default_text(column)}"
    return any(each.rule == "add-column-rewrite" for each in safety.classify([added]))


def _options(kw: dict[str, Any]) -> bool:
    """Whether there is anything that our verbs have no argument for."""
    return any(value not in (None, False) for value in kw.values())


def _text(condition: Any) -> str:
    if not isinstance(condition, ClauseElement):
        return str(condition)
    return str(condition.compile(dialect=dialect(), compile_kwargs={"literal_binds": True, "include_table": False}))
