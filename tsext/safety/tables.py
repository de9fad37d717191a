"""CREATE of tables, views and sequences."""

from __future__ import annotations

from typing import Any

from tsext.model.locks import LockMode, Work
from tsext.safety import hypertables, new_tables, partitions, rules, types
from tsext.safety.columns import column_of
from tsext.safety.constraints import check_referenced, kind_of
from tsext.safety.expressions import reads_everything
from tsext.safety.names import Name
from tsext.safety.reading import Reading, reads
from tsext.sql import grammar


@reads("create_stmt")
def create_table(reading: Reading, node: Any) -> None:
    """``CREATE TABLE``."""
    name = Name.of_range(node.relation)
    temporary = node.relation.relpersistence == "t"
    if not temporary and reading.find(name) is not None:
        if not node.if_not_exists:
            reading.report(rules.EXISTS_ALREADY, what="relation", name=name)
        return
    name = Name("pg_temp", name.name) if temporary else name
    if reading.is_new(name):
        if not node.if_not_exists:
            reading.report(rules.EXISTS_ALREADY, what="relation", name=name)
        return
    reading.script.create(name, temporary=temporary, kind="p" if node.HasField("partspec") else "r")
    reading.script.change(name).keys += _keys(node)
    new_tables.refuse(reading, name, node)
    for parent in node.inh_relations:
        _create_child(reading, node, Name.of_range(parent.range_var))
    for each in node.table_elts:
        if each.WhichOneof("node") == "column_def":
            for constraint in each.column_def.constraints:
                _check_constraint(reading, constraint.constraint)
            if types.of_node(each.column_def.type_name).name == "json":
                reading.report(rules.JSON_COLUMN_OF_NEW_TABLE, name, column=each.column_def.colname)
        elif each.WhichOneof("node") == "constraint":
            _check_constraint(reading, each.constraint)
        elif each.WhichOneof("node") == "table_like_clause":
            model = Name.of_range(each.table_like_clause.relation)
            reading.lock(model, LockMode.ACCESS_SHARE)
            if reading.is_missing(model):
                reading.report(rules.DOES_NOT_EXIST, what="relation", name=model)
    _create_hypertable(reading, name, node)


def _keys(node: Any) -> list[frozenset[str]]:
    """The columns of each unique key that a table is created with."""
    unique, found = {"CONSTR_PRIMARY", "CONSTR_UNIQUE"}, []
    for each in node.table_elts:
        if each.WhichOneof("node") == "column_def":
            kinds = {kind_of(one.constraint) for one in each.column_def.constraints}
            found += [frozenset([each.column_def.colname])] if kinds & unique else []
        elif each.WhichOneof("node") == "constraint" and kind_of(each.constraint) in unique:
            found.append(frozenset(one.string.sval for one in each.constraint.keys))
    return found


def _create_hypertable(reading: Reading, name: Name, node: Any) -> None:
    """``WITH (timescaledb.hypertable)``."""
    options = {each.def_elem.defname for each in node.options if each.def_elem.defnamespace in ("timescaledb", "tsdb")}
    if "hypertable" in options:
        column = next((each.def_elem for each in node.options if each.def_elem.defname == "partition_column"), None)
        hypertables.make(reading, name, column.arg.string.sval if column is not None else None)
        server = reading.facts.timescaledb
        if server is not None and server.number < (2, 20) and not reading.depth:  # DO may have looked at the version
            needed, found = "TimescaleDB 2.20", f"TimescaleDB {server.version}"
            words = {"needed": needed, "found": found, "cure": "op.create_hypertable"}
            reading.report(rules.VERSION, what="CREATE TABLE … WITH (timescaledb.hypertable)", **words)


def _create_child(reading: Reading, node: Any, parent: Name) -> None:
    """``PARTITION OF`` and ``INHERITS``."""
    if reading.is_missing(parent):
        reading.report(rules.DOES_NOT_EXIST, what="table", name=parent)
    elif not node.HasField("partbound"):
        reading.lock(parent, LockMode.SHARE_UPDATE_EXCLUSIVE)
        hypertables.refuse_child(reading, parent)
    else:
        reading.lock(parent, LockMode.ACCESS_EXCLUSIVE)
        new_tables.refuse_partition(reading, parent, node)
        partitions.scan_default_partition(reading, parent, node.partbound)
        for each in reading.constraints(parent):
            if each.references:
                reading.lock(Name(*each.references), LockMode.SHARE_ROW_EXCLUSIVE)


def _check_constraint(reading: Reading, constraint: Any) -> None:
    if kind_of(constraint) == "CONSTR_GENERATED" and constraint.generated_kind == "v":
        reading.need_postgresql(18, "a virtual generated column", "write STORED")
    if kind_of(constraint) == "CONSTR_FOREIGN":
        referenced = Name.of_range(constraint.pktable)
        check_referenced(reading, referenced, constraint)
        reading.lock(referenced, LockMode.SHARE_ROW_EXCLUSIVE)


