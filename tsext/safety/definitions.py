"""CREATE, DROP and ALTER of everything but the columns and constraints of tables."""

from __future__ import annotations

from typing import Any

from tsext.model.locks import LockMode
from tsext.safety import additions, hypertables, rules, types
from tsext.safety.hazards import Work
from tsext.safety.names import Name, name_of
from tsext.safety.reading import Reading, columns_of, reads
from tsext.sql import grammar

_LOST = {"OBJECT_TABLE", "OBJECT_MATVIEW", "OBJECT_SCHEMA", "OBJECT_SEQUENCE"}
"""What holds something that does not come back."""

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
    if reading.find(name) is not None:
        if not node.if_not_exists:
            reading.report(rules.EXISTS_ALREADY, what="relation", name=name)
        return
    reading.script.create(name)
    for parent in node.inh_relations:
        partition = node.HasField("partbound")
        reading.lock(
            Name.of_range(parent.range_var),
            LockMode.ACCESS_EXCLUSIVE if partition else LockMode.SHARE_UPDATE_EXCLUSIVE,
        )
        if partition:
            _check_default_partition(reading, Name.of_range(parent.range_var))
    for each in node.table_elts:
        if each.WhichOneof("node") == "column_def":
            for constraint in additions.constraints_of(each.column_def).values():
                _reference(reading, constraint)
            if types.of_node(each.column_def.type_name).name == "json":
                reading.report(rules.JSON_COLUMN, name, column=each.column_def.colname)
        elif each.WhichOneof("node") == "constraint":
            _reference(reading, each.constraint)
        elif each.WhichOneof("node") == "table_like_clause":
            reading.lock(Name.of_range(each.table_like_clause.relation), LockMode.ACCESS_SHARE)


def _check_default_partition(reading: Reading, parent: Name) -> None:
    found = reading.find(parent)
    if found is not None and found.default_partition:
        default = Name(*found.default_partition)
        reading.lock(default, LockMode.ACCESS_EXCLUSIVE, Work.SCAN)
        reading.report(rules.DEFAULT_PARTITION, default)


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
    if reading.find(name) is not None:
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
    reading.script.create(name)


@reads("view_stmt")
def create_view(reading: Reading, node: Any) -> None:
    """``CREATE [OR REPLACE] VIEW``."""
    name = Name.of_range(node.view)
    if reading.find(name) is not None:
        if not node.replace:
            reading.report(rules.EXISTS_ALREADY, what="relation", name=name)
            return
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)
    else:
        reading.script.create(name)
    read_relations(reading, node.query, besides=name)


def read_relations(reading: Reading, query: Any, *, besides: Name | None = None, work: Work | None = None) -> None:
    """A query locks what it selects from; ``work``: what it does with all of it."""
    defined = {each.ctename for each in grammar.find(query, "CommonTableExpr")}
    for each in grammar.find(query, "RangeVar"):
        name = Name.of_range(each)
        if name.name not in defined and name != besides and name not in reading.locks:
            reading.lock(name, LockMode.ACCESS_SHARE, work)


def need_license(reading: Reading, what: str) -> None:
    """What the Apache edition lacks."""
    found = reading.facts.timescaledb
    if found is not None and found.license.value == "apache":
        reading.report(rules.LICENSE, what=what)


@reads("create_foreign_table_stmt")
def create_foreign_table(reading: Reading, node: Any) -> None:
    """``CREATE FOREIGN TABLE``."""
    reading.script.create(Name.of_range(node.base_stmt.relation))


@reads("create_seq_stmt")
def create_sequence(reading: Reading, node: Any) -> None:
    """``CREATE SEQUENCE``."""
    reading.script.create(Name.of_range(node.sequence))


# --- indexes


