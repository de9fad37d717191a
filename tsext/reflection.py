"""The declarations of a database that exists, as a Python module: its tables, and what TimescaleDB adds to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from alembic.autogenerate import render
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from sqlalchemy import (
    CheckConstraint,
    Connection,
    DefaultClause,
    Index,
    Inspector,
    MetaData,
    Table,
    TextClause,
    event,
    inspect,
    literal_column,
    text,
    types,
)
from sqlalchemy.dialects.postgresql import DOMAIN, ExcludeConstraint

from tsext import autogenerate, catalog
from tsext.autogenerate.noise import Noise
from tsext.errors import InvalidObject
from tsext.model import ContinuousAggregate, Job, Object, ReorderPolicy, TableObject
from tsext.operations.rendering import Code, arguments_of, code_of
from tsext.sql.dialect import dialect
from tsext.sql.quoting import escaped

_FOUND: tuple[Callable[[Connection], Iterable[TableObject]], ...] = (
    catalog.hypertables,
    catalog.columnstores,
    catalog.policies,
)
"""What is asked for nouns that belong to a table or an aggregate; a new one is one more entry here."""

_SERIAL = "serial"
"""Key of a table's info for the column of a longer primary key that is SERIAL; there is at most one."""

_MISREAD = ("dialect_options",)
"""As SQLAlchemy reflects a CHECK that is NOT VALID, which is no part of a model."""

_HEADER = '"""What the database held when `tsext reflect` was run."""\n'


@dataclass(frozen=True)
class Wanted:
    """Which schemas and tables to reflect."""

    schemas: Collection[str | None] = (None,)
    """None is the default schema."""
    tables: Collection[str] = ()
    """Names of tables; empty: all of them."""


@dataclass
class _Module:
    """The module as it is written."""

    context: AutogenContext

    def write(
        self,
        tables: Iterable[Table],
        aggregates: Iterable[ContinuousAggregate],
        jobs: Iterable[Job],
        objects: Iterable[TableObject],
    ) -> str:
        """Tables with what belongs to them, then aggregates with what belongs to those, then jobs."""
        belonging: dict[catalog.Key, list[TableObject]] = {}
        for each in objects:
            belonging.setdefault(each.key, []).append(each)
        codes = [self._table(table, belonging.get((table.schema, table.name), [])) for table in tables]
        codes += [_aggregate(aggregate, belonging.get(aggregate.key, [])) for aggregate in aggregates]
        codes += map(_of_metadata, jobs)
        statements = [f"\n{_broken(code)}" for code in codes]
        return "\n".join([_HEADER, *self._imports(codes), "metadata = sa.MetaData()", *statements]) + "\n"

    def _imports(self, codes: Iterable[Code]) -> Iterator[str]:
        """The import statements, each group with an empty line after it."""
        needed = {each for code in codes for each in code.needs()}
        standard = sorted(each for each in needed if not each.startswith("from tsext"))
        names = sorted({each.removeprefix("from tsext import ") for each in needed.difference(standard)})
        others = ["import sqlalchemy as sa", *sorted(map(str, self.context.imports))]
        own = [f"from tsext import {', '.join(names)}"] if names else []
        for group in filter(None, (standard, others, own)):
            yield from (*group, "")

    def _table(self, table: Table, objects: Iterable[TableObject]) -> Code:
        items = [code_of(str(table.name)), Code("metadata")]
        items += [Code(render._render_column(column, self.context)) for column in table.columns]
        items += map(Code, sorted(self._constraints(table)))
        items += [self._index(index) for index in sorted(table.indexes, key=lambda each: str(each.name))]
        items += map(_declaration, objects)
        given = {"schema": table.schema, "comment": table.comment}
        items += [code_of(str(value), name) for name, value in given.items() if value is not None]
        items += map(Code, render._render_dialect_kwargs_items(self.context, table.dialect_kwargs))
        return Code("sa.Table(", tuple(items), ")")

    def _constraints(self, table: Table) -> Iterator[str]:
        for constraint in table.constraints:
            text = render._render_constraint(constraint, self.context, None)
            if text is not None:
                yield text

    def _index(self, index: Index) -> Code:
        columns = render._get_index_rendered_expressions(index, self.context)
        options = render._render_dialect_kwargs_items(self.context, index.dialect_kwargs)
        unique = [code_of(True, "unique")] if index.unique else []
        return Code("sa.Index(", (code_of(str(index.name)), *map(Code, columns), *unique, *map(Code, options)), ")")