@reads("create_table_as_stmt")
def create_table_as(reading: Reading, node: Any) -> None:
    """``CREATE TABLE AS``, ``CREATE MATERIALIZED VIEW``, continuous aggregates among them."""
    name = Name.of_range(node.into.rel)
    temporary = node.into.rel.relpersistence == "t"
    if not temporary and reading.find(name) is not None:
        if not node.if_not_exists:
            reading.report(rules.EXISTS_ALREADY, what="relation", name=name)
        return
    continuous = any(
        each.def_elem.defnamespace in ("timescaledb", "tsdb") and each.def_elem.defname == "continuous"
        for each in node.into.options
    )
    if continuous and not node.into.skip_data:
        reading.refuse_in_transaction("CREATE MATERIALIZED VIEW … WITH DATA of a continuous aggregate")
    if continuous:
        need_license(reading, "a continuous aggregate")
    read_relations(reading, node.query, besides=name, work=None if node.into.skip_data else Work.SCAN)
    for each in grammar.find(node.query, "RangeVar") if continuous else ():
        source = reading.find(Name.of_range(each))
        if source is not None and (source.hypertable is not None or source.aggregates is not None):
            # a trigger tells it what has changed
            reading.lock(Name.of_range(each), LockMode.SHARE_ROW_EXCLUSIVE)
    kind = "m" if grammar.enum_name("ObjectType", node.objtype) == "OBJECT_MATVIEW" else "r"
    copied = read_whole(reading, node.query.select_stmt)
    state = reading.script.create(name, temporary=temporary, kind=kind)
    state.filled = not node.into.skip_data
    state.copied = state.filled and bool(copied)


@reads("view_stmt")
def create_view(reading: Reading, node: Any) -> None:
    """``CREATE [OR REPLACE] VIEW``."""
    name = Name.of_range(node.view)
    found = reading.find(name)
    if found is not None:
        if not node.replace or found.kind != "v":
            reading.report(rules.EXISTS_ALREADY, what="relation", name=name)
            return
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)
        named = [each.string.sval for each in node.aliases] or output_columns(node.query)
        renamed = {old: new for new, old in reading.state(name).columns.items()}
        before = [renamed.get(each, each) for each in found.columns]
        if named is not None and named[: len(before)] != before:
            cure = "keep its columns as they are, and add new ones at the end; or drop it and create it again"
            reading.report(rules.REFUSED, name, what="a view that loses or renames columns", cure=cure)
    else:
        reading.script.create(name, kind="v")
        for each in grammar.find(node.query, "ResTarget"):
            reading.script.replace(column_of(reading, name, each.name))
    read_relations(reading, node.query, besides=name)


def output_columns(query: Any) -> list[str] | None:
    """What a query calls its columns; None if that cannot be told from its text."""
    if query.WhichOneof("node") != "select_stmt" or not len(query.select_stmt.target_list):
        return None
    names = []
    for each in query.select_stmt.target_list:
        name = each.res_target.name
        if not name and each.res_target.val.WhichOneof("node") == "column_ref":
            last = each.res_target.val.column_ref.fields[-1]
            name = last.string.sval if last.WhichOneof("node") == "string" else ""
        if not name:
            return None
        names.append(name)
    return names


def read_relations(reading: Reading, query: Any, *, besides: Name | None = None, work: Work | None = None) -> None:
    """A query locks what it selects from; ``work``: what it does with all of it."""
    defined = {each.ctename for each in grammar.find(query, "CommonTableExpr")}
    for each in grammar.find(query, "RangeVar"):
        name = Name.of_range(each)
        if name.name not in defined and name != besides and not reading.is_locked(name):
            reading.lock(name, LockMode.ACCESS_SHARE, work)


def read_whole(reading: Reading, query: Any) -> list[Name]:
    """The tables in use of which a ``SelectStmt`` gives all rows, copies of such tables among them."""
    if not reads_everything(query):
        return []
    named = [Name.of_range(each) for each in grammar.find(query, "RangeVar")]
    return [each for each in named if not each.is_system and (reading.state(each).copied or not reading.is_new(each))]


def need_license(reading: Reading, what: str) -> None:
    """What the Apache edition lacks."""
    found = reading.facts.timescaledb
    if found is not None and found.license.value == "apache":
        reading.report(rules.LICENSE, what=what)


@reads("create_foreign_table_stmt")
def create_foreign_table(reading: Reading, node: Any) -> None:
    """``CREATE FOREIGN TABLE``."""
    reading.script.create(Name.of_range(node.base_stmt.relation), kind="f")


@reads("create_seq_stmt")
def create_sequence(reading: Reading, node: Any) -> None:
    """``CREATE SEQUENCE``."""
    name = Name.of_range(node.sequence)
    temporary = node.sequence.relpersistence == "t"
    if not temporary and reading.find(name) is not None:
        if not node.if_not_exists:
            reading.report(rules.EXISTS_ALREADY, what="relation", name=name)
        return
    reading.script.create(name, temporary=temporary, kind="S")


@reads("alter_seq_stmt")
def alter_sequence(reading: Reading, node: Any) -> None:
    """``ALTER SEQUENCE``."""
    name = Name.of_range(node.sequence)
    if reading.is_missing(name) and not node.missing_ok:
        reading.report(rules.DOES_NOT_EXIST, what="sequence", name=name)
