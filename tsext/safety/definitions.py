"""CREATE, DROP and ALTER of everything but the columns and constraints of tables."""

from __future__ import annotations

from typing import Any

from tsext.catalog import RelationFacts
from tsext.model.locks import LockMode
from tsext.safety import additions, alterations, hypertables, rules, types
from tsext.safety.expressions import columns_in, proves_not_null
from tsext.safety.hazards import Work
from tsext.safety.names import Name, name_in, name_of
from tsext.safety.reading import READERS, Reading, columns_of, reads
from tsext.safety.script import Added
from tsext.sql import grammar

_LOST = {"OBJECT_TABLE", "OBJECT_SCHEMA", "OBJECT_SEQUENCE"}
"""What holds something that does not come back."""

_RELATIONS = {
    "OBJECT_TABLE": "rp",
    "OBJECT_VIEW": "v",
    "OBJECT_MATVIEW": "m",
    "OBJECT_SEQUENCE": "S",
    "OBJECT_FOREIGN_TABLE": "f",
}
"""What is a relation, and its ``pg_class.relkind``."""

_RENAMED_RELATIONS = {"table", "view", "matview", "foreign table", "sequence", "index"}

_UNUSED = {"OBJECT_STATISTIC_EXT", "OBJECT_EVENT_TRIGGER", "OBJECT_PUBLICATION", "OBJECT_POLICY", "OBJECT_RULE",
           "OBJECT_TRIGGER", "OBJECT_CAST", "OBJECT_ACCESS_METHOD"}  # fmt: skip
"""What no application names."""

_INSTANT = {"table", "view", "matview", "foreign table", "column", "tabconstraint", "trigger", "policy", "rule"}
"""What is renamed under an ACCESS EXCLUSIVE lock of a relation."""


# --- tables


@reads("create_stmt")
def create_table(reading: Reading, node: Any) -> None:
    """``CREATE TABLE``."""
    name = Name.of_range(node.relation)
    temporary = node.relation.relpersistence == "t"
    if not temporary and reading.find(name) is not None:
        if not node.if_not_exists:
            reading.report(rules.EXISTS_ALREADY, what="relation", name=name)
        return
    if not temporary and not (node.if_not_exists and reading.is_new(name)):
        reading.script.create(name, kind="p" if node.HasField("partspec") else "r")
    elif temporary:
        name = Name("pg_temp", name.name)
        reading.script.create(name, temporary=True)
    for parent in node.inh_relations:
        _create_child(reading, node, Name.of_range(parent.range_var))
    for each in node.table_elts:
        if each.WhichOneof("node") == "column_def":
            for constraint in each.column_def.constraints:
                _reference(reading, constraint.constraint)
            if types.of_node(each.column_def.type_name).name == "json":
                reading.report(rules.JSON_COLUMN_OF_NEW_TABLE, name, column=each.column_def.colname)
        elif each.WhichOneof("node") == "constraint":
            _reference(reading, each.constraint)
        elif each.WhichOneof("node") == "table_like_clause":
            reading.lock(Name.of_range(each.table_like_clause.relation), LockMode.ACCESS_SHARE)
    _create_hypertable(reading, name, node)


def _create_hypertable(reading: Reading, name: Name, node: Any) -> None:
    """``WITH (timescaledb.hypertable)``."""
    options = {each.def_elem.defname for each in node.options if each.def_elem.defnamespace in ("timescaledb", "tsdb")}
    if "hypertable" in options:
        reading.script.change(name).hypertable = True
        server = reading.facts.timescaledb
        if server is not None and server.number < (2, 20):
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
        alterations.scan_default_partition(reading, parent, node.partbound)
        for each in reading.constraints(parent):
            if each.references:
                reading.lock(Name(*each.references), LockMode.SHARE_ROW_EXCLUSIVE)


def _reference(reading: Reading, constraint: Any) -> None:
    if additions.kind_of(constraint) == "CONSTR_FOREIGN":
        referenced = Name.of_range(constraint.pktable)
        if reading.is_missing(referenced):
            reading.report(rules.DOES_NOT_EXIST, what="table", name=referenced)
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
    reading.script.create(name, temporary=temporary, kind=kind)


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
        named = [each.string.sval for each in node.aliases] or _output_columns(node.query)
        before = list(found.columns)
        if named is not None and named[: len(before)] != before:
            cure = "keep its columns as they are, and add new ones at the end; or drop it and create it again"
            reading.report(rules.REFUSED, name, what="a view that loses or renames columns", cure=cure)
    else:
        reading.script.create(name, kind="v")
    read_relations(reading, node.query, besides=name)


