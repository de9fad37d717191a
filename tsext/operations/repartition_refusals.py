"""What is refused before a table's rows are moved into another shape: what would be lost, or would not follow."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill.repartition.aggregates import INDEXES
from tsext.backfill.repartition.move import CAPTURE
from tsext.errors import FeatureNotSupported, InvalidObject
from tsext.model import Hypertable
from tsext.operations.repartition_jobs import ADDED_BY
from tsext.operations.stepped import SteppedOperation
from tsext.sql.quoting import identifier, qualified

REFERRED_SINCE = (2, 21, 1)
"""From this version of TimescaleDB on, foreign keys to hypertables find all rows that are there; before, a session that
has made a plan for any key, after some inserts, finds none."""

UNLOGGED_SINCE = (2, 23)
"""From this version of TimescaleDB on, hypertables can be unlogged."""

SWITCHED_SINCE, SWITCHED_WITH_COLUMNSTORE_SINCE = (2, 27), (2, 28, 3)
"""From these versions of TimescaleDB on, triggers of hypertables are enabled and disabled."""

_ANY_KEY = "force_custom_plan"
"""The value of ``plan_cache_mode`` with which no session ever has such a plan."""


def refuse(
    operation: SteppedOperation,
    connection: Connection,
    found: Hypertable | None,
    wanted: Hypertable | None,
    types: Collection[str],
) -> None:
    """Refuse a table of which something would be lost, or would not follow.

    :param found: what it is; None: a plain table.
    :param wanted: what it is to be.
    :param types: the columns that are to have other types.
    :raises InvalidObject: naming it, with what to do.
    :raises FeatureNotSupported: if what refers to the table would not work any more.
    """
    relation = catalog.resolved(connection, *operation.table)
    assert relation is not None  # or it would have been refused
    table = catalog.moved_table(connection, relation.name, relation.schema, CAPTURE)
    assert table is not None
    obstacles = _obstacles(connection, table, is_hypertable=found is not None, is_to_be_one=wanted is not None)
    readers = catalog.views_of_columns(connection, str(table), types)
    if found is not None:
        column = wanted.column if wanted is not None and wanted.column != found.column else None
        why_not = "columns that they are made of are to have other types" if _is_aggregated(readers) else None
        why_not = f"they group by ranges of {found.column}" if column is not None else why_not
        why_not = "a plain table has none" if wanted is None else why_not
        obstacles = chain(
            obstacles,
            _obstacles_of_hypertable(connection, table, column),
            _obstacles_of_aggregates(connection, table, why_not),
        )
    for fact, hint in chain(obstacles, _obstacles_of_types(readers)):
        raise InvalidObject(f"op.{operation.verb}: {operation.shown} {fact}", hint=hint)
    if wanted is not None and (found is None or found.column != wanted.column):
        _refuse_place(operation, connection, table, wanted.column)
    if found is None and wanted is not None:
        _refuse_keys(operation, connection, table)


def _refuse_place(operation: SteppedOperation, connection: Connection, table: catalog.MovedTable, column: str) -> None:
    """Refuse rows of a time that no chunk can be for."""
    found = table.column(column)
    if found is None or found.base not in ("timestamptz", "timestamp", "date"):
        return
    query = f"SELECT EXISTS (SELECT FROM {table} WHERE {identifier(column)} = '-infinity')"
    if connection.exec_driver_sql(query).scalar():
        raise InvalidObject(
            f"op.{operation.verb}: {operation.shown} has rows whose {column} is -infinity, which no chunk can have",
            hint=f"give them another value: UPDATE {table} SET {column} = … WHERE {column} = '-infinity'",
        )


def _refuse_keys(operation: SteppedOperation, connection: Connection, table: catalog.MovedTable) -> None:
    """Refuse to make a hypertable of a table with foreign keys that hypertables cannot have, or not on this server."""
    default = connection.dialect.default_schema_name
    hypertables = {qualified(each.name or "", each.schema or default) for each in catalog.hypertables(connection)}
    itself = [str(table)] if any(each.kind == "f" and not each.refers for each in table.constraints) else []
    if others := [*itself, *(each for each in (*table.referring, *table.referred) if each in hypertables)]:
        raise InvalidObject(
            f"op.{operation.verb}: a foreign key joins {operation.shown} and {', '.join(others)}, and there are none "
            "between hypertables",
            hint="drop it before",
        )
    server = catalog.timescaledb(connection)
    if not table.referring or server is None or server.number >= REFERRED_SINCE:
        return
    if connection.exec_driver_sql("SHOW plan_cache_mode").scalar() != _ANY_KEY:
        raise FeatureNotSupported(
            f"op.{operation.verb}: foreign keys of {', '.join(table.referring)} refer to {operation.shown}, and with "
            f"TimescaleDB {server.version} inserts there would fail, though the row they refer to is in the hypertable",
            hint=f"update TimescaleDB to {'.'.join(map(str, REFERRED_SINCE))}, or have all sessions plan anew: "
            f"ALTER DATABASE … SET plan_cache_mode = {_ANY_KEY}",
        )


def _obstacles(
    connection: Connection, found: catalog.MovedTable, *, is_hypertable: bool, is_to_be_one: bool
) -> Iterator[tuple[str, str]]:
    """What anybody's table may have."""
    if found.kind != "r" or found.is_child or (found.has_children and not is_hypertable):
        yield "is partitioned, inherited from, or a part of another table", "move its parts one by one, by hand"
    if found.persistence == "t":
        yield "is a temporary table", "create another one, and copy the rows"
    if is_to_be_one:
        yield from _obstacles_to_hypertables(connection, found)
    if found.has_rules:
        yield "has rules, which a hypertable cannot have", "drop them, or make triggers of them"
    for name in (each.name for each in found.views if each.kind != "v"):
        yield f"is read by {name}, which cannot be pointed at another table", "drop it, and create it anew later"
    for function in found.functions:
        yield f"is used in the body of {function}", "write the body as a string: AS $$ … $$"
    for name in (each.name for each in found.constraints if not each.valid and each.kind == "c"):
        hint = f"validate it, VALIDATE CONSTRAINT {identifier(name)}, or drop it"
        yield f"has a constraint that is not valid: {name}", hint
    more = catalog.table_details(connection, found.name, found.schema)
    assert more is not None  # as the table is there
    if more.of_type is not None:
        yield f"is of the type {more.of_type}, which another table would not be", f"ALTER TABLE {found} NOT OF"
    for use in more.uses_of_row_type:
        yield f"is used as a type by {use}, and another table is another type", "drop it, and create it anew later"
    for name in more.published_with_all:
        yield (
            f"is published by {name}, which publishes all tables, also the one that rows would be copied to",
            "drop the publication, and create one of the tables by their names, or of those in schemas",
        )


