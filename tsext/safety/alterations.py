"""ALTER TABLE, one command at a time.

Source of the lock modes: ``AlterTableGetLockLevel`` in PostgreSQL's tablecmds.c; of what scans and rewrites: its
phase 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tsext.catalog import ColumnFacts, Dependent, RelationFacts
from tsext.model.locks import LockMode
from tsext.safety import additions, hypertables, rules, types
from tsext.safety.expressions import constants_in, constants_of, proves_not_null
from tsext.safety.hazards import Work
from tsext.safety.names import Name, name_in, name_of
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
    "AT_SetExpression": ("SET EXPRESSION", "add a column beside it, and drop the old one in a contract revision"),
}


_PASSES = {"AT_DropColumn": 0, "AT_DropConstraint": 0, "AT_AlterColumnType": 1, "AT_AddColumn": 2}
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
    if kind == "OBJECT_TYPE":
        _alter_type(reading, name, node)
        return
    if reading.is_missing(name):
        if not node.missing_ok:
            reading.report(rules.DOES_NOT_EXIST, what="relation", name=name)
        return
    if not node.relation.inh:
        hypertables.refuse_only(reading, name, node)
    subtypes = [(grammar.enum_name("AlterTableType", each.alter_table_cmd.subtype), each) for each in node.cmds]
    for subtype, each in sorted(subtypes, key=lambda one: _PASSES.get(one[0], len(_PASSES))):
        command = each.alter_table_cmd
        if kind == "OBJECT_TABLE":
            _alter_table(reading, name, subtype, command)
        else:
            _alter_other(reading, name, kind, subtype, command)


def _alter_table(reading: Reading, table: Name, subtype: str, command: Any) -> None:
    hypertables.refuse_alteration(reading, table, subtype, command)
    found = reading.find(table)
    if found is not None and _is_so_already(found, subtype, command):
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    elif subtype in COMMANDS:
        COMMANDS[subtype](reading, table, command)
    elif subtype in _REWRITES:
        rewrite(reading, table, *_REWRITES[subtype])
    elif subtype in _SHARE_ROW_EXCLUSIVE:
        reading.lock(table, LockMode.SHARE_ROW_EXCLUSIVE)
        if subtype.startswith("AT_Disable") and not reading.is_new(table):
            reading.report(rules.DISABLE_TRIGGER, table)
    elif subtype in _SHARE_UPDATE_EXCLUSIVE:
        reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
    else:
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)


def _is_so_already(found: RelationFacts, subtype: str, command: Any) -> bool:
    now, wanted = {
        "AT_SetLogged": (found.persistence, "p"),
        "AT_SetUnLogged": (found.persistence, "u"),
        "AT_SetTableSpace": (found.tablespace, command.name),
        "AT_SetAccessMethod": (found.access_method, command.name),
    }.get(subtype, ("", None))
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


# --- columns


def _drop_column(reading: Reading, table: Name, command: Any) -> None:
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    if reading.lacks_column(table, command.name):
        if not command.missing_ok:
            reading.need_columns(table, command.name)
        return
    column, found = reading.column(table, command.name), reading.find(table)
    own = reading.is_own_column(table, command.name)
    state = reading.script.change(table)
    state.columns.pop(command.name, None)
    state.lost.add(column.name if column is not None else command.name)
    if own:
        return
    if found is not None and column is not None:
        if column.name in found.partition_key:
            what = f"dropping {command.name}, by which it is partitioned"
            reading.report(rules.REFUSED, table, what=what, cure="make a new table and copy in batches")
        _drop_what_depends(reading, table, command, found, column.name)
    elif _cascades(command):
        reading.report(rules.DROP_CASCADE, table, name=f"{table}.{command.name}")
    reading.report(rules.DROP_COLUMN, table, column=command.name)
    reading.report(rules.LOST_COLUMN, table, column=command.name)


def _cascades(node: Any) -> bool:
    return grammar.enum_name("DropBehavior", node.behavior) == "DROP_CASCADE"


def _drop_what_depends(reading: Reading, table: Name, command: Any, found: RelationFacts, column: str) -> None:
    """Views, policies and so on that read a column, and foreign keys that refer to it."""
    dependents = depending(reading, table, column)
    for each in reading.constraints(table):
        if column in each.columns and each.references:
            reading.lock(Name(*each.references), LockMode.ACCESS_EXCLUSIVE)
    keys = {each.index for each in found.constraints.values() if each.kind in "pu" and column in each.columns}
    referencing = [
        other for other in reading.facts.referencing(found)
        if any(one.index in keys and one.references == (found.schema, found.name) for one in other.constraints.values())
        if not reading.script.is_gone(Name(other.schema, other.name))
    ]  # fmt: skip
    if _cascades(command):
        for view in (each.name for each in dependents if each.kind == "view"):
            reading.lock(name_in(view), LockMode.ACCESS_EXCLUSIVE)
        for other in referencing:
            reading.lock(Name(other.schema, other.name), LockMode.ACCESS_EXCLUSIVE)
        if dependents or referencing:
            reading.report(rules.DROP_CASCADE, table, name=f"{table}.{command.name}")
        return
    shown = [f"{each.kind} {each.name}" for each in dependents] + [
        f"foreign key of {each.name}" for each in referencing
    ]
    if shown:
        reading.report(rules.DEPENDENTS, table, name=f"{table}.{command.name}", dependents=", ".join(sorted(shown)))


def depending(reading: Reading, table: Name, column: str | None, *kinds: str) -> list[Dependent]:
    """What would not let a column, or all of the table, be dropped."""
    found = reading.find(table)
    if found is None:
        return []
    kinds = kinds or ("view", "policy", "trigger", "generated column")
    return [
        each
        for each in found.dependents
        if each.kind in kinds and (column is None or each.column == column)
        if not (each.kind == "view" and reading.script.is_gone(name_in(each.name)))
        if not (each.kind != "view" and each.name in reading.state(table).dropped | reading.state(table).lost)
    ]


def _set_not_null(reading: Reading, table: Name, command: Any) -> None:
    reading.need_columns(table, command.name)
    proven = additions.is_proven(reading, table, command.name)
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, None if proven else Work.SCAN)
    reading.script.change(table).proven.add(command.name)
    if not proven and not reading.is_new(table):
        reading.report(rules.SET_NOT_NULL, table, column=command.name)


def _drop_not_null(reading: Reading, table: Name, command: Any) -> None:
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    if not reading.need_columns(table, command.name):
        return
    reading.script.change(table).proven.discard(command.name)
    column = reading.column(table, command.name)
    keys = [each for each in reading.constraints(table) if each.kind == "p" and command.name in each.columns]
    if keys:
        cure = f"drop {keys[0].name} first"
        reading.report(
            rules.REFUSED, table, what=f"a column {command.name} of its primary key that may be null", cure=cure
        )
    elif column is not None and column.identity:
        what = f"an identity column {command.name} that may be null"
        reading.report(rules.REFUSED, table, what=what, cure="DROP IDENTITY first")


def _alter_column(reading: Reading, table: Name, command: Any) -> None:
    """What is instant, if there is such a column."""
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    reading.need_columns(table, command.name)


def _set_default(reading: Reading, table: Name, command: Any) -> None:
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    column = reading.column(table, command.name)
    if reading.need_columns(table, command.name) and column is not None and (column.generated or column.identity):
        what = f"a DEFAULT of {command.name}, which is generated"
        reading.report(rules.REFUSED, table, what=what, cure="DROP EXPRESSION or DROP IDENTITY first")


def _add_identity(reading: Reading, table: Name, command: Any) -> None:
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    column = reading.column(table, command.name)
    if not reading.need_columns(table, command.name) or column is None:
        return
    if not column.not_null and command.name not in reading.state(table).proven:
        cure = f'op.set_not_null("{table}", "{command.name}") first'
        reading.report(rules.REFUSED, table, what=f"an identity {command.name} that may be null", cure=cure)
    elif column.has_default or column.identity:
        what = f"an identity {command.name} that has a DEFAULT"
        reading.report(rules.REFUSED, table, what=what, cure="DROP DEFAULT first, in the same ALTER TABLE")


def _set_expression(reading: Reading, table: Name, command: Any) -> None:
    if reading.need_postgresql(17, "SET EXPRESSION", "add a column beside it"):
        rewrite(reading, table, *_REWRITES["AT_SetExpression"])


def rewrite(reading: Reading, table: Name, what: str, cure: str) -> None:
    """Every row is written anew."""
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.REWRITE)
    if not reading.is_new(table):
        reading.report(rules.REWRITE_TABLE, table, what=what, cure=cure)


def _column_type(reading: Reading, table: Name, command: Any) -> None:
    definition = getattr(command, "def").column_def
    new = types.of_node(definition.type_name)
    if not reading.need_columns(table, command.name):
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        return
    column = reading.column(table, command.name)
    change = _change(reading, definition, command.name, column)
    work = Work.REWRITE if change.rewrites else _smaller_work(reading, table, column, change)
    if definition.HasField("coll_clause") and work is None and _is_indexed(reading, table, column):
        work = Work.BUILD
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, work)
    if reading.is_new(table):
        return
    if column is not None:
        _check_readers(reading, table, command.name, column)
        _lock_foreign_keys(reading, table, column.name, Work.SCAN if change.rewrites else None)
    if work is not None:
        did = {Work.REWRITE: "rewrites the table", Work.BUILD: "builds its indexes anew", Work.SCAN: "scans the table"}
        words = {"column": command.name, "work": did[work] if column is not None else "may rewrite the table"}
        reading.report(rules.ALTER_COLUMN_TYPE, table, **words)
    old = types.of_text(column.base) if column is not None else "the old type"
    if change.narrows:
        reading.report(rules.NARROWER_TYPE, table, column=command.name, old=old, new=new)
    elif change.rewrites:
        reading.report(rules.NEW_TYPE, table, column=command.name, new=new)


def _change(reading: Reading, definition: Any, name: str, column: ColumnFacts | None) -> types.Change:
    new = types.of_node(definition.type_name)
    if column is None:
        return types.Change(rewrites=True)
    base = reading.facts.domain_base(new.name)
    if base is not None and new.name.rpartition(".")[2] in reading.facts.constrained_domains:
        return types.Change(rewrites=True)
    target = types.of_text(base) if base is not None else new
    change = types.change(types.of_text(column.base), target, utc=reading.is_utc)
    if definition.HasField("raw_default") and not _is_plain_cast(definition.raw_default, name, new):
        change = types.Change(rewrites=True, narrows=change.narrows)
    return change


def _check_readers(reading: Reading, table: Name, name: str, column: ColumnFacts) -> None:
    """Views and so on that read a column do not let its type be changed."""
    found = reading.find(table)
    if found is not None and column.name in found.partition_key:
        what = f"another type of {name}, by which it is partitioned"
        reading.report(rules.REFUSED, table, what=what, cure="make a new table and copy in batches")
    if readers := depending(reading, table, column.name):
        shown = ", ".join(sorted(f"{each.kind} {each.name}" for each in readers))
        reading.report(rules.DEPENDENTS, table, name=f"{table}.{name}", dependents=shown)


def _lock_foreign_keys(reading: Reading, table: Name, column: str, work: Work | None) -> None:
    """The foreign keys of a column, and those to it, are made anew, and checked again if its values change."""
    for each in reading.constraints(table):
        if each.references and column in each.columns:
            reading.lock(Name(*each.references), LockMode.ACCESS_EXCLUSIVE, work if each.validated else None)
    found = reading.find(table)
    if found is None:
        return
    for other in reading.facts.referencing(found):
        name = Name(other.schema, other.name)
        for each in reading.constraints(name):
            if each.references == (found.schema, found.name) and column in each.referenced:
                reading.lock(name, LockMode.ACCESS_EXCLUSIVE, work if each.validated else None)


def _is_indexed(reading: Reading, table: Name, column: ColumnFacts | None) -> bool:
    found = reading.find(table)
    if found is None or column is None:
        return True
    return any(column.name in each.reads or column.name in each.columns for each in found.indexes.values())


def _smaller_work(reading: Reading, table: Name, column: ColumnFacts | None, change: types.Change) -> Work | None:
    """What is done where the rows stay as they are: indexes built anew, CHECKs checked again."""
    found = reading.find(table)
    if found is None or column is None:
        return None
    indexes = [each for each in found.indexes.values() if column.name in each.reads or column.name in each.columns]
    if indexes and (change.reindexes or any(not each.whole or each.has_expressions for each in indexes)):
        return Work.BUILD
    checks = [each for each in reading.constraints(table) if each.kind == "c" and column.name in each.columns]
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
    constraint, state = reading.constraint(table, command.name), reading.script.change(table)
    added = state.constraints.get(command.name)
    valid = (constraint is not None and constraint.validated) or (added is not None and added.validated)
    work = None if valid else Work.SCAN
    reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE, work)
    if reading.find(table) is not None and constraint is None and added is None:
        reading.report(rules.DOES_NOT_EXIST, table, what="constraint", name=command.name)
    if constraint is not None and constraint.references:
        reading.lock(Name(*constraint.references), LockMode.ROW_SHARE, work)
    state.validated = True
    if constraint is not None:
        state.proven |= set(proves_not_null(constraint.definition))
        state.checked.append(constants_of(constraint.definition))
    if added is not None:
        added.validated = True
        state.proven |= set(added.not_null)
        state.checked.append(added.constants)


def _drop_constraint(reading: Reading, table: Name, command: Any) -> None:
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    found, constraint = reading.find(table), reading.constraint(table, command.name)
    state = reading.script.change(table)
    added = state.constraints.pop(command.name, None)
    if found is not None and constraint is None and added is None:
        if not command.missing_ok:
            reading.report(rules.DOES_NOT_EXIST, table, what="constraint", name=command.name)
        return
    if constraint is not None and constraint.references:
        reading.lock(Name(*constraint.references), LockMode.ACCESS_EXCLUSIVE)
    if found is not None and constraint is not None and constraint.kind in "pu":
        _drop_key(reading, table, found, command)
    state.dropped.add(command.name)
    if not state.new and added is None and not (state.proven or state.validated):
        reading.report(rules.DROP_CONSTRAINT, table, name=command.name)


def _alter_constraint(reading: Reading, table: Name, command: Any) -> None:
    """``ALTER CONSTRAINT``: whether it may be deferred."""
    name = getattr(command, "def").atalter_constraint.conname
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    known = reading.constraint(table, name) is not None or name in reading.state(table).constraints
    if reading.find(table) is not None and not known:
        reading.report(rules.DOES_NOT_EXIST, table, what="constraint", name=name)


def _drop_key(reading: Reading, table: Name, found: RelationFacts, command: Any) -> None:
    """A key that foreign keys of other tables may refer to."""
    key = found.constraints[command.name]
    others = [
        Name(each.schema, each.name)
        for each in reading.facts.referencing(found)
        if any(one.index == key.index and one.kind == "f" for one in reading.constraints(Name(each.schema, each.name)))
    ]
    if _cascades(command):
        for each in others:
            reading.lock(each, LockMode.ACCESS_EXCLUSIVE)
    elif others:
        shown = ", ".join(each.name for each in others)
        reading.report(rules.DEPENDENTS, table, name=command.name, dependents=f"foreign keys of {shown}")


# --- partitions and the rest


def _attach(reading: Reading, table: Name, command: Any) -> None:
    partition = Name.of_range(getattr(command, "def").partition_cmd.name)
    reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
    if reading.is_missing(partition):
        reading.report(rules.DOES_NOT_EXIST, what="table", name=partition)
        return
    bound = getattr(command, "def").partition_cmd.bound
    child, parent = reading.find(partition), reading.find(table)
    # what is empty is scanned in no time
    free = reading.is_new(partition) or (child is not None and not child.has_rows)
    scans = not free and not _proves(reading, partition, parent, bound)
    builds = "" if free else ", ".join(_lacking_indexes(child, parent))
    work = Work.BUILD if builds else Work.SCAN if scans else None
    reading.lock(partition, LockMode.ACCESS_EXCLUSIVE, work)
    if scans:
        reading.report(rules.ATTACH_PARTITION, partition)
    if builds:
        reading.report(rules.ATTACH_WITHOUT_INDEX, partition, names=builds)
    for other in reading.constraints(table):
        if other.references:
            reading.lock(Name(*other.references), LockMode.SHARE_ROW_EXCLUSIVE, Work.SCAN if scans else None)
    scan_default_partition(reading, table, bound)


def _proves(reading: Reading, partition: Name, parent: RelationFacts | None, bound: Any) -> bool:
    """Whether a valid CHECK says of its rows that they are within bounds, or outside; told from the constants."""
    checked = list(reading.state(partition).checked)
    if parent is not None:
        columns = [reading.column(partition, each) for each in parent.partition_key]
        nullable = any(each is not None and not each.not_null for each in columns)
        if nullable and not set(parent.partition_key) <= reading.state(partition).proven:
            return False
        valid = [each for each in reading.constraints(partition) if each.kind == "c" and each.validated]
        keyed = [each for each in valid if set(parent.partition_key) <= set(each.columns)]
        checked += [constants_of(each.definition) for each in keyed]
    wanted = constants_in(bound)
    return bool(wanted) and any(
        all(any(one.startswith(each) or each.startswith(one) for one in constants) for each in wanted)
        for constants in checked
    )


def _lacking_indexes(child: RelationFacts | None, parent: RelationFacts | None) -> list[str]:
    """The parent's indexes that the new partition has no like of."""
    if child is None or parent is None:
        return []
    there = {(each.columns, each.unique, each.whole) for each in child.indexes.values() if each.valid}
    return [each.name for each in parent.indexes.values() if (each.columns, each.unique, each.whole) not in there]