def _output_columns(query: Any) -> list[str] | None:
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


# --- indexes


@reads("index_stmt")
def create_index(reading: Reading, node: Any) -> None:
    """``CREATE INDEX``."""
    table = Name.of_range(node.relation)
    if reading.is_missing(table):
        reading.report(rules.DOES_NOT_EXIST, what="table", name=table)
        return
    if not _can_be_indexed(reading, table):
        reading.report(rules.REFUSED, table, what="an index of it", cure="index the tables that it reads")
        return
    named = [each.index_elem.name for each in node.index_params if each.index_elem.name]
    expressions = [each.index_elem.expr for each in node.index_params if each.index_elem.HasField("expr")]
    if _index_exists(reading, table, node):
        return
    reading.need_columns(table, *named, *{column for each in expressions for column in columns_in(each)})
    if node.idxname:
        state = reading.script.create(Name(reading.script.key(table).schema, node.idxname), kind="i")
        state.index_of, state.indexed = reading.script.key(table), tuple(named)
    refused = hypertables.refuse_index(reading, table, node) or _refuse_partitioned(reading, table, node, named)
    if node.concurrent:
        reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE, Work.BUILD)
        reading.refuse_in_transaction("CREATE INDEX CONCURRENTLY")
        return
    found = reading.find(table)
    divided = found is None or found.kind == "p" or found.hypertable is not None
    root_only = not node.relation.inh and divided
    reading.lock(table, LockMode.SHARE, None if root_only or reading.is_new(table) else Work.BUILD)
    if refused or root_only or reading.is_new(table):
        return
    by_chunk = any(each.def_elem.defname == "transaction_per_chunk" for each in node.options)
    if by_chunk:
        reading.refuse_in_transaction("CREATE INDEX … WITH (timescaledb.transaction_per_chunk)")
    words = {"name": node.idxname or f"ix_{table.name}", "columns": columns_of(named)}
    reading.report(rules.TRANSACTION_PER_CHUNK if by_chunk else rules.CREATE_INDEX, table, **words)


def _can_be_indexed(reading: Reading, table: Name) -> bool:
    found = reading.find(table)
    return found is None or found.kind in "rpm" or found.continuous_aggregate


def _index_exists(reading: Reading, table: Name, node: Any) -> bool:
    """Whether there is a relation of its name, so that nothing is created."""
    index = Name(reading.script.key(table).schema, node.idxname) if node.idxname else None
    if index is None or reading.find(index) is None:
        return False
    reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE if node.concurrent else LockMode.SHARE)
    found = reading.find(table)
    known = found.indexes.get(node.idxname) if found is not None else None
    if not node.if_not_exists:
        reading.report(rules.EXISTS_ALREADY, what="relation", name=index)
    elif known is not None and not known.valid:
        reading.report(rules.INVALID_INDEX, table, name=node.idxname)
    return True


def _refuse_partitioned(reading: Reading, table: Name, node: Any, columns: list[str]) -> bool:
    """What PostgreSQL refuses of indexes of partitioned tables; whether it does."""
    found, state = reading.find(table), reading.state(table)
    if (found is None or found.kind != "p") and not (state.new and state.kind == "p"):
        return False
    if node.concurrent:
        cure = "CREATE INDEX ON ONLY the parent, concurrently on each partition, then ALTER INDEX … ATTACH PARTITION"
        words = {"what": "CREATE INDEX CONCURRENTLY", "kind": "partitioned table", "cure": cure}
        reading.report(rules.CONCURRENTLY_UNSUPPORTED, table, **words)
        return True
    lacking = sorted(set(found.partition_key) - set(columns)) if found is not None and node.unique else []
    if lacking:
        what = f"a unique index without {', '.join(lacking)}, by which it is partitioned"
        reading.report(rules.REFUSED, table, what=what, cure="add it to the columns of the index")
    return bool(lacking)


