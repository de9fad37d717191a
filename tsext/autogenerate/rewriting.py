"""The safe form: what Alembic proposes for tables that are in use, as verbs that make nobody wait."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
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
    DropIndexOp,
    DropTableOp,
    MigrationScript,
    ModifyTableOps,
    OpContainer,
)
from alembic.util import rev_id
from sqlalchemy import MetaData
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql import ClauseElement

from tsext.model import Columnstore, Hypertable, objects_of
from tsext.model.constraints import Check, ForeignKey, NotNull, Unique
from tsext.operations import indexes
from tsext.operations.constraints import AddCheck, AddForeignKey, AddUnique, SetNotNull
from tsext.operations.operation import Operation

Key = tuple[str | None, str]
"""Schema and name of a table."""

FILL_FIRST = "If the table has rows, fill the column first: this fails on the first that is NULL."
SECOND = "{message}, without waiting"
"""The message of the revision that follows, with what commits as it goes."""


def make_safe(directives: list[MigrationScript], metadata: MetaData | list[MetaData] | None) -> None:
    """Rewrite what would make others wait; what commits as it goes gets a revision of its own, after the other.

    :param metadata: the models', which tell what is a hypertable.
    """
    for directive in list(directives):
        if directive.upgrade_ops is None:
            continue
        _rewrite(directive.upgrade_ops, _Tables(directive.upgrade_ops, metadata))
        parts = [directive, *_second(directive)]
        for each in parts:
            assert each.upgrade_ops is not None
            back = each.upgrade_ops.reverse_into(DowngradeOps([]))
            _rewrite(back, _Tables(back, metadata))
            each.downgrade_ops = back
        directives[:] = [one for each in directives for one in (parts if each is directive else [each])]


class _Tables:
    """Which tables nobody uses yet, or any more, and what the models say of the others."""

    def __init__(self, container: OpContainer, metadata: MetaData | list[MetaData] | None) -> None:
        made = (each for each in _flat(container) if isinstance(each, CreateTableOp | DropTableOp))
        self.idle: set[Key] = {(each.schema, each.table_name) for each in made}
        self.metadata = metadata if isinstance(metadata, list) else [] if metadata is None else [metadata]

    def in_use(self, schema: str | None, name: str) -> bool:
        """Whether a table is there before and after."""
        return (schema, name) not in self.idle

    def declares(self, kind: type[Any], schema: str | None, name: str) -> bool:
        """Whether the models say that a table is, or has, something of TimescaleDB's."""
        for metadata in self.metadata:
            table = metadata.tables.get(f"{schema}.{name}" if schema else name)
            if table is not None and any(isinstance(each, kind) for each in objects_of(table)):
                return True
        return False


def _flat(container: OpContainer) -> Iterator[MigrateOperation]:
    for each in container.ops:
        if isinstance(each, OpContainer):
            yield from _flat(each)
        else:
            yield each


# --- one operation


def _rewrite(container: OpContainer, tables: _Tables) -> None:
    rewritten: list[MigrateOperation] = []
    for each in container.ops:
        if isinstance(each, ModifyTableOps):
            _rewrite(each, tables)
            rewritten.append(each)
        else:
            rewritten += _safe(each, tables)
    container.ops = rewritten


def _safe(operation: MigrateOperation, tables: _Tables) -> list[MigrateOperation]:
    """What to do instead; the operation itself where nobody would wait for it, or nothing else can be done."""
    key = _table_of(operation)
    if key is None or not tables.in_use(*key):
        return [operation]
    if isinstance(operation, CreateIndexOp):
        return [indexes.created(operation)] if operation.index_name else [operation]
    if isinstance(operation, DropIndexOp):
        return [indexes.dropped(operation)]
    if tables.declares(Columnstore, *key):
        return [operation]
    if isinstance(operation, CreateUniqueConstraintOp):
        return [operation] if tables.declares(Hypertable, *key) else list(_unique(operation))
    if isinstance(operation, CreateCheckConstraintOp):
        return list(_check(operation))
    if isinstance(operation, CreateForeignKeyOp):
        return list(_foreign_key(operation))
    if isinstance(operation, AlterColumnOp):
        return list(_altered(operation))
    return list(_added(operation)) if isinstance(operation, AddColumnOp) else [operation]


def _table_of(operation: MigrateOperation) -> Key | None:
    if isinstance(operation, CreateForeignKeyOp):
        return operation.kw.get("source_schema"), operation.source_table
    name = getattr(operation, "table_name", None)
    return None if name is None else (getattr(operation, "schema", None), name)


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


def _altered(operation: AlterColumnOp) -> Iterator[MigrateOperation]:
    """NOT NULL apart from whatever else is altered."""
    if operation.modify_nullable is not False:
        yield operation
        return
    rest = copy.copy(operation)
    rest.modify_nullable = None
    if rest.has_changes():
        yield rest
    yield SetNotNull(NotNull(operation.table_name, operation.column_name, operation.schema))


def _added(operation: AddColumnOp) -> Iterator[MigrateOperation]:
    """A column that must not be null and has no value for the rows that are there: nullable, until it is filled."""
    column = operation.column
    has_value = column.server_default is not None or column.computed is not None or column.identity is not None
    if column.nullable or has_value or column.primary_key:
        yield operation
        return
    nullable = column._copy()
    nullable.nullable = True
    yield AddColumnOp(operation.table_name, nullable, schema=operation.schema)
    not_null = SetNotNull(NotNull(operation.table_name, column.name, operation.schema))
    not_null.note = FILL_FIRST
    yield not_null


def _options(kw: dict[str, Any]) -> bool:
    """Whether there is anything that our verbs have no argument for."""
    return any(value is not None for value in kw.values())


def _text(condition: Any) -> str:
    if not isinstance(condition, ClauseElement):
        return str(condition)
    dialect = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]  # any with % signs would double them
    return str(condition.compile(dialect=dialect, compile_kwargs={"literal_binds": True, "include_table": False}))


# --- a revision of its own for what commits as it goes


def _second(directive: MigrationScript) -> list[MigrationScript]:
    """Take out of a revision what must not stand in it with anything else; none if it has not both.

    What is committed as it goes may be run again after a failure; what stands before it in one revision may not.
    """
    ups = directive.upgrade_ops
    assert ups is not None
    if len({_commits(each) for each in _flat(ups)}) < 2:
        return []
    second = copy.copy(directive)
    second.rev_id = rev_id()
    second.message = SECOND.format(message=directive.message or "")
    second.head, second.splice, second.branch_label, second.depends_on = directive.rev_id, False, None, None
    second.upgrade_ops, directive.upgrade_ops = _taken(ups, True), _taken(ups, False)
    return [second]


def _commits(operation: MigrateOperation) -> bool:
    return isinstance(operation, Operation) and not operation.transactional


def _taken(container: Any, commits: bool) -> Any:
    """A container with those operations only."""
    taken = copy.copy(container)
    taken.ops = list(_kept(container.ops, commits))
    return taken


def _kept(operations: Iterable[MigrateOperation], commits: bool) -> Iterator[MigrateOperation]:
    for each in operations:
        if isinstance(each, OpContainer):
            inner = _taken(each, commits)
            if inner.ops:
                yield inner
        elif _commits(each) is commits:
            yield each