@reads("index_stmt")
def create_index(reading: Reading, node: Any) -> None:
    """``CREATE INDEX``."""
    table = Name.of_range(node.relation)
    found = reading.find(table)
    if reading.is_missing(table):
        reading.report(rules.DOES_NOT_EXIST, what="table", name=table)
        return
    index = Name(table.schema, node.idxname) if node.idxname else None
    if index is not None and reading.find(index) is not None:
        reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE if node.concurrent else LockMode.SHARE)
        if not node.if_not_exists:
            reading.report(rules.EXISTS_ALREADY, what="relation", name=index)
        return
    if index is not None:
        reading.script.create(index)
        reading.script.index_tables[index] = table
    refused = hypertables.refuse_index(reading, table, node)
    if node.concurrent:
        reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE, Work.BUILD)
        if found is not None and found.kind == "p":
            cure = (
                "CREATE INDEX ON ONLY the parent, concurrently on each partition, then ALTER INDEX … ATTACH PARTITION"
            )
            words = {"what": "CREATE INDEX CONCURRENTLY", "kind": "partitioned table", "cure": cure}
            reading.report(rules.CONCURRENTLY_UNSUPPORTED, table, **words)
        reading.refuse_in_transaction("CREATE INDEX CONCURRENTLY")
        return
    root_only = not node.relation.inh and found is not None and (found.kind == "p" or found.hypertable is not None)
    root_only = root_only or (not node.relation.inh and found is None)
    reading.lock(table, LockMode.SHARE, None if root_only or reading.is_new(table) else Work.BUILD)
    if refused or root_only or reading.is_new(table):
        return
    by_chunk = any(each.def_elem.defname == "transaction_per_chunk" for each in node.options)
    if by_chunk:
        reading.refuse_in_transaction("CREATE INDEX … WITH (timescaledb.transaction_per_chunk)")
    named = [each.index_elem.name for each in node.index_params if each.index_elem.name]
    words = {"name": node.idxname or f"ix_{table.name}", "columns": columns_of(named)}
    reading.report(rules.TRANSACTION_PER_CHUNK if by_chunk else rules.CREATE_INDEX, table, **words)


@reads("reindex_stmt")
def reindex(reading: Reading, node: Any) -> None:
    """``REINDEX``."""
    kind = grammar.enum_name("ReindexObjectType", node.kind)
    concurrent = any(each.def_elem.defname == "concurrently" for each in node.params)
    name = Name.of_range(node.relation) if node.HasField("relation") else Name(None, node.name or "the database")
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
    for each, table in reading.script.index_tables.items():
        if each.name == index.name:
            return table
    found = reading.find(index)
    if found is not None and found.index_of is not None:
        schema, name = found.index_of
        return Name(schema if index.schema else None, name)
    return index


# --- drop


@reads("drop_stmt")
def drop(reading: Reading, node: Any) -> None:
    """``DROP`` of anything but databases, roles and tablespaces."""
    kind = grammar.enum_name("ObjectType", node.remove_type)
    cascade = grammar.enum_name("DropBehavior", node.behavior) == "DROP_CASCADE"
    what = kind.removeprefix("OBJECT_").replace("MATVIEW", "MATERIALIZED VIEW").replace("_", " ").lower()
    for each in node.objects:
        name = name_of(each)
        if kind == "OBJECT_INDEX":
            _drop_index(reading, name, node)
        elif kind in ("OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"):
            _drop_of_table(reading, each)
        elif not _is_own(reading, name, kind):
            if kind in ("OBJECT_TYPE", "OBJECT_DOMAIN") and not cascade:
                _check_type(reading, name)
            if kind == "OBJECT_TABLE" and cascade:
                _lock_referencing(reading, name)
            if kind == "OBJECT_SCHEMA":
                _lock_schema(reading, name)
            _drop(reading, name, kind, what, missing_ok=node.missing_ok)
            if cascade:
                reading.report(rules.DROP_CASCADE, name=name)
        reading.script.drop(name)


def _is_own(reading: Reading, name: Name, kind: str) -> bool:
    """Whether an earlier statement made it."""
    if kind in ("OBJECT_TYPE", "OBJECT_DOMAIN"):
        return any(each.name == name.name for each in reading.script.types)
    return reading.is_new(name)


def _drop(reading: Reading, name: Name, kind: str, what: str, *, missing_ok: bool) -> None:
    relation = kind in ("OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_SEQUENCE", "OBJECT_FOREIGN_TABLE")
    found = reading.find(name)
    if relation and reading.is_missing(name):
        if not missing_ok:
            reading.report(rules.DOES_NOT_EXIST, what=what, name=name)
        return
    if relation:
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)
    if found is not None and found.continuous_aggregate and kind == "OBJECT_VIEW":
        cure = f"DROP MATERIALIZED VIEW {name}, or op.drop_continuous_aggregate"
        reading.report(rules.HYPERTABLE_REFUSES, name, what="DROP VIEW of a continuous aggregate", cure=cure)
        return
    if found is not None:
        _check_dependents(reading, name, kind)
    if kind not in _UNUSED:
        rule = rules.DROP_TABLE if kind == "OBJECT_TABLE" else rules.DROP_OTHER
        reading.report(rule, *([name] if relation else []), what=what, name=name)
    if kind in _LOST:
        reading.report(rules.LOST_TABLE, *([name] if relation else []), name=name)


