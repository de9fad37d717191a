"""Columns that get another type."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tsext.catalog import ColumnFacts
from tsext.model.locks import LockMode, Work
from tsext.safety import casting, columns, constraints, definitions, rules, types
from tsext.safety.names import Name
from tsext.safety.reading import Reading


def column_type(reading: Reading, table: Name, command: Any) -> None:
    """``ALTER COLUMN … TYPE``: a rewrite, unless both types have the same bytes."""
    definition = getattr(command, "def").column_def
    new = types.of_node(definition.type_name)
    if not reading.need_columns(table, command.name):
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        return
    column = reading.column(table, command.name)
    if _is_probably_instant(reading, table, command.name, definition):
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        reading.script.change(table).types[command.name] = new
        reading.report(rules.MAYBE_REWRITE, table, column=command.name)
        return
    before = reading.type_of(table, command.name)
    change = _change_of(reading, definition, command.name, before)
    _refuse_cast(reading, table, command.name, definition, before)
    if computed := reading.state(table).computing(command.name):
        shown = ", ".join(f"generated column {each}" for each in computed)
        reading.report(rules.DEPENDENTS, table, name=f"{table}.{command.name}", dependents=shown)
    if column is not None:
        _refuse_identity(reading, table, column, new)
        change = _in_full(reading, change, column, definition)
    reading.script.change(table).types[command.name] = _target(reading, new)
    names = {command.name, column.name if column is not None else command.name}
    work = Work.REWRITE if change.rewrites else _smaller_work(reading, table, names, change)
    if work is None and definition.HasField("coll_clause") and column is None:
        work = Work.BUILD  # of indexes that it may have
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, work)
    if reading.is_new(table):
        return
    if column is not None:
        _check_readers(reading, table, command.name, column)
        _lock_foreign_keys(reading, table, column.name, Work.SCAN if change.rewrites else None)
    if work is not None:
        did = {Work.REWRITE: "rewrites the table", Work.BUILD: "builds its indexes anew", Work.SCAN: "scans the table"}
        words = {"column": command.name, "work": did[work] if before is not None else "may rewrite the table"}
        reading.report(rules.ALTER_COLUMN_TYPE, table, **words)
    if change.narrows:
        reading.report(rules.NARROWER_TYPE, table, column=command.name, old=before or "the old type", new=new)
    elif change.rewrites:
        reading.report(rules.NEW_TYPE, table, column=command.name, new=new)


def _is_probably_instant(reading: Reading, table: Name, name: str, definition: Any) -> bool:
    """Whether, for want of a catalog, the usual case may be taken for granted."""
    if reading.facts.is_complete or reading.type_of(table, name) is not None or reading.is_new(table):
        return False
    plain = not definition.HasField("raw_default") and not definition.HasField("coll_clause")
    return plain and types.is_usually_wider(types.of_node(definition.type_name))


def _target(reading: Reading, new: types.Type) -> types.Type:
    """The type, or what it is made of."""
    base = reading.facts.domain_base(new.name)
    return types.of_text(base) if base is not None else new


def _change_of(reading: Reading, definition: Any, name: str, before: types.Type | None) -> types.Change:
    new = types.of_node(definition.type_name)
    if before is None or new.name.rpartition(".")[2] in reading.facts.constrained_domains:
        return types.Change(rewrites=True)
    change = types.change(before, _target(reading, new), utc=reading.is_utc)
    if definition.HasField("raw_default") and not _is_plain_cast(definition.raw_default, name, new):
        change = types.Change(rewrites=True, narrows=change.narrows)
    return change


def _refuse_cast(reading: Reading, table: Name, name: str, definition: Any, before: types.Type | None) -> None:
    """What has no cast that is applied by itself: neither to the values without USING, nor to a DEFAULT with it."""
    new = _target(reading, types.of_node(definition.type_name))
    if before is None or _is_assignable(reading, before, new) is not False:
        return
    if not definition.HasField("raw_default"):
        cure = f"say how: USING {name}::{new}"
        reading.report(rules.REFUSED, table, what=f"to make {name}, a {before}, a {new} by itself", cure=cure)
    elif definitions.source_of(reading, table, name) == "default":
        cure = f"ALTER COLUMN {name} DROP DEFAULT first, and set another afterwards, in the same statement"
        reading.report(rules.REFUSED, table, what=f"to make the DEFAULT of {name} a {new}", cure=cure)


def _is_assignable(reading: Reading, old: types.Type, new: types.Type) -> bool | None:
    database = reading.facts.database
    labels = database.labels if database is not None else {}
    enums = {each.name.rpartition(".")[2] for each in (old, new)} & labels.keys()
    if old == new and new.name.rpartition(".")[2] in reading.script.types:
        return False  # the type that the column has was renamed, or dropped
    if enums and new.name.rpartition(".")[2] in labels:
        return old == new
    return casting.is_assignable(old, new)


def _refuse_identity(reading: Reading, table: Name, column: ColumnFacts, new: types.Type) -> None:
    if (
        column.identity
        and new.name not in ("smallint", "integer", "bigint")
        and reading.facts.domain_base(new.name) is None
    ):
        what = f"an identity {column.name} that is no integer"
        reading.report(rules.REFUSED, table, what=what, cure="DROP IDENTITY first")


def _in_full(reading: Reading, change: types.Change, column: ColumnFacts, definition: Any) -> types.Change:
    """What else there is to a change, besides the types themselves: domains and collations."""
    new = types.of_node(definition.type_name)
    given = definition.coll_clause.collname[-1].string.sval if definition.HasField("coll_clause") else None
    is_domain = column.base != column.type
    if is_domain and column.type.rpartition(".")[2] == new.name.rpartition(".")[2]:
        given = given or column.collation
    elif is_domain and _target(reading, new).modifiers:
        change = replace(change, rewrites=True)  # how long the values of a domain may be is not known to the cast
    return replace(change, reindexes=change.reindexes or (given or "default") != (column.collation or "default"))


def _check_readers(reading: Reading, table: Name, name: str, column: ColumnFacts) -> None:
    """Views and so on that read a column do not let its type be changed."""
    found = reading.find(table)
    if reading.is_inherited(table, column.name):
        reading.report(rules.REFUSED, table, what=f"another type of {name}, which it inherits", cure="alter the parent")
    if found is not None and column.name in found.partition_key:
        what = f"another type of {name}, by which it is partitioned"
        reading.report(rules.REFUSED, table, what=what, cure="make a new table and copy in batches")
    if readers := columns.depending(reading, table, column.name):
        shown = ", ".join(sorted(f"{each.kind} {each.name}" for each in readers))
        reading.report(rules.DEPENDENTS, table, name=f"{table}.{name}", dependents=shown)


def _lock_foreign_keys(reading: Reading, table: Name, column: str, work: Work | None) -> None:
    """The foreign keys of a column, and those to it, are made anew, and checked again if its values change."""
    for each in reading.constraints(table):
        if each.references and column in each.columns:
            constraints.refuse_types(reading, table, each.columns, Name(*each.references), each.referenced)
            reading.lock(Name(*each.references), LockMode.ACCESS_EXCLUSIVE, work if each.validated else None)
    for made in reading.state(table).constraints.values():
        if made.references is not None and column in made.referring:
            constraints.refuse_types(reading, table, made.referring, made.references, made.referenced)
            reading.lock(made.references, LockMode.ACCESS_EXCLUSIVE, work if made.validated else None)
    found = reading.find(table)
    if found is None:
        return
    for other in reading.facts.referencing(found):
        name = Name(other.schema, other.name)
        for each in reading.constraints(name):
            if each.references == (found.schema, found.name) and column in each.referenced:
                constraints.refuse_types(reading, name, each.columns, table, each.referenced)
                reading.lock(name, LockMode.ACCESS_EXCLUSIVE, work if each.validated else None)


def _smaller_work(reading: Reading, table: Name, names: set[str], change: types.Change) -> Work | None:
    """What is done where the rows stay as they are: indexes built anew, CHECKs checked again.

    :param names: of the column, in the catalog and now.
    """
    indexes = [each for each in reading.indexes(table) if names & {*each.reads, *each.columns}]
    if indexes and (change.reindexes or any(not each.whole or each.has_expressions for each in indexes)):
        return Work.BUILD
    checked = [each.columns for each in reading.constraints(table) if each.kind == "c" and each.validated]
    added = [each.columns for each in reading.state(table).constraints.values() if each.validated]
    return Work.SCAN if any(names & {*each} for each in (*checked, *added)) else None


def _is_plain_cast(expression: Any, column: str, new: types.Type) -> bool:
    """Whether USING says what would be done without it."""
    if expression.WhichOneof("node") == "type_cast":
        if types.of_node(expression.type_cast.type_name) != new:
            return False
        expression = expression.type_cast.arg
    if expression.WhichOneof("node") != "column_ref":
        return False
    return bool(expression.column_ref.fields[-1].string.sval == column)