def scan_default_partition(reading: Reading, table: Name, bound: Any) -> None:
    """Rows of the default partition might belong to a new one."""
    if bound.is_default:
        return
    parent = reading.find(table)
    if parent is None or not parent.default_partition:
        return
    default = Name(*parent.default_partition)
    proven = _proves(reading, default, parent, bound)
    reading.lock(default, LockMode.ACCESS_EXCLUSIVE, None if proven else Work.SCAN)
    if not proven:
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


def _inherit(reading: Reading, table: Name, command: Any) -> None:
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    reading.lock(Name.of_range(getattr(command, "def").range_var), LockMode.SHARE_UPDATE_EXCLUSIVE)


def _set_table_options(reading: Reading, table: Name, command: Any) -> None:
    _set_options(reading, table, command)


def _row_security(reading: Reading, table: Name, command: Any) -> None:
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    found = reading.find(table)
    if not reading.is_new(table) and not reading.state(table).policies and (found is None or not found.policies):
        reading.report(rules.ENABLE_ROW_SECURITY, table)


COMMANDS: dict[str, Command] = {
    "AT_AddColumn": additions.add_column,
    "AT_AddConstraint": additions.add_constraint,
    "AT_DropColumn": _drop_column,
    "AT_SetNotNull": _set_not_null,
    "AT_DropNotNull": _drop_not_null,
    "AT_ColumnDefault": _set_default,
    "AT_AddIdentity": _add_identity,
    "AT_SetIdentity": _alter_column,
    "AT_DropIdentity": _alter_column,
    "AT_DropExpression": _alter_column,
    "AT_SetExpression": _set_expression,
    "AT_SetStorage": _alter_column,
    "AT_SetCompression": _alter_column,
    "AT_AlterConstraint": _alter_constraint,
    "AT_AlterColumnType": _column_type,
    "AT_ValidateConstraint": _validate,
    "AT_DropConstraint": _drop_constraint,
    "AT_AttachPartition": _attach,
    "AT_DetachPartition": _detach,
    "AT_AddInherit": _inherit,
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


@reads("alter_object_schema_stmt")
def set_schema(reading: Reading, node: Any) -> None:
    """``ALTER … SET SCHEMA``."""
    name = Name.of_range(node.relation) if node.HasField("relation") else name_of(node.object)
    what = grammar.enum_name("ObjectType", node.object_type).removeprefix("OBJECT_").lower()
    if what in ("table", "view", "matview", "foreign_table", "sequence"):
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)
    if not reading.is_new(name):
        reading.report_parting(rules.SET_SCHEMA, name, what=what.replace("_", " "))
    reading.script.rename(name, Name(node.newschema, name.name))