def _is_aggregated(readers: Collection[tuple[str, str]]) -> bool:
    """Whether any of the views is one that TimescaleDB has of a continuous aggregate."""
    return any(schema == INDEXES for schema, _ in readers)


def _obstacles_of_types(readers: Collection[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Views whose columns would get other types, which no view in place can."""
    for schema, name in readers:
        view = qualified(name, schema)
        yield f"is read by {view}, and columns of it are to have other types", f"drop {view}, and create it anew later"


def _obstacles_to_hypertables(connection: Connection, found: catalog.MovedTable) -> Iterator[tuple[str, str]]:
    """What a table may have, but no hypertable, or not on this server."""
    for name in (each.name for each in found.constraints if each.definition.endswith(" NO INHERIT")):
        yield f"has a constraint that chunks would not have: {name}", "create it without NO INHERIT"
    if found.persistence == "u" and _number(connection) < UNLOGGED_SINCE:
        yield "is unlogged, and with this TimescaleDB no hypertable can be", f"ALTER TABLE {found} SET LOGGED"
    columnstore = catalog.columnstore(connection, found.name, found.schema) is not None
    switched = _number(connection) >= (SWITCHED_WITH_COLUMNSTORE_SINCE if columnstore else SWITCHED_SINCE)
    for trigger in found.triggers:
        if trigger.enabled != "O" and not switched:
            yield (
                f"has a trigger that is disabled, or enabled in a way of its own, {trigger.name}, and with this "
                "TimescaleDB no hypertable can have one",
                "drop it before, or have it enabled as by CREATE TRIGGER",
            )
        if " REFERENCING " in trigger.definition and " FOR EACH ROW " in trigger.definition:
            yield f"has a row trigger with transition tables, {trigger.name}", "make a statement trigger of it"


def _number(connection: Connection) -> tuple[int, ...]:
    server = catalog.timescaledb(connection)
    return () if server is None else server.number


def _obstacles_of_hypertable(
    connection: Connection, found: catalog.MovedTable, column: str | None
) -> Iterator[tuple[str, str]]:
    """What belongs to the hypertable, and would stay with the old one."""
    keys = [each.name for each in found.constraints if each.kind == "f"]
    if keys and catalog.columnstore(connection, found.name, found.schema) is not None:
        yield (
            f"has the columnstore and foreign keys, {', '.join(keys)}, which TimescaleDB does not validate there",
            "drop them before, and add them again after this",
        )
    yield from _obstacles_of_jobs(connection, catalog.Relation(found.schema, found.name), column)


def _obstacles_of_aggregates(
    connection: Connection, found: catalog.MovedTable, why_not: str | None
) -> Iterator[tuple[str, str]]:
    """Continuous aggregates that cannot be made anew over the new table.

    :param why_not: none of them can.
    """
    aggregates = catalog.aggregates_over(connection, catalog.key_of(connection, found.schema, found.name))
    names = [".".join(filter(None, each.key)) for each in aggregates]
    if names and why_not is not None:
        drops = ", ".join(f'op.drop_continuous_aggregate("{each.aggregate.name}")' for each in aggregates[::-1])
        yield (
            f"has continuous aggregates, {', '.join(names)}, and {why_not}",
            f"drop each before, and create and fill it anew afterwards: {drops}; what they hold of times whose raw "
            "rows are gone has to be copied into a table of its own first",
        )
    taken = [found.name, *(each.aggregate.name for each in aggregates)]
    for name in {each for each in taken if taken.count(each) > 1}:
        yield f"and its continuous aggregates are several of the name {name}, in several schemas", "rename one of them"
    for each in aggregates:
        name, schema = each.aggregate.name, each.aggregate.schema or str(connection.dialect.default_schema_name)
        yield from _obstacles_of_jobs(connection, catalog.Relation(schema, name))
        view = catalog.moved_table(connection, name, schema, CAPTURE)
        for other in view.views if view is not None else ():
            if other.kind != "v":
                yield (
                    f"has the continuous aggregate {name}, and {other.name} cannot be pointed at another one",
                    f"drop {other.name}, and create it anew later",
                )


def _obstacles_of_jobs(
    connection: Connection, relation: catalog.Relation, column: str | None = None
) -> Iterator[tuple[str, str]]:
    """What the jobs of the hypertable or of an aggregate would not do any more, or would do otherwise.

    :param relation: schema and name.
    :param column: by which it will be partitioned, if that is another one.
    """
    for job in catalog.owned_jobs(connection, catalog.key_of(connection, *relation)):
        if job.policy is None or type(job.policy) not in ADDED_BY:
            hint = f"delete it before, and add it again after this: SELECT delete_job({job.id})"
            yield f"has a background job that is no policy known here: {job.application}", hint
        elif column is not None and any(getattr(job.policy, each) is not None for each in job.policy.offsets):
            yield (
                f"has a {job.policy.kind}, which would go by the age of {column} then",
                f"remove it before, and add it again after this, as it is to be: op.remove_{job.policy.word()}",
            )