def _broken(table: Code) -> str:
    """Each argument on lines of its own, however short they are."""
    return "\n".join([table.opening, *(item.broken(4, ",") for item in table.items), table.closing])


def _aggregate(found: ContinuousAggregate, objects: Iterable[TableObject]) -> Code:
    unnamed = tuple(replace(each, name="", schema=None) for each in objects)
    return _of_metadata(replace(found, objects=unnamed))


def _of_metadata(noun: Object) -> Code:
    """What stands by itself, and is declared in the metadata by its last argument."""
    class_ = type(noun).__name__
    items = (*arguments_of(noun), Code("metadata=metadata"))
    return Code(f"{class_}(", items, ")", (f"from tsext import {class_}",))


def _declaration(noun: TableObject) -> Code:
    """Without name and schema, which are the table's."""
    class_ = type(noun).__name__
    return Code(f"{class_}(", tuple(arguments_of(noun, skip=("name", "schema"))), ")", (f"from tsext import {class_}",))


def module(connection: Connection, wanted: Wanted) -> str:
    """The declarations as a Python module, with which autogenerate finds nothing to do.

    :raises InvalidObject: if a table or schema that is asked for does not exist.
    """
    migration = MigrationContext.configure(connection)
    metadata = _reflected(connection, migration, wanted)
    options = {
        "sqlalchemy_module_prefix": "sa.",
        "alembic_module_prefix": "op.",
        "user_module_prefix": None,
        "render_item": _render_type,
    }
    offline = MigrationContext.configure(dialect=dialect())
    context = AutogenContext(offline, metadata, opts=options)
    objects = [noun for found in _FOUND for noun in found(connection)]
    tables = sorted(metadata.tables.values(), key=lambda table: (table.schema or "", table.name))
    return _Module(context).write(tables, _aggregates(connection, wanted), catalog.jobs(connection), objects)


def _aggregates(connection: Connection, wanted: Wanted) -> list[ContinuousAggregate]:
    schemas = _schemas(connection, wanted.schemas)
    found = [each.aggregate for each in catalog.continuous_aggregates(connection)]
    return [each for each in found if each.schema in schemas and each.name in (wanted.tables or [each.name])]


def _reflected(connection: Connection, migration: MigrationContext, wanted: Wanted) -> MetaData:
    """The tables as SQLAlchemy sees them, without what TimescaleDB and extensions made."""
    inspector = inspect(connection)
    metadata = MetaData()
    event.listen(metadata, "column_reflect", _serial(migration, inspector))
    noise = Noise(connection, {each.key: each for each in catalog.hypertables(connection)})
    for schema in _schemas(connection, wanted.schemas):
        names = [name for name in inspector.get_table_names(schema=schema) if _is_own(noise, migration, schema, name)]
        names = [name for name in names if not wanted.tables or name in wanted.tables]
        if names:
            metadata.reflect(connection, schema=schema, only=names, resolve_fks=False)
    there = {table.name for table in metadata.tables.values()} | {each.name for each in _aggregates(connection, wanted)}
    if missing := sorted(set(wanted.tables) - there):
        raise InvalidObject(
            f"there is no table {', '.join(missing)}",
            hint="give names without their schema, and each schema with --schema",
        )
    policies = catalog.policies(connection)
    sorted_by = {(each.key, each.index_name) for each in policies if isinstance(each, ReorderPolicy)}
    for table in metadata.tables.values():
        _take_out(table, noise, sorted_by)
        _make_plain(table)
    _complete(connection, metadata)
    return metadata


def _complete(connection: Connection, metadata: MetaData) -> None:
    """What SQLAlchemy can declare, and does not reflect."""
    tables = {(table.schema, table.name): table for table in metadata.tables.values()}
    for key, partition_by in catalog.partition_keys(connection).items():
        if key in tables:
            tables[key].dialect_options["postgresql"]["partition_by"] = partition_by
    for each in catalog.exclusions(connection):
        if each.key in tables:
            tables[each.key].append_constraint(_exclusion(each))


def _exclusion(found: catalog.Exclusion) -> ExcludeConstraint:
    where: Any = None if found.condition is None else _escaped(text(found.condition))
    elements: list[Any] = [
        (literal_column(sql) if name is None else name, operator) for name, sql, operator in found.elements
    ]
    return ExcludeConstraint(
        *elements,
        name=found.name,
        using=found.using,
        where=where,
        deferrable=found.deferrable or None,
        initially="DEFERRED" if found.deferred else None,
    )