@reads("reindex_stmt")
def reindex(reading: Reading, node: Any) -> None:
    """``REINDEX``."""
    kind = grammar.enum_name("ReindexObjectType", node.kind)
    concurrent = any(each.def_elem.defname == "concurrently" for each in node.params)
    name = Name.of_range(node.relation) if node.HasField("relation") else Name(None, node.name or "the database")
    found = reading.find(name) if node.HasField("relation") else None
    if node.HasField("relation") and reading.is_missing(name):
        reading.report(rules.DOES_NOT_EXIST, what="relation", name=name)
        return
    if found is not None and found.kind in "pI":
        reading.refuse_in_transaction("REINDEX of a partitioned table")
    if concurrent or kind not in ("REINDEX_OBJECT_INDEX", "REINDEX_OBJECT_TABLE"):
        reading.refuse_in_transaction(f"REINDEX{' CONCURRENTLY' if concurrent else ' of more than a table'}")
    table = index_table(reading, name) if kind == "REINDEX_OBJECT_INDEX" else name
    hypertables.refuse_reindex(reading, table, index=kind == "REINDEX_OBJECT_INDEX", concurrent=concurrent)
    if concurrent:
        reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE, Work.BUILD)
        return
    reading.lock(table, LockMode.SHARE, Work.BUILD)
    if table != name:
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)
    if not reading.is_new(table) and not reading.is_new(name):
        reading.report(rules.REINDEX, table, name=name)


def index_table(reading: Reading, index: Name) -> Name:
    """The table of an index; the index itself, if that is not known."""
    made = reading.state(index)
    if made.index_of is not None:
        return made.index_of
    found = reading.find(index)
    return Name(*found.index_of) if found is not None and found.index_of is not None else index


# --- drop


@reads("drop_stmt")
def drop(reading: Reading, node: Any) -> None:
    """``DROP`` of anything but databases, roles and tablespaces."""
    kind = grammar.enum_name("ObjectType", node.remove_type)
    together = {reading.script.key(name_of(each)) for each in node.objects}
    for each in node.objects:
        name = name_of(each)
        if kind == "OBJECT_INDEX":
            _drop_index(reading, name, node)
        elif kind in ("OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"):
            _drop_of_table(reading, each, node)
        elif not _is_own(reading, name, kind):
            _drop(reading, name, kind, node, together)
        if kind in _RELATIONS or kind == "OBJECT_INDEX":
            reading.script.drop(name)


def _is_own(reading: Reading, name: Name, kind: str) -> bool:
    """Whether an earlier statement made it."""
    if kind in ("OBJECT_TYPE", "OBJECT_DOMAIN"):
        return name.name in reading.script.types
    if kind in ("OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE"):
        return name.name in reading.script.functions
    return kind in _RELATIONS and reading.is_new(name)


def _drop(reading: Reading, name: Name, kind: str, node: Any, together: set[Name]) -> None:
    what = kind.removeprefix("OBJECT_").replace("MATVIEW", "MATERIALIZED VIEW").replace("_", " ").lower()
    relation = kind in _RELATIONS
    found = reading.find(name) if relation else None
    if relation and reading.is_missing(name):
        if not node.missing_ok:
            reading.report(rules.DOES_NOT_EXIST, what=what, name=name)
        return
    if _is_missing_function(reading, name, kind):
        if not node.missing_ok:
            reading.report(rules.DOES_NOT_EXIST, what=what, name=name)
        return
    if relation:
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)
    if found is not None and found.kind not in _RELATIONS[kind] and not found.continuous_aggregate:
        reading.report(rules.REFUSED, name, what=f"DROP {what.upper()} of something else", cure="correct the statement")
        return
    if found is not None and found.continuous_aggregate and kind == "OBJECT_VIEW":
        cure = f"DROP MATERIALIZED VIEW {name}, or op.drop_continuous_aggregate"
        reading.report(rules.HYPERTABLE_REFUSES, name, what="DROP VIEW of a continuous aggregate", cure=cure)
        return
    if relation:
        hypertables.refuse_drop_together(reading, name, len(together))
    if found is not None and found.aggregates is not None:
        reading.lock(Name(*found.aggregates), LockMode.ACCESS_EXCLUSIVE)
    cascade = grammar.enum_name("DropBehavior", node.behavior) == "DROP_CASCADE"
    takes = _drop_what_depends(reading, name, kind, together, cascade=cascade)
    if kind not in _UNUSED:
        rule = rules.DROP_TABLE if kind == "OBJECT_TABLE" else rules.DROP_OTHER
        reading.report_parting(rule, name, what=what)
    if kind in _LOST or (found is not None and found.continuous_aggregate):
        reading.report(rules.LOST_TABLE, *([name] if relation else []), name=name)
    if cascade and (takes or reading.facts.database is None or not relation):
        reading.report(rules.DROP_CASCADE, name=name)