def _check_type(reading: Reading, name: Name) -> None:
    """A type that columns have cannot be dropped."""
    relations = reading.facts.database.relations.values() if reading.facts.database is not None else ()
    users = [
        f"{each.name}.{column.name}"
        for each in relations
        for column in each.columns.values()
        if each.kind in "rpm" and column.type.rpartition(".")[2].removesuffix("[]").strip('"') == name.name
        if not reading.script.is_gone(Name(each.schema, each.name))
    ]
    if users:
        reading.report(rules.DEPENDENTS, name=name, dependents=", ".join(users))


def _lock_referencing(reading: Reading, name: Name) -> None:
    found = reading.find(name)
    for each in reading.facts.referencing(found) if found is not None else ():
        reading.lock(Name(each.schema, each.name), LockMode.ACCESS_EXCLUSIVE)


def _lock_schema(reading: Reading, schema: Name) -> None:
    relations = reading.facts.database.relations.values() if reading.facts.database is not None else ()
    for each in relations:
        if each.schema == schema.name and each.kind in "rpmv":
            reading.lock(Name(each.schema, each.name), LockMode.ACCESS_EXCLUSIVE)


def _check_dependents(reading: Reading, name: Name, kind: str) -> None:
    node_cascades = reading.statement.text.rstrip("; \n").upper().endswith("CASCADE")
    found = reading.find(name)
    assert found is not None
    dependents = [view for view, _ in found.dependents if not reading.script.is_gone(Name(None, view.split(".")[-1]))]
    if kind == "OBJECT_TABLE":
        others = reading.facts.referencing(found)
        dependents += [each.name for each in others if not reading.script.is_gone(Name(None, each.name))]
    for each in found.constraints.values():
        if each.references:
            reading.lock(Name(*each.references), LockMode.ACCESS_EXCLUSIVE)
    if dependents and not node_cascades:
        shown = ", ".join(sorted(set(dependents)))
        reading.report(rules.DEPENDENTS, name, name=name, dependents=shown)


def _drop_index(reading: Reading, index: Name, node: Any) -> None:
    if reading.is_missing(index):
        if not node.missing_ok:
            reading.report(rules.DOES_NOT_EXIST, what="index", name=index)
        return
    table = index_table(reading, index)
    found = reading.find(table)
    constraints = found.constraints.values() if found is not None else ()
    owner = next((each.name for each in constraints if each.index == index.name and each.kind in "pux"), None)
    if owner is not None:
        reading.report(rules.DEPENDENTS, table, name=index, dependents=f"constraint {owner}")
    if node.concurrent:
        reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
        hypertables.refuse_concurrent_drop(reading, index, table)
        reading.refuse_in_transaction("DROP INDEX CONCURRENTLY")
        return
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    if not reading.is_new(index) and not reading.is_new(table):
        reading.report(rules.DROP_INDEX, table, name=index)


def _drop_of_table(reading: Reading, node: Any) -> None:
    """A trigger, policy or rule: its table is named before it."""
    parts = [each.string.sval for each in node.list.items]
    table = Name(parts[-3] if len(parts) > 2 else None, parts[-2]) if len(parts) > 1 else Name(None, "")
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)


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