def _serial(migration: MigrationContext, inspector: Inspector) -> Callable[[Any, Table, Any], None]:
    """Take the default from columns of the primary key that are SERIAL, which models say by ``autoincrement``."""
    omit: Any = migration.impl._compat_autogen_column_reflect(inspector)

    def reflect(_: Any, table: Table, column: Any) -> None:
        key = inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]
        if column["name"] not in key or table.info.get(_SERIAL):
            return
        had_default = "default" in column and column["default"] is not None
        omit(inspector, table, column)
        if had_default and not column.get("default") and len(key) > 1:
            table.info[_SERIAL] = column["name"]

    return reflect


def _schemas(connection: Connection, wanted: Collection[str | None]) -> list[str | None]:
    there = inspect(connection).get_schema_names()
    if missing := [name for name in wanted if name is not None and name not in there]:
        raise InvalidObject(f"there is no schema {', '.join(missing)}", hint=f"there are: {', '.join(there)}")
    default = connection.dialect.default_schema_name
    return [None if name == default else name for name in wanted]


def _is_own(noise: Noise, migration: MigrationContext, schema: str | None, name: str) -> bool:
    if (schema, name) == (migration.version_table_schema, migration.version_table):
        return False
    return autogenerate.include_name()(name, "table", {"schema_name": schema}) and not noise.is_table(schema, name)


def _take_out(table: Table, noise: Noise, needed: Collection[tuple[catalog.Key, str]]) -> None:
    """Default indexes, but those that a policy needs; and the copies that foreign keys have for chunks."""
    key = table.schema, table.name
    copies = [each for each in table.foreign_key_constraints if noise.is_copy(table.schema, table.name, each.name)]
    table.constraints.difference_update(copies)
    made = {each for each in table.indexes if (table.schema, each.name) in noise.indexes}
    table.indexes -= {each for each in made if (key, each.name) not in needed}


def _make_plain(table: Table) -> None:
    """Say nothing that goes without saying, and write texts so that they are read back as they are."""
    alone = len(table.primary_key.columns) == 1
    for column in table.columns:
        if not (column.primary_key and alone):
            column.autoincrement = table.info.get(_SERIAL) == column.name or "auto"
        if isinstance(column.server_default, DefaultClause):
            column.server_default.arg = _escaped(column.server_default.arg)
        if column.computed is not None:
            column.computed.sqltext = _escaped(column.computed.sqltext)
    described: list[Any] = [*table.constraints, *table.indexes]
    for item in described:
        for name in [name for name, value in item.dialect_kwargs.items() if not value or name in _MISREAD]:
            del item.dialect_kwargs[name]
    for constraint in table.constraints:
        constraint.name = None if constraint.name is None else str(constraint.name)
        if isinstance(constraint, CheckConstraint):
            constraint.sqltext = _escaped(constraint.sqltext)
    for index in table.indexes:
        index.expressions = [
            literal_column(each.text) if isinstance(each, TextClause) else each for each in index.expressions
        ]
        if where := index.dialect_kwargs.get("postgresql_where"):
            index.dialect_kwargs["postgresql_where"] = _escaped(text(where))


def _escaped(expression: Any) -> Any:
    """SQL text as ``text()`` must be given it: with a backslash before what it would take for a parameter."""
    if not isinstance(expression, TextClause):
        return expression
    return literal_column(escaped(expression.text))


def _render_type(kind: str, item: Any, context: AutogenContext) -> str | bool:
    """Of types, those of which Alembic writes what cannot be run."""
    if kind != "type":
        return False
    if isinstance(item, DOMAIN):
        context.imports.add("from sqlalchemy.dialects import postgresql")
        return f"postgresql.DOMAIN({_arguments_of_domain(item, context)})"
    return "sa.types.NullType()" if isinstance(item, types.NullType) else False


def _arguments_of_domain(domain: DOMAIN, context: AutogenContext) -> str:
    given = {"schema": domain.schema, "collation": domain.collation, "not_null": domain.not_null or None}
    named = [f"{name}={value!r}" for name, value in given.items() if value is not None]
    return ", ".join([repr(domain.name), render._repr_type(domain.data_type, context), *named, "create_type=False"])