def _is_missing_function(reading: Reading, name: Name, kind: str) -> bool:
    if kind not in ("OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE") or reading.facts.database is None:
        return False
    return name.name not in reading.facts.database.volatile


def _drop_what_depends(reading: Reading, name: Name, kind: str, together: set[Name], *, cascade: bool) -> bool:
    """Whether something depends on it; what does is locked, or refuses."""
    found = reading.find(name)
    if kind in ("OBJECT_TYPE", "OBJECT_DOMAIN"):
        shown = _columns_of_type(reading, name, cascade=cascade)
    elif kind in ("OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE"):
        shown = _triggers_of(reading, name)
    elif kind == "OBJECT_SCHEMA":
        shown = _lock_schema(reading, name)
    elif found is None:
        shown = []
    else:
        shown = _dependents_of(reading, name, kind, found, together, cascade=cascade)
    if shown and not cascade:
        reading.report(rules.DEPENDENTS, *([name] if found else []), name=name, dependents=", ".join(sorted(shown)))
    return bool(shown)


def _dependents_of(
    reading: Reading, name: Name, kind: str, found: RelationFacts, together: set[Name], *, cascade: bool
) -> list[str]:
    """Views that read a relation, and tables that refer to it."""
    views = _views_over(reading, name, together)
    others = [Name(each.schema, each.name) for each in reading.facts.referencing(found)]
    others = [each for each in others if kind == "OBJECT_TABLE" and not reading.script.is_gone(each)]
    others += [Name(each.schema, each.name) for each in reading.facts.inheriting(found)]
    others = [each for each in others if each not in together]
    for each in reading.constraints(name):
        if each.references:
            reading.lock(Name(*each.references), LockMode.ACCESS_EXCLUSIVE)
    if found.parent is not None:
        reading.lock(Name(*found.parent), LockMode.ACCESS_EXCLUSIVE)
    if cascade:
        for one in [*map(name_in, views), *others]:
            reading.lock(one, LockMode.ACCESS_EXCLUSIVE)
    defaults = [each.name for each in alterations.depending(reading, name, None, "default")]
    return [*views, *(each.name for each in others), *defaults]


def _views_over(reading: Reading, name: Name, together: set[Name]) -> set[str]:
    """Views that read a relation, and those that read them."""
    views: set[str] = set()
    for each in alterations.depending(reading, name, None, "view"):
        if reading.script.key(name_in(each.name)) not in together and each.name not in views:
            views |= {each.name} | _views_over(reading, name_in(each.name), together)
    return views


def _triggers_of(reading: Reading, function: Name) -> list[str]:
    """A function that triggers run cannot be dropped."""
    relations = reading.facts.database.relations.values() if reading.facts.database is not None else ()
    return [
        f"trigger {trigger} of {each.name}"
        for each in relations
        for trigger, runs in each.triggers.items()
        if runs == function.name and trigger not in reading.state(Name(each.schema, each.name)).dropped
        if not reading.script.is_gone(Name(each.schema, each.name))
    ]


def _columns_of_type(reading: Reading, name: Name, *, cascade: bool) -> list[str]:
    """A type that columns have cannot be dropped; with CASCADE they are dropped, too."""
    users = [
        (Name(each.schema, each.name), column)
        for each, column in reading.facts.users_of_type(name.name)
        if not reading.script.is_gone(Name(each.schema, each.name))
        if column not in reading.state(Name(each.schema, each.name)).lost
    ]
    for table, column in users if cascade else ():
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        reading.report(rules.LOST_COLUMN, table, column=column)
    return [f"{table.name}.{column}" for table, column in users]


def _lock_schema(reading: Reading, schema: Name) -> list[str]:
    relations = reading.facts.database.relations.values() if reading.facts.database is not None else ()
    inside = [each for each in relations if each.schema == schema.name and each.kind in "rpmv"]
    inside = [each for each in inside if not reading.script.is_gone(Name(each.schema, each.name))]
    for each in inside:
        reading.lock(Name(each.schema, each.name), LockMode.ACCESS_EXCLUSIVE)
    return [each.name for each in inside]