@reads("drop_role_stmt", "drop_user_mapping_stmt", "drop_subscription_stmt")
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
    if relation and reading.is_missing(name):
        if not node.missing_ok:
            reading.report(rules.DOES_NOT_EXIST, what="relation", name=name)
        return
    if what == "index":
        reading.lock(name, LockMode.SHARE_UPDATE_EXCLUSIVE)
    elif relation and what in _INSTANT:
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)
    own = reading.is_new(name) or any(each.name == name.name for each in reading.script.types)
    if what in ("table", "view", "matview", "foreign table", "sequence"):
        if not own:
            reading.report(rules.RENAME_TABLE, name, what=what.replace("mat", "materialized "), name=name)
        reading.script.rename(name, Name(name.schema, node.newname))
    elif what == "column" and not own:
        if (name, node.subname) not in reading.script.columns:
            reading.report(rules.RENAME_COLUMN, name, column=node.subname)
    elif what not in ("index", "tabconstraint", "domconstraint", "trigger", "policy", "rule", "column") and not own:
        reading.report(rules.RENAME_OTHER, what=what, name=name if name.name else node.subname)
    if what == "index":
        reading.script.rename(name, Name(name.schema, node.newname))


# --- types and domains


@reads("create_enum_stmt", "composite_type_stmt", "create_domain_stmt", "create_range_stmt")
def create_type(reading: Reading, node: Any) -> None:
    """``CREATE TYPE`` and ``CREATE DOMAIN``."""
    if node.DESCRIPTOR.name == "CompositeTypeStmt":
        reading.script.types.add(Name.of_range(node.typevar))
    else:
        reading.script.types.add(Name.of_list(node.domainname if hasattr(node, "domainname") else node.type_name))


@reads("alter_enum_stmt")
def alter_enum(reading: Reading, node: Any) -> None:
    """``ALTER TYPE … ADD VALUE`` and ``RENAME VALUE``."""
    name = Name.of_list(node.type_name)
    if any(each.name == name.name for each in reading.script.types):
        return
    if node.old_val:
        reading.report(rules.RENAME_ENUM_VALUE, name=name)
    elif reading.in_transaction:
        reading.script.enum_values[node.new_val] = name


@reads("alter_domain_stmt")
def alter_domain(reading: Reading, node: Any) -> None:
    """``ALTER DOMAIN``: a new constraint is checked against every table that has such a column."""
    name = Name.of_list(node.type_name)
    validates = node.subtype in ("O", "V") or (
        node.subtype == "C" and not getattr(node, "def").constraint.skip_validation
    )
    if not validates or any(each.name == name.name for each in reading.script.types):
        return
    users = []
    if reading.facts.database is not None:
        for relation in reading.facts.database.relations.values():
            if any(each.type.rpartition(".")[2].strip('"') == name.name for each in relation.columns.values()):
                users.append(Name(relation.schema, relation.name))
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
    for each in grammar.find(node, "PublicationTable"):
        reading.lock(Name.of_range(each.relation), LockMode.SHARE_UPDATE_EXCLUSIVE)


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
    "create_function_stmt", "alter_function_stmt", "create_schema_stmt", "create_extension_stmt", "define_stmt",
    "create_cast_stmt", "create_plang_stmt", "create_conversion_stmt", "create_transform_stmt", "create_am_stmt",
    "create_op_class_stmt", "create_op_family_stmt", "alter_op_family_stmt", "alter_operator_stmt", "alter_type_stmt",
    "create_fdw_stmt", "alter_fdw_stmt", "create_foreign_server_stmt", "alter_foreign_server_stmt",
    "create_user_mapping_stmt", "alter_user_mapping_stmt", "import_foreign_schema_stmt", "create_role_stmt",
    "alter_role_stmt", "alter_role_set_stmt", "alter_database_stmt", "alter_database_set_stmt",
    "alter_database_refresh_coll_stmt", "create_event_trig_stmt", "alter_event_trig_stmt", "alter_owner_stmt",
    "alter_object_depends_stmt", "alter_extension_contents_stmt", "alter_seq_stmt", "alter_collation_stmt",
    "alter_stats_stmt", "alter_tsconfiguration_stmt", "alter_tsdictionary_stmt", "create_subscription_stmt",
    "alter_subscription_stmt", "reassign_owned_stmt", "alter_table_space_options_stmt", "variable_set_stmt",
    "variable_show_stmt", "listen_stmt", "unlisten_stmt", "notify_stmt", "discard_stmt", "check_point_stmt",
    "load_stmt", "constraints_set_stmt", "deallocate_stmt", "declare_cursor_stmt", "fetch_stmt", "close_portal_stmt",
)  # fmt: skip
def harmless(reading: Reading, node: Any) -> None:
    """What locks no relation that is in use, and breaks nobody."""
