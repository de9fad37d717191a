"""ALTER TABLE, one command at a time.

Source of the lock modes: ``AlterTableGetLockLevel`` in PostgreSQL's tablecmds.c; of what scans and rewrites: its
phase 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tsext.catalog import RelationFacts
from tsext.model.locks import LockMode
from tsext.safety import additions, hypertables, rules, types
from tsext.safety.expressions import proves_not_null
from tsext.safety.hazards import Work
from tsext.safety.names import Name, name_in, name_of
from tsext.safety.reading import Reading, reads
from tsext.sql import grammar

Command = Callable[[Reading, Name, Any], None]

_SHARE_UPDATE_EXCLUSIVE = {
    "AT_SetStatistics", "AT_ClusterOn", "AT_DropCluster", "AT_SetOptions", "AT_ResetOptions", "AT_SetRelOptions",
    "AT_ResetRelOptions", "AT_ValidateConstraint", "AT_AttachPartition", "AT_DetachPartition",
    "AT_DetachPartitionFinalize", "AT_AddInherit",
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
    "AT_SetExpression": ("SET EXPRESSION", "add a column beside it, and drop the old one in a contract revision"),
}


@reads("alter_table_stmt")
def alter(reading: Reading, node: Any) -> None:
    """``ALTER TABLE``, and what shares its grammar: ``ALTER INDEX``, ``VIEW``, ``SEQUENCE``, ``TYPE`` …"""
    kind = grammar.enum_name("ObjectType", node.objtype)
    name = Name.of_range(node.relation)
    if kind == "OBJECT_TYPE":
        _alter_type(reading, name, node)
        return
    if kind in ("OBJECT_TABLE", "OBJECT_MATVIEW", "OBJECT_VIEW") and reading.is_missing(name):
        if not node.missing_ok:
            reading.report(rules.DOES_NOT_EXIST, what="relation", name=name)
        return
    for each in node.cmds:
        command = each.alter_table_cmd
        subtype = grammar.enum_name("AlterTableType", command.subtype)
        if kind == "OBJECT_TABLE":
            _alter_table(reading, name, subtype, command)
        else:
            _alter_other(reading, name, kind, subtype)


def _alter_table(reading: Reading, table: Name, subtype: str, command: Any) -> None:
    hypertables.refuse_alteration(reading, table, subtype, command)
    found = reading.find(table)
    already = {"AT_SetLogged": "p", "AT_SetUnLogged": "u"}.get(subtype)
    if found is not None and found.persistence == already:
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    elif subtype in _REWRITES:
        what, cure = _REWRITES[subtype]
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.REWRITE)
        if not reading.is_new(table):
            reading.report(rules.REWRITE_TABLE, table, what=what, cure=cure)
    elif subtype in COMMANDS:
        COMMANDS[subtype](reading, table, command)
    elif subtype in _SHARE_ROW_EXCLUSIVE:
        reading.lock(table, LockMode.SHARE_ROW_EXCLUSIVE)
        if subtype.startswith("AT_Disable") and not reading.is_new(table):
            reading.report(rules.DISABLE_TRIGGER, table)
    elif subtype in _SHARE_UPDATE_EXCLUSIVE:
        reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
    else:
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)


def _alter_other(reading: Reading, name: Name, kind: str, subtype: str) -> None:
    if kind == "OBJECT_SEQUENCE":
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
    if any(each.name == name.name for each in reading.script.types):
        return
    for each in node.cmds:
        subtype = grammar.enum_name("AlterTableType", each.alter_table_cmd.subtype)
        if subtype in ("AT_DropColumn", "AT_AlterColumnType"):
            reading.report(rules.DROP_OTHER, what="attribute", name=f"{name}.{each.alter_table_cmd.name}")


# --- columns


def _drop_column(reading: Reading, table: Name, command: Any) -> None:
    found = reading.find(table)
    if found is not None and command.name not in found.columns and not _added(reading, table, command.name):
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        if not command.missing_ok:
            reading.report(rules.DOES_NOT_EXIST, what="column", name=f"{table}.{command.name}")
        return
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    if reading.is_new(table) or _added(reading, table, command.name):
        return
    cascade = grammar.enum_name("DropBehavior", command.behavior) == "DROP_CASCADE"
    if cascade:
        for view in _readers(reading, table, command.name):
            reading.lock(name_in(view), LockMode.ACCESS_EXCLUSIVE)
        reading.report(rules.DROP_CASCADE, table, name=f"{table}.{command.name}")
    elif readers := _readers(reading, table, command.name):
        reading.report(rules.DEPENDENTS, table, name=f"{table}.{command.name}", dependents=", ".join(readers))
    reading.report(rules.DROP_COLUMN, table, column=command.name)
    reading.report(rules.LOST_COLUMN, table, column=command.name)


def _added(reading: Reading, table: Name, column: str) -> bool:
    return (table, column) in reading.script.columns


def _readers(reading: Reading, table: Name, column: str | None) -> list[str]:
    """Views that read a column, or all of the table."""
    found = reading.find(table)
    if found is None:
        return []
    views = {view for view, read in found.dependents if column is None or read == column}
    return sorted(view for view in views if not reading.script.is_gone(Name(None, view.rpartition(".")[2])))


def _set_not_null(reading: Reading, table: Name, command: Any) -> None:
    found = reading.find(table)
    column = found.columns.get(command.name) if found is not None else None
    proven = (column is not None and column.not_null) or _is_proven(reading, table, command.name)
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, None if proven else Work.SCAN)
    if not proven and not reading.is_new(table):
        reading.report(rules.SET_NOT_NULL, table, column=command.name)


def _is_proven(reading: Reading, table: Name, column: str) -> bool:
    if (table, column) in reading.script.proven:
        return True
    found = reading.find(table)
    if found is None:
        return reading.facts.database is None and table in reading.script.validated
    valid = [each for each in found.constraints.values() if each.kind in "cn" and each.validated]
    return any(column in proves_not_null(each.definition) for each in valid)


def _column_type(reading: Reading, table: Name, command: Any) -> None:
    definition = getattr(command, "def").column_def
    new = types.of_node(definition.type_name)
    found = reading.find(table)
    column = found.columns.get(command.name) if found is not None else None
    old = types.of_text(column.base) if column is not None else None
    change = types.change(old, new, utc=reading.facts.utc) if old else types.Change(rewrites=True)
    if definition.HasField("raw_default") and not _is_plain_cast(definition.raw_default, command.name, new):
        change = types.Change(rewrites=True, narrows=change.narrows)
    work = Work.REWRITE if change.rewrites else _smaller_work(reading, table, command.name, change)
    if definition.HasField("coll_clause") and work is None:
        work = Work.BUILD
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, work)
    if reading.is_new(table):
        return
    if readers := _readers(reading, table, command.name):
        what = f"{table}.{command.name}"
        reading.report(rules.DEPENDENTS, table, name=what, dependents=", ".join(readers))
    if work is not None:
        did = {Work.REWRITE: "rewrites the table", Work.BUILD: "builds its indexes anew", Work.SCAN: "scans the table"}
        reading.report(rules.ALTER_COLUMN_TYPE, table, column=command.name, work=did[work])
    if change.narrows:
        reading.report(rules.NARROWER_TYPE, table, column=command.name, old=old, new=new)
    elif change.rewrites:
        reading.report(rules.NEW_TYPE, table, column=command.name, new=new)


def _smaller_work(reading: Reading, table: Name, column: str, change: types.Change) -> Work | None:
    """What is done where the rows stay as they are: indexes built anew, CHECKs checked again."""
    found = reading.find(table)
    if found is None:
        return None
    indexes = [each for each in found.indexes.values() if column in each.columns]
    if indexes and (change.reindexes or not all(each.whole for each in indexes)):
        return Work.BUILD
    checks = [each for each in found.constraints.values() if each.kind == "c" and column in each.columns]
    return Work.SCAN if checks else None


def _is_plain_cast(expression: Any, column: str, new: types.Type) -> bool:
    """Whether USING says what would be done without it."""
    if expression.WhichOneof("node") == "type_cast":
        if types.of_node(expression.type_cast.type_name) != new:
            return False
        expression = expression.type_cast.arg
    if expression.WhichOneof("node") != "column_ref":
        return False
    return bool(expression.column_ref.fields[-1].string.sval == column)


# --- constraints


def _validate(reading: Reading, table: Name, command: Any) -> None:
    found = reading.find(table)
    constraint = found.constraints.get(command.name) if found is not None else None
    work = None if constraint is not None and constraint.validated else Work.SCAN
    reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE, work)
    if constraint is not None and constraint.references:
        reading.lock(Name(*constraint.references), LockMode.ROW_SHARE, work)
    reading.script.validated.add(table)
    columns = reading.script.not_valid.get((table, command.name), ())
    if constraint is not None:
        columns += proves_not_null(constraint.definition)
    reading.script.proven |= {(table, column) for column in columns}


def _drop_constraint(reading: Reading, table: Name, command: Any) -> None:
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    found = reading.find(table)
    constraint = found.constraints.get(command.name) if found is not None else None
    if found is not None and constraint is None and not reading.script.not_valid:
        if not command.missing_ok and (table, command.name) not in reading.script.columns:
            reading.report(rules.DOES_NOT_EXIST, table, what="constraint", name=command.name)
        return
    if constraint is not None and constraint.references:
        reading.lock(Name(*constraint.references), LockMode.ACCESS_EXCLUSIVE)
    if found is not None and constraint is not None and constraint.kind in "pu":
        _drop_key(reading, table, found, command)
    helped = reading.script.proven or reading.script.validated
    if not reading.is_new(table) and not helped and (table, command.name) not in reading.script.not_valid:
        reading.report(rules.DROP_CONSTRAINT, table, name=command.name)


def _drop_key(reading: Reading, table: Name, found: RelationFacts, command: Any) -> None:
    """A key that foreign keys of other tables may refer to."""
    others = [Name(each.schema, each.name) for each in reading.facts.referencing(found)]
    if grammar.enum_name("DropBehavior", command.behavior) == "DROP_CASCADE":
        for each in others:
            reading.lock(each, LockMode.ACCESS_EXCLUSIVE)
    elif others and len([each for each in found.constraints.values() if each.kind in "pu"]) == 1:
        shown = ", ".join(each.name for each in others)
        reading.report(rules.DEPENDENTS, table, name=command.name, dependents=f"foreign keys of {shown}")


# --- partitions and the rest


def _attach(reading: Reading, table: Name, command: Any) -> None:
    partition = Name.of_range(getattr(command, "def").partition_cmd.name)
    reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
    child, parent = reading.find(partition), reading.find(table)
    checked = partition in reading.script.checked or (
        child is not None and any(each.kind == "c" and each.validated for each in child.constraints.values())
    )
    empty = reading.is_new(partition) or (child is not None and not child.has_rows)
    reading.lock(partition, LockMode.ACCESS_EXCLUSIVE, None if empty or checked else Work.SCAN)
    if not empty and not checked:
        reading.report(rules.ATTACH_PARTITION, partition)
    if parent is not None and parent.default_partition:
        default = Name(*parent.default_partition)
        reading.lock(default, LockMode.ACCESS_EXCLUSIVE, Work.SCAN)
        reading.report(rules.DEFAULT_PARTITION, default)


def _detach(reading: Reading, table: Name, command: Any) -> None:
    partition = Name.of_range(getattr(command, "def").partition_cmd.name)
    if getattr(command, "def").partition_cmd.concurrent:
        reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
        reading.refuse_in_transaction("DETACH PARTITION CONCURRENTLY")
        return
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    reading.lock(partition, LockMode.ACCESS_EXCLUSIVE)
    if not reading.is_new(table):
        reading.report(rules.DETACH_PARTITION, table)


def _row_security(reading: Reading, table: Name, command: Any) -> None:
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    if not reading.is_new(table):
        reading.report(rules.ENABLE_ROW_SECURITY, table)


COMMANDS: dict[str, Command] = {
    "AT_AddColumn": additions.add_column,
    "AT_AddConstraint": additions.add_constraint,
    "AT_DropColumn": _drop_column,
    "AT_SetNotNull": _set_not_null,
    "AT_AlterColumnType": _column_type,
    "AT_ValidateConstraint": _validate,
    "AT_DropConstraint": _drop_constraint,
    "AT_AttachPartition": _attach,
    "AT_DetachPartition": _detach,
    "AT_EnableRowSecurity": _row_security,
    "AT_ForceRowSecurity": _row_security,
}


@reads("alter_table_move_all_stmt")
def move_all(reading: Reading, node: Any) -> None:
    """``ALTER TABLE ALL IN TABLESPACE … SET TABLESPACE``."""
    table = Name(None, f"all of tablespace {node.orig_tablespacename}")
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.REWRITE)
    reading.report(rules.REWRITE_TABLE, table, what="SET TABLESPACE", cure="move one table after the other, online")


@reads("alter_object_schema_stmt")
def set_schema(reading: Reading, node: Any) -> None:
    """``ALTER … SET SCHEMA``."""
    name = Name.of_range(node.relation) if node.HasField("relation") else name_of(node.object)
    what = grammar.enum_name("ObjectType", node.object_type).removeprefix("OBJECT_").lower()
    if what in ("table", "view", "matview", "foreign_table", "sequence"):
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)
    if not reading.is_new(name):
        reading.report(rules.SET_SCHEMA, name, what=what.replace("_", " "), name=name)
    reading.script.rename(name, Name(node.newschema, name.name))