def _drop_index(reading: Reading, index: Name, node: Any) -> None:
    if reading.is_missing(index):
        if not node.missing_ok:
            reading.report(rules.DOES_NOT_EXIST, what="index", name=index)
        return
    table, known = index_table(reading, index), reading.find(index)
    owner = next(
        (each.name for each in reading.constraints(table) if each.index == index.name and each.kind in "pux"), None
    )
    if owner is not None:
        reading.report(rules.DEPENDENTS, table, name=index, dependents=f"constraint {owner}")
    if known is not None and known.parent is not None:
        reading.report(rules.DEPENDENTS, name=index, dependents=f"index {known.parent[1]}")
    hypertables.refuse_drop(reading, index, table, node)
    if node.concurrent:
        reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
        if known is not None and known.kind == "I":
            words = {"what": "DROP INDEX CONCURRENTLY", "kind": "partitioned table", "cure": "DROP INDEX"}
            reading.report(rules.CONCURRENTLY_UNSUPPORTED, table, **words)
        elif len(node.objects) > 1:
            cure = "one statement for each"
            reading.report(rules.REFUSED, table, what="DROP INDEX CONCURRENTLY of several indexes", cure=cure)
        reading.refuse_in_transaction("DROP INDEX CONCURRENTLY")
        return
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    if not reading.is_new(index) and not reading.is_new(table):
        reading.report(rules.DROP_INDEX, table, name=index)


def _drop_of_table(reading: Reading, each: Any, node: Any) -> None:
    """A trigger, policy or rule: its table is named before it."""
    parts = [part.string.sval for part in each.list.items]
    if len(parts) < 2:
        return
    table = Name(parts[-3] if len(parts) > 2 else None, parts[-2])
    if reading.is_missing(table):
        if not node.missing_ok:
            reading.report(rules.DOES_NOT_EXIST, what="relation", name=table)
        return
    found, state = reading.find(table), reading.script.change(table)
    if grammar.enum_name("ObjectType", node.remove_type) == "OBJECT_TRIGGER" and found is not None:
        gone = parts[-1] in state.dropped or parts[-1] not in found.triggers
        if gone and parts[-1] not in state.triggers:
            if not node.missing_ok:
                reading.report(rules.DOES_NOT_EXIST, table, what="trigger", name=parts[-1])
            return
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    state.dropped.add(parts[-1])


@reads("dropdb_stmt", "drop_table_space_stmt")
def drop_database(reading: Reading, node: Any) -> None:
    """``DROP DATABASE`` and ``DROP TABLESPACE``."""
    what = "DROP DATABASE" if node.DESCRIPTOR.name == "DropdbStmt" else "DROP TABLESPACE"
    reading.refuse_in_transaction(what)
    reading.report(rules.DROP_DATABASE, what=what)


@reads("drop_owned_stmt")
def drop_owned(reading: Reading, node: Any) -> None:
    """``DROP OWNED BY``."""
    reading.report(rules.DROP_DATABASE, what="DROP OWNED")


@reads("drop_role_stmt", "drop_user_mapping_stmt")
def drop_role(reading: Reading, node: Any) -> None:
    """What is known by a plain name."""
    reading.report(rules.DROP_OTHER, what=node.DESCRIPTOR.name.removeprefix("Drop").removesuffix("Stmt").lower())


# --- rename


@reads("rename_stmt")
def rename(reading: Reading, node: Any) -> None:
    """``ALTER … RENAME``."""
    kind = grammar.enum_name("ObjectType", node.rename_type)
    what = kind.removeprefix("OBJECT_").replace("_", " ").lower()
    name = Name.of_range(node.relation) if node.HasField("relation") else name_of(node.object)
    relation = node.HasField("relation")
    if relation and what != "attribute" and reading.is_missing(name):
        if not node.missing_ok:
            reading.report(rules.DOES_NOT_EXIST, what="relation", name=name)
        return
    if what == "index":
        reading.lock(name, LockMode.SHARE_UPDATE_EXCLUSIVE)
        hypertables.lock_renamed_index(reading, index_table(reading, name))
    elif relation and what in _INSTANT:
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)
    if what == "column":
        _rename_column(reading, name, node)
    elif what == "tabconstraint":
        _rename_constraint(reading, name, node)
    elif what in _RENAMED_RELATIONS:
        _rename_relation(reading, name, what, node.newname)
    elif what not in ("domconstraint", "trigger", "policy", "rule") and name.name not in reading.script.types:
        reading.report(rules.RENAME_OTHER, what=what, name=name if name.name else node.subname)


