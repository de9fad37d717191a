"""Triggers, policies, functions and whatever else there is."""

from __future__ import annotations

from typing import Any

from tsext.model.locks import LockMode
from tsext.safety import functions, hypertables, rules
from tsext.safety.names import Name, name_of
from tsext.safety.reading import READERS, Reading, reads
from tsext.sql import grammar

_BEFORE, _INSTEAD = 1 << 1, 1 << 6
"""``TRIGGER_TYPE_…`` in PostgreSQL's pg_trigger.h."""


@reads("create_trig_stmt")
def create_trigger(reading: Reading, node: Any) -> None:
    """``CREATE TRIGGER``: instant, but writers wait for the lock."""
    table = Name.of_range(node.relation)
    if reading.is_missing(table):
        reading.report(rules.DOES_NOT_EXIST, what="table", name=table)
        return
    reading.lock(table, LockMode.SHARE_ROW_EXCLUSIVE)
    found, state = reading.find(table), reading.script.change(table)
    is_view = found.kind == "v" if found is not None and found.whole else state.new and state.kind == "v"
    instead = bool(node.timing & _INSTEAD)
    if (found is not None or state.new) and node.row and instead != is_view:
        what = "an INSTEAD OF trigger, since it is no view" if instead else "such a trigger, since it is a view"
        reading.report(rules.REFUSED, table, what=what, cure="views have INSTEAD OF triggers, tables have others")
    if not node.replace and not instead and node.row and len(node.transition_rels) and node.timing & _BEFORE:
        reading.report(rules.REFUSED, table, what="transition tables of a BEFORE trigger", cure="make it AFTER")
    there = (
        found is not None and node.trigname in set(found.triggers) - state.dropped
    ) or node.trigname in state.triggers
    if there and not node.replace:
        reading.report(rules.EXISTS_ALREADY, table, what="trigger", name=node.trigname)
    state.triggers.add(node.trigname)
    state.trigger_definitions[node.trigname] = reading.source
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
        if reading.is_missing(name):
            reading.report(rules.DOES_NOT_EXIST, what="relation", name=name)
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
        if (
            found is None
            or not found.whole
            or (published is not None and "update" not in published and "delete" not in published)
        ):
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
    reading.script.define(Name.of_list(node.funcname), functions.of_node(node, reading.source))


@reads("define_stmt")
def define(reading: Reading, node: Any) -> None:
    """``CREATE AGGREGATE``, ``OPERATOR`` and so on: an aggregate is called as a function is, and changes nothing."""
    if grammar.enum_name("ObjectType", node.kind) == "OBJECT_AGGREGATE":
        reading.script.define(Name.of_list(node.defnames), functions.aggregate())


@reads("create_schema_stmt")
def create_schema(reading: Reading, node: Any) -> None:
    """``CREATE SCHEMA``, and what is created in it at once."""
    path = reading.script.search_path
    if node.schemaname:
        reading.script.search_path = (node.schemaname, *path)
    database = reading.facts.database
    there = database is not None and node.schemaname in database.schemas
    if there and not node.if_not_exists and node.schemaname not in reading.script.schemas:
        reading.report(rules.EXISTS_ALREADY, what="schema", name=node.schemaname)
    if not node.if_not_exists or (database is not None and not there):
        reading.script.schemas[node.schemaname] = True
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


@reads("create_extension_stmt")
def create_extension(reading: Reading, node: Any) -> None:
    """``CREATE EXTENSION``."""
    database = reading.facts.database
    there = database is not None and node.extname in database.extensions
    if there and not node.if_not_exists:
        reading.report(rules.EXISTS_ALREADY, what="extension", name=node.extname)
    elif not there:
        reading.script.extensions.add(node.extname)


@reads("create_role_stmt")
def create_role(reading: Reading, node: Any) -> None:
    """``CREATE ROLE`` and ``CREATE USER``."""
    database = reading.facts.database
    if node.role in reading.script.roles or (database is not None and node.role in database.roles):
        reading.report(rules.EXISTS_ALREADY, what="role", name=node.role)
    reading.script.roles.add(node.role)


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
    "alter_function_stmt", "create_cast_stmt", "create_plang_stmt",
    "create_conversion_stmt", "create_transform_stmt", "create_am_stmt", "create_op_class_stmt",
    "create_op_family_stmt", "alter_op_family_stmt", "alter_operator_stmt", "alter_type_stmt", "create_fdw_stmt",
    "alter_fdw_stmt", "create_foreign_server_stmt", "alter_foreign_server_stmt", "create_user_mapping_stmt",
    "alter_user_mapping_stmt", "import_foreign_schema_stmt", "alter_role_stmt",
    "alter_role_set_stmt", "alter_database_stmt", "alter_database_set_stmt", "alter_database_refresh_coll_stmt",
    "create_event_trig_stmt", "alter_event_trig_stmt", "alter_owner_stmt", "alter_object_depends_stmt",
    "alter_extension_contents_stmt", "alter_collation_stmt", "alter_stats_stmt",
    "alter_tsconfiguration_stmt", "alter_tsdictionary_stmt", "reassign_owned_stmt", "alter_table_space_options_stmt",
    "variable_show_stmt", "listen_stmt", "unlisten_stmt", "notify_stmt", "check_point_stmt", "load_stmt",
    "constraints_set_stmt", "deallocate_stmt", "declare_cursor_stmt", "fetch_stmt", "close_portal_stmt",
)  # fmt: skip
def harmless(reading: Reading, node: Any) -> None:
    """What locks no relation that is in use, and breaks nobody."""
