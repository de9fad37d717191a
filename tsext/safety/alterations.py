"""ALTER TABLE, one command at a time.

Source of the lock modes: ``AlterTableGetLockLevel`` in PostgreSQL's tablecmds.c; of what scans and rewrites: its
phase 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tsext.catalog import IndexFacts
from tsext.model.locks import LockMode, Work
from tsext.safety import column_types, columns, constraints, hypertables, partitions, rules
from tsext.safety.names import Name
from tsext.safety.reading import Reading, reads
from tsext.sql import grammar

Command = Callable[[Reading, Name, Any], None]


_SHARE_UPDATE_EXCLUSIVE = {
    "AT_SetStatistics", "AT_ClusterOn", "AT_DropCluster", "AT_SetOptions", "AT_ResetOptions", "AT_SetRelOptions",
    "AT_ResetRelOptions", "AT_ValidateConstraint", "AT_AttachPartition", "AT_DetachPartition",
    "AT_DetachPartitionFinalize",
}  # fmt: skip


_SHARE_ROW_EXCLUSIVE = {
    "AT_EnableTrig", "AT_EnableAlwaysTrig", "AT_EnableReplicaTrig", "AT_EnableTrigAll", "AT_EnableTrigUser",
    "AT_DisableTrig", "AT_DisableTrigAll", "AT_DisableTrigUser",
}  # fmt: skip


_REWRITES = {
    "AT_SetLogged": ("SET LOGGED", "decide when the table is created"),
    "AT_SetUnLogged": ("SET UNLOGGED", "decide when the table is created"),
    "AT_SetTableSpace": ("SET TABLESPACE", "pg_repack moves a table online; of a hypertable, move chunk by chunk"),
    "AT_SetAccessMethod": ("SET ACCESS METHOD", "create a table beside it, and copy in batches"),
}


_PASSES = {"AT_DropColumn": 0, "AT_DropConstraint": 0, "AT_DropIdentity": 0, "AT_AlterColumnType": 1, "AT_AddColumn": 2}
"""What comes first, in whichever order it is written: ``AT_PASS_DROP`` and so on in tablecmds.c."""


_STRONG_OPTIONS = {"user_catalog_table", "security_barrier", "security_invoker", "check_option", "fastupdate",
                   "gin_pending_list_limit", "buffering", "pages_per_range", "autosummarize"}  # fmt: skip
"""Options that are set under an ACCESS EXCLUSIVE lock: reloptions.c."""


@reads("alter_table_stmt")
def alter(reading: Reading, node: Any) -> None:
    """``ALTER TABLE``, and what shares its grammar: ``ALTER INDEX``, ``VIEW``, ``SEQUENCE``, ``TYPE`` …"""
    kind = grammar.enum_name("ObjectType", node.objtype)
    name = Name.of_range(node.relation)
    reading.commands = len(node.cmds)
    reading.only = not node.relation.inh
    if kind == "OBJECT_TYPE":
        _alter_type(reading, name, node)
        return
    if reading.is_missing(name) or (node.missing_ok and reading.is_nowhere(name)):
        if not node.missing_ok:
            reading.report(rules.DOES_NOT_EXIST, what="relation", name=name)
        return
    if reading.only:
        _refuse_only(reading, name, node)
    _refuse_of_views(reading, name, node)
    subtypes = [(grammar.enum_name("AlterTableType", each.alter_table_cmd.subtype), each) for each in node.cmds]
    for subtype, each in sorted(subtypes, key=lambda one: _pass(*one)):
        command = each.alter_table_cmd
        if kind == "OBJECT_TABLE":
            _alter_table(reading, name, subtype, command)
        else:
            _alter_other(reading, name, kind, subtype, command)


def _pass(subtype: str, node: Any) -> int:
    if subtype == "AT_ColumnDefault" and not node.alter_table_cmd.HasField("def"):
        return 0
    return _PASSES.get(subtype, len(_PASSES))


def _refuse_only(reading: Reading, table: Name, node: Any) -> None:
    hypertables.refuse_only(reading, table, node)
    found = reading.find(table)
    if found is None or found.hypertable is not None or not found.parts:
        return
    children = "partitions" if found.kind == "p" else "children"
    for each in node.cmds:
        if what := _shared(each.alter_table_cmd):
            reading.report(rules.REFUSED, table, what=f"{what} that its {children} do not get", cure="leave ONLY out")


_OF_TABLES = {
    "AT_AddColumn": "ADD COLUMN", "AT_DropColumn": "DROP COLUMN", "AT_AlterColumnType": "ALTER COLUMN … TYPE",
    "AT_AddConstraint": "ADD CONSTRAINT", "AT_DropConstraint": "DROP CONSTRAINT", "AT_SetNotNull": "SET NOT NULL",
    "AT_ValidateConstraint": "VALIDATE CONSTRAINT", "AT_DropNotNull": "DROP NOT NULL",
    "AT_EnableRowSecurity": "ENABLE ROW LEVEL SECURITY", "AT_ReplicaIdentity": "REPLICA IDENTITY",
}  # fmt: skip
"""What neither views nor materialized views have."""


def _refuse_of_views(reading: Reading, name: Name, node: Any) -> None:
    found = reading.find(name)
    if found is None or found.kind not in ("v", "m") or found.aggregates is not None:
        return
    for each in node.cmds:
        what = _OF_TABLES.get(grammar.enum_name("AlterTableType", each.alter_table_cmd.subtype))
        if what is not None:
            reading.report(
                rules.REFUSED, name, what=f"{what} of a view", cure="CREATE OR REPLACE VIEW, or make it anew"
            )


def _shared(command: Any) -> str:
    """What a command adds that children must have too; empty if it is nothing."""
    subtype = grammar.enum_name("AlterTableType", command.subtype)
    if subtype == "AT_AddColumn":
        return "a column"
    if subtype != "AT_AddConstraint":
        return ""
    constraint = getattr(command, "def").constraint
    return "a CHECK" if constraints.kind_of(constraint) == "CONSTR_CHECK" and not constraint.is_no_inherit else ""


def _alter_table(reading: Reading, table: Name, subtype: str, command: Any) -> None:
    hypertables.refuse_alteration(reading, table, subtype, command)
    if subtype in _REWRITES and _is_partitioned(reading, table):
        _store_partitions(reading, table, subtype)
    elif _is_so_already(reading, table, subtype, command):
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    elif subtype in COMMANDS:
        COMMANDS[subtype](reading, table, command)
    elif subtype in _REWRITES:
        columns.rewrite(reading, table, *_REWRITES[subtype])
    elif subtype in _SHARE_ROW_EXCLUSIVE:
        reading.lock(table, LockMode.SHARE_ROW_EXCLUSIVE)
        _need_trigger(reading, table, command.name)
        _switch_triggers(reading, table, command.name, on=subtype.startswith("AT_Enable"))
        if subtype.startswith("AT_Disable") and not reading.is_new(table):
            reading.report(rules.DISABLE_TRIGGER, table)
    elif subtype in _SHARE_UPDATE_EXCLUSIVE:
        reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
        if subtype == "AT_ClusterOn":
            _need_index(reading, table, command.name)
    else:
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        if subtype == "AT_ReplicaIdentity":
            _identify(reading, table, getattr(command, "def").replica_identity_stmt)


def _need_trigger(reading: Reading, table: Name, name: str) -> None:
    found, state = reading.find(table), reading.state(table)
    if name and found is not None and found.whole and name not in {*found.triggers, *state.triggers}:
        reading.report(rules.DOES_NOT_EXIST, table, what="trigger", name=name)


def _switch_triggers(reading: Reading, table: Name, name: str, *, on: bool) -> None:
    """Triggers that are enabled or disabled: one, or all."""
    found, state = reading.find(table), reading.script.change(table)
    known = found.triggers if found is not None else {}
    named = {name} if name else {*known, *state.triggers}
    state.disabled = state.disabled - named if on else state.disabled | named


def _need_index(reading: Reading, table: Name, name: str) -> IndexFacts | None:
    """An index of a table, by its name; None if there is none, or it is not known."""
    found = next((each for each in reading.indexes(table) if each.name == name), None)
    if found is None and reading.knows(table):
        reading.report(rules.DOES_NOT_EXIST, table, what="index", name=name)
    return found


def _identify(reading: Reading, table: Name, node: Any) -> None:
    """``REPLICA IDENTITY``: an index must be unique, whole, and of columns that are never null."""
    index = _need_index(reading, table, node.name) if node.identity_type == "i" else None
    if index is None:
        return
    nullable = [each for each in index.columns if not constraints.is_proven(reading, table, each)]
    if not index.unique or not index.whole or index.has_expressions or (nullable and reading.knows(table)):
        wanted = "it takes a unique index, without WHERE, of columns that are NOT NULL"
        reading.report(rules.REFUSED, table, what=f"the index {index.name} as its identity", cure=wanted)


def _is_partitioned(reading: Reading, table: Name) -> bool:
    found, state = reading.find(table), reading.state(table)
    return (found.kind if found is not None else state.kind if state.new else None) == "p"


def _store_partitions(reading: Reading, table: Name, subtype: str) -> None:
    """How partitions are stored that are yet to come; those that are there remain as they are."""
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    if subtype in ("AT_SetLogged", "AT_SetUnLogged") and reading.facts.postgresql >= 18:
        cure = "say it of each partition"
        reading.report(rules.REFUSED, table, what=f"{_REWRITES[subtype][0]} of a partitioned table", cure=cure)


def _is_so_already(reading: Reading, name: Name, subtype: str, command: Any) -> bool:
    """Whether it is stored as is asked for, as far as is known; from now on it is."""
    found, state = reading.find(name), reading.script.change(name)
    what, wanted = {
        "AT_SetLogged": ("persistence", "p"),
        "AT_SetUnLogged": ("persistence", "u"),
        "AT_SetTableSpace": ("tablespace", command.name),
        "AT_SetAccessMethod": ("access_method", command.name),
    }.get(subtype, ("", ""))
    if not what:
        return False
    now = state.storage.get(what, getattr(found, what, None))
    state.storage[what] = wanted
    return bool(now == wanted)


def _set_options(reading: Reading, name: Name, command: Any) -> None:
    if any(each.def_elem.defnamespace in ("timescaledb", "tsdb") for each in getattr(command, "def").list.items):
        return
    options = {each.def_elem.defname for each in getattr(command, "def").list.items}
    strong = bool(options & _STRONG_OPTIONS)
    reading.lock(name, LockMode.ACCESS_EXCLUSIVE if strong else LockMode.SHARE_UPDATE_EXCLUSIVE)


def _alter_other(reading: Reading, name: Name, kind: str, subtype: str, command: Any) -> None:
    if subtype in ("AT_SetRelOptions", "AT_ResetRelOptions"):
        _set_options(reading, name, command)
    elif _is_so_already(reading, name, subtype, command):
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)
    elif kind == "OBJECT_SEQUENCE":
        reading.lock(name, LockMode.SHARE_ROW_EXCLUSIVE)
    elif subtype == "AT_SetTableSpace":
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE, Work.REWRITE)
        if not reading.is_new(name):
            reading.report(
                rules.REWRITE_TABLE, name, what="SET TABLESPACE", cure="REINDEX (TABLESPACE …, CONCURRENTLY)"
            )
    elif subtype in _SHARE_UPDATE_EXCLUSIVE:
        reading.lock(name, LockMode.SHARE_UPDATE_EXCLUSIVE)
    else:
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)


def _alter_type(reading: Reading, name: Name, node: Any) -> None:
    if name.name in reading.script.types:
        return
    for each in node.cmds:
        subtype = grammar.enum_name("AlterTableType", each.alter_table_cmd.subtype)
        users = reading.facts.columns_of_type(name.name)
        if subtype == "AT_AlterColumnType" and users:
            reading.report(rules.DEPENDENTS, name=name, dependents=", ".join(users))
        if subtype in ("AT_DropColumn", "AT_AlterColumnType"):
            reading.report(rules.DROP_OTHER, what="attribute", name=f"{name}.{each.alter_table_cmd.name}")


def _inherit(reading: Reading, table: Name, command: Any) -> None:
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    parent = Name.of_range(getattr(command, "def").range_var)
    reading.lock(parent, LockMode.SHARE_UPDATE_EXCLUSIVE)
    hypertables.refuse_child(reading, parent)


def _leave(reading: Reading, table: Name, command: Any) -> None:
    reading.script.change(table).independent = True
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)


def _set_table_options(reading: Reading, table: Name, command: Any) -> None:
    _set_options(reading, table, command)


def _row_security(reading: Reading, table: Name, command: Any) -> None:
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    found = reading.find(table)
    if not reading.is_new(table) and not reading.state(table).policies and (found is None or not found.policies):
        reading.report(rules.ENABLE_ROW_SECURITY, table)


COMMANDS: dict[str, Command] = {
    "AT_AddColumn": columns.add_column,
    "AT_AddConstraint": constraints.add_constraint,
    "AT_DropColumn": columns.drop_column,
    "AT_SetNotNull": columns.set_not_null,
    "AT_DropNotNull": columns.drop_not_null,
    "AT_ColumnDefault": columns.set_default,
    "AT_AddIdentity": columns.add_identity,
    "AT_SetIdentity": columns.alter_column,
    "AT_DropIdentity": columns.drop_identity,
    "AT_DropExpression": columns.drop_expression,
    "AT_SetExpression": columns.set_expression,
    "AT_SetStorage": columns.alter_column,
    "AT_SetCompression": columns.alter_column,
    "AT_AlterConstraint": constraints.alter_constraint,
    "AT_AlterColumnType": column_types.column_type,
    "AT_ValidateConstraint": constraints.validate,
    "AT_DropConstraint": constraints.drop_constraint,
    "AT_AttachPartition": partitions.attach,
    "AT_DetachPartition": partitions.detach,
    "AT_AddInherit": _inherit,
    "AT_DropInherit": _leave,
    "AT_SetRelOptions": _set_table_options,
    "AT_ResetRelOptions": _set_table_options,
    "AT_EnableRowSecurity": _row_security,
    "AT_ForceRowSecurity": _row_security,
}


@reads("alter_table_move_all_stmt")
def move_all(reading: Reading, node: Any) -> None:
    """``ALTER TABLE ALL IN TABLESPACE … SET TABLESPACE``."""
    table = Name(None, f"all of tablespace {node.orig_tablespacename}")
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.REWRITE)
    reading.report(rules.REWRITE_TABLE, table, what="SET TABLESPACE", cure="move one table after the other, online")