def _rename_relation(reading: Reading, name: Name, what: str, to: str) -> None:
    new = Name(reading.script.key(name).schema, to)
    if reading.find(new) is not None or reading.is_new(new):
        reading.report(rules.EXISTS_ALREADY, what="relation", name=to)
        return
    # ALTER TABLE renames indexes and views too
    found = reading.find(name)
    if found is not None and found.continuous_aggregate and what == "view":
        cure = "ALTER MATERIALIZED VIEW"
        reading.report(rules.HYPERTABLE_REFUSES, name, what="ALTER VIEW of a continuous aggregate", cure=cure)
        return
    index = what == "index" or (found is not None and found.kind in "iI")
    if not index and not reading.is_new(name):
        reading.report_parting(rules.RENAME_TABLE, name, what=what.replace("mat", "materialized "))
    reading.script.rename(name, new)


def _rename_column(reading: Reading, table: Name, node: Any) -> None:
    if not reading.need_columns(table, node.subname):
        return
    if reading.column(table, node.newname) is not None:
        reading.report(rules.EXISTS_ALREADY, what="column", name=f"{table}.{node.newname}")
        return
    own, column, state = reading.is_own_column(table, node.subname), reading.column(table, node.subname), None
    state = reading.script.change(table)
    state.columns.pop(node.subname, None)
    if own:
        state.columns[node.newname] = None
        return
    known = column.name if column is not None else node.subname
    state.lost.add(node.subname)
    state.columns[node.newname] = known
    state.proven = {node.newname if each == node.subname else each for each in state.proven}
    reading.report(rules.RENAME_COLUMN, table, column=node.subname)


def _rename_constraint(reading: Reading, table: Name, node: Any) -> None:
    state, known = reading.script.change(table), reading.constraint(table, node.subname)
    added = state.constraints.pop(node.subname, None)
    if reading.find(table) is not None and known is None and added is None:
        reading.report(rules.DOES_NOT_EXIST, table, what="constraint", name=node.subname)
        return
    state.dropped.add(node.subname)
    if added is None:
        proves = proves_not_null(known.definition) if known is not None else ()
        added = Added(known is None or known.validated, proves)
    state.constraints[node.newname] = added


# --- types and domains


@reads("create_enum_stmt", "composite_type_stmt", "create_domain_stmt", "create_range_stmt")
def create_type(reading: Reading, node: Any) -> None:
    """``CREATE TYPE`` and ``CREATE DOMAIN``."""
    kind = node.DESCRIPTOR.name
    if kind == "CompositeTypeStmt":
        name = Name.of_range(node.typevar)
    else:
        name = Name.of_list(node.domainname if kind == "CreateDomainStmt" else node.type_name)
    reading.script.types.add(name.name)
    reading.script.replace(name)
    if kind == "CreateDomainStmt" and any(
        additions.kind_of(each.constraint) in ("CONSTR_CHECK", "CONSTR_NOTNULL") for each in node.constraints
    ):
        reading.script.constrained.add(name.name)


@reads("alter_enum_stmt")
def alter_enum(reading: Reading, node: Any) -> None:
    """``ALTER TYPE … ADD VALUE`` and ``RENAME VALUE``."""
    name = Name.of_list(node.type_name)
    if name.name in reading.script.types:
        return
    database = reading.facts.database
    labels = database.labels.get(name.name) if database is not None else None
    if node.old_val:
        if labels is not None and node.old_val not in labels:
            reading.report(rules.DOES_NOT_EXIST, what="value", name=f"{node.old_val} of {name}")
        reading.report(rules.RENAME_ENUM_VALUE, name=name)
        return
    if labels is not None and node.new_val in labels:
        if not node.skip_if_new_val_exists:
            reading.report(rules.EXISTS_ALREADY, what="value", name=f"{node.new_val} of {name}")
    elif reading.in_transaction:
        reading.script.enum_values[node.new_val] = name


@reads("alter_domain_stmt")
def alter_domain(reading: Reading, node: Any) -> None:
    """``ALTER DOMAIN``: a new constraint is checked against every table that has such a column."""
    name = Name.of_list(node.type_name)
    validates = node.subtype in ("O", "V") or (
        node.subtype == "C" and not getattr(node, "def").constraint.skip_validation
    )
    if validates and node.subtype != "V":
        reading.script.constrained.add(name.name)
    if not validates or name.name in reading.script.types:
        return
    users = [Name(each.schema, each.name) for each, _ in reading.facts.users_of_type(name.name)]
    for each in users:
        mode = LockMode.SHARE_UPDATE_EXCLUSIVE if _validates_lightly(reading, node) else LockMode.SHARE
        reading.lock(each, mode, Work.SCAN)
    if _validates_lightly(reading, node) or (reading.facts.database is not None and not users):
        return
    reading.report(rules.VALIDATE_DOMAIN, *users, name=name)


def _validates_lightly(reading: Reading, node: Any) -> bool:
    return bool(node.subtype == "V") and (reading.facts.database is None or reading.facts.postgresql >= 18)


# --- triggers, policies, rules and the rest


@reads("create_trig_stmt")
def create_trigger(reading: Reading, node: Any) -> None:
    """``CREATE TRIGGER``: instant, but writers wait for the lock."""
    table = Name.of_range(node.relation)
    if reading.is_missing(table):
        reading.report(rules.DOES_NOT_EXIST, what="table", name=table)
        return
    reading.lock(table, LockMode.SHARE_ROW_EXCLUSIVE)
    found, state = reading.find(table), reading.script.change(table)
    there = (
        found is not None and node.trigname in set(found.triggers) - state.dropped
    ) or node.trigname in state.triggers
    if there and not node.replace:
        reading.report(rules.EXISTS_ALREADY, table, what="trigger", name=node.trigname)
    state.triggers.add(node.trigname)
    if node.HasField("constrrel"):
        reading.lock(Name.of_range(node.constrrel), LockMode.SHARE_ROW_EXCLUSIVE)
    hypertables.refuse_trigger(reading, table, node)


@reads("rule_stmt")
def create_rule(reading: Reading, node: Any) -> None:
    """``CREATE RULE``."""
    reading.lock(Name.of_range(node.relation), LockMode.ACCESS_EXCLUSIVE)
    hypertables.refuse_rule(reading, Name.of_range(node.relation))


@reads("create_policy_stmt", "alter_policy_stmt")
def policy(reading: Reading, node: Any) -> None:
    """``CREATE POLICY`` and ``ALTER POLICY``."""
    reading.script.change(Name.of_range(node.table)).policies = True
    reading.lock(Name.of_range(node.table), LockMode.ACCESS_EXCLUSIVE)


@reads("create_stats_stmt")
def statistics(reading: Reading, node: Any) -> None:
    """``CREATE STATISTICS``."""
    for each in node.relations:
        if each.WhichOneof("node") == "range_var":
            reading.lock(Name.of_range(each.range_var), LockMode.SHARE_UPDATE_EXCLUSIVE)


@reads("comment_stmt", "sec_label_stmt")
def comment(reading: Reading, node: Any) -> None:
    """``COMMENT ON`` and ``SECURITY LABEL``."""
    kind = grammar.enum_name("ObjectType", node.objtype)
    name = name_of(node.object)
    if kind == "OBJECT_COLUMN":
        parts = [each.string.sval for each in node.object.list.items]
        name = Name(parts[-3] if len(parts) > 2 else None, parts[-2] if len(parts) > 1 else "")
    if kind in ("OBJECT_TABLE", "OBJECT_COLUMN", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_INDEX"):
        reading.lock(name, LockMode.SHARE_UPDATE_EXCLUSIVE)


@reads("grant_stmt", "grant_role_stmt", "alter_default_privileges_stmt")
def grant(reading: Reading, node: Any) -> None:
    """``GRANT`` and ``REVOKE``."""
    if node.DESCRIPTOR.name != "AlterDefaultPrivilegesStmt" and not node.is_grant:
        reading.report(rules.REVOKE)


@reads("create_publication_stmt", "alter_publication_stmt")
def publication(reading: Reading, node: Any) -> None:
    """``CREATE PUBLICATION`` and ``ALTER PUBLICATION``."""
    published = next(
        (each.def_elem.arg.string.sval for each in node.options if each.def_elem.defname == "publish"), None
    )
    for each in grammar.find(node, "PublicationTable"):
        table = Name.of_range(each.relation)
        reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
        found = reading.find(table)
        if found is None or (published is not None and "update" not in published and "delete" not in published):
            continue
        has_key = any(one.kind == "p" for one in reading.constraints(table))
        if found.replica_identity == "n" or (found.replica_identity == "d" and not has_key):
            reading.report(rules.NO_REPLICA_IDENTITY, table)


@reads("create_subscription_stmt", "drop_subscription_stmt", "discard_stmt", "alter_subscription_stmt")
def subscription(reading: Reading, node: Any) -> None:
    """What may commit by itself, depending on its options."""
    kind = node.DESCRIPTOR.name
    options = {each.def_elem.defname: each.def_elem for each in getattr(node, "options", ())}
    if kind == "CreateSubscriptionStmt" and not {"create_slot", "connect"} & set(options):
        reading.refuse_in_transaction("CREATE SUBSCRIPTION with create_slot")
    elif kind == "DropSubscriptionStmt":
        reading.refuse_in_transaction("DROP SUBSCRIPTION")
        reading.report(rules.DROP_OTHER, what="subscription", name=node.subname)
    elif kind == "DiscardStmt" and grammar.enum_name("DiscardMode", node.target) == "DISCARD_ALL":
        reading.refuse_in_transaction("DISCARD ALL")


@reads("create_function_stmt")
def create_function(reading: Reading, node: Any) -> None:
    """``CREATE FUNCTION`` and ``CREATE PROCEDURE``: what is in it runs when it is called."""
    name = Name.of_list(node.funcname)
    options = {each.def_elem.defname: each.def_elem for each in node.options}
    body = None
    if "language" in options and "as" in options:
        language = options["language"].arg.string.sval.lower()
        body = grammar.body(language, options["as"].arg.list.items[0].string.sval)
    reading.script.functions[name.name] = body
    reading.script.replace(name)


@reads("create_schema_stmt")
def create_schema(reading: Reading, node: Any) -> None:
    """``CREATE SCHEMA``, and what is created in it at once."""
    path = reading.script.search_path
    if node.schemaname:
        reading.script.search_path = (node.schemaname, *path)
    for each in node.schema_elts:
        kind = each.WhichOneof("node")
        if kind in READERS:
            READERS[kind](reading, getattr(each, kind))
    reading.script.search_path = path


@reads("variable_set_stmt")
def set_variable(reading: Reading, node: Any) -> None:
    """``SET``: the search path decides what names mean."""
    if node.name == "search_path":
        given = [each.a_const.sval.sval for each in node.args if each.a_const.WhichOneof("val") == "sval"]
        schemas = tuple(each for each in given if each not in ("$user", "pg_catalog", ""))
        reading.script.search_path = schemas or reading.facts.search_path
    elif node.name == "timezone" and len(node.args) == 1:
        reading.script.time_zone = node.args[0].a_const.sval.sval


@reads("alter_extension_stmt")
def alter_extension(reading: Reading, node: Any) -> None:
    """``ALTER EXTENSION … UPDATE``."""
    if node.extname == "timescaledb":
        cure = "run it alone, first in a fresh session: psql -X -c 'ALTER EXTENSION timescaledb UPDATE'"
        reading.report(rules.NOT_EMPTY, what="ALTER EXTENSION timescaledb UPDATE", table="the session", cure=cure)


@reads("createdb_stmt", "create_table_space_stmt", "alter_system_stmt")
def create_database(reading: Reading, node: Any) -> None:
    """What never runs inside a transaction."""
    names = {"CreatedbStmt": "CREATE DATABASE", "CreateTableSpaceStmt": "CREATE TABLESPACE"}
    reading.refuse_in_transaction(names.get(node.DESCRIPTOR.name, "ALTER SYSTEM"))


@reads(
    "alter_function_stmt", "create_extension_stmt", "define_stmt", "create_cast_stmt", "create_plang_stmt",
    "create_conversion_stmt", "create_transform_stmt", "create_am_stmt", "create_op_class_stmt",
    "create_op_family_stmt", "alter_op_family_stmt", "alter_operator_stmt", "alter_type_stmt", "create_fdw_stmt",
    "alter_fdw_stmt", "create_foreign_server_stmt", "alter_foreign_server_stmt", "create_user_mapping_stmt",
    "alter_user_mapping_stmt", "import_foreign_schema_stmt", "create_role_stmt", "alter_role_stmt",
    "alter_role_set_stmt", "alter_database_stmt", "alter_database_set_stmt", "alter_database_refresh_coll_stmt",
    "create_event_trig_stmt", "alter_event_trig_stmt", "alter_owner_stmt", "alter_object_depends_stmt",
    "alter_extension_contents_stmt", "alter_collation_stmt", "alter_stats_stmt",
    "alter_tsconfiguration_stmt", "alter_tsdictionary_stmt", "reassign_owned_stmt", "alter_table_space_options_stmt",
    "variable_show_stmt", "listen_stmt", "unlisten_stmt", "notify_stmt", "check_point_stmt", "load_stmt",
    "constraints_set_stmt", "deallocate_stmt", "declare_cursor_stmt", "fetch_stmt", "close_portal_stmt",
)  # fmt: skip
def harmless(reading: Reading, node: Any) -> None:
    """What locks no relation that is in use, and breaks nobody."""
