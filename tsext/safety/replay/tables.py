"""Tables that are created and altered, as the catalog would tell of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tsext.catalog import IndexFacts, RelationFacts
from tsext.errors import InvalidObject
from tsext.model import Columnstore, Hypertable
from tsext.safety import types
from tsext.safety.names import Name
from tsext.safety.replay import columns
from tsext.safety.replay.memory import Memory, view_columns
from tsext.sql import grammar

_STORED = {"u": "u", "t": "t"}


def create(memory: Memory, node: Any, source: str) -> None:
    """``CREATE TABLE``."""
    name, temporary = Name.of_range(node.relation), node.relation.relpersistence == "t"
    if memory.find(name) is not None and not temporary:
        return
    kind = "p" if node.HasField("partspec") else "r"
    # what is there already, if it is, may be something else
    whole = not node.if_not_exists and not node.HasField("of_typename")
    table = memory.create(name, kind, temporary=temporary, whole=whole)
    table = memory.update(table, persistence=_STORED.get(node.relation.relpersistence, "p"))
    if kind == "p":
        key = [each.partition_elem.name for each in node.partspec.part_params if each.partition_elem.name]
        table = memory.update(table, partition_key=tuple(key))
    for parent in node.inh_relations:
        table = _inherit(memory, table, Name.of_range(parent.range_var), node)
    for each in node.table_elts:
        what = each.WhichOneof("node")
        if what == "column_def":
            table = columns.add_column(memory, table, each.column_def, source)
        elif what == "table_like_clause":
            table = _be_like(memory, table, Name.of_range(each.table_like_clause.relation))
    for each in node.table_elts:
        if each.WhichOneof("node") == "constraint":
            table = columns.add_constraint(memory, table, each.constraint, source)
    for name_ in table.constraints:  # NOT VALID says nothing where there are no rows
        table = columns.validate(memory, table, name_)
    given = {each.def_elem.defname: each.def_elem for each in node.options if _is_theirs(each.def_elem)}
    if "hypertable" in given and "partition_column" in given:
        default_index = "create_default_indexes" not in given  # or it is switched off
        column = given["partition_column"].arg.string.sval
        make_hypertable(memory, Name(table.schema, table.name), column, default_index=default_index)


def _inherit(memory: Memory, table: RelationFacts, name: Name, node: Any) -> RelationFacts:
    """What a partition, or a child, gets from its parent."""
    parent = memory.find(name)
    if parent is None:
        return memory.update(table, parent=memory.key(name), whole=False)
    default = {"default_partition": (table.schema, table.name)} if node.partbound.is_default else {}
    memory.update(parent, parts=parent.parts + 1, **default)
    checks = {each: one for each, one in parent.constraints.items() if one.kind == "c"}
    return memory.update(
        table,
        parent=(parent.schema, parent.name),
        columns={**table.columns, **parent.columns},
        constraints={**table.constraints, **checks},
        whole=table.whole and parent.whole and parent.kind != "p",  # which gives it indexes, too
    )


def _be_like(memory: Memory, table: RelationFacts, name: Name) -> RelationFacts:
    """``LIKE``: the columns; of what else it may include, nothing is known."""
    model = memory.find(name)
    if model is None:
        return memory.update(table, whole=False)
    return memory.update(table, columns={**table.columns, **model.columns}, whole=False)


def make_hypertable(memory: Memory, name: Name, column: str | None, *, default_index: bool) -> None:
    """``create_hypertable``: what partitions a table may not be null, and gets an index of its own."""
    table = memory.change(name)
    if column is None or table.hypertable is not None:
        return
    table = memory.update_column(table, column, not_null=True)
    table = memory.update(table, hypertable=Hypertable(column, name=table.name))
    if default_index and not any(each.columns == (column,) for each in table.indexes.values()):
        index = IndexFacts(f"{table.name}_{column}_idx", False, True, True, (column,), (column,))
        columns.put_index(memory, table, index)
        memory.update(table, indexes={**table.indexes, index.name: index})


def alter(memory: Memory, node: Any, source: str) -> None:
    """``ALTER TABLE``, one command after the other, of its partitions too."""
    name = Name.of_range(node.relation)
    if node.missing_ok and memory.find(name) is None:
        return
    for each in node.cmds:
        _alter(memory, memory.change(name), each.alter_table_cmd, source, inherits=node.relation.inh)


def _alter(memory: Memory, table: RelationFacts, command: Any, source: str, *, inherits: bool) -> None:
    subtype = grammar.enum_name("AlterTableType", command.subtype)
    if subtype in _COMMANDS:
        _COMMANDS[subtype](memory, table, command, source)
    for child in memory.children(table) if inherits and subtype in _SHARED else ():
        _alter(memory, child, command, source, inherits=True)


def _add_column(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    node = getattr(command, "def").column_def
    if node.colname not in table.columns:
        columns.add_column(memory, table, node, source)


def _drop_column(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    columns.drop_column(memory, table, command.name)


def _type(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    node = getattr(command, "def").column_def
    type_ = str(types.of_node(node.type_name))
    collation = node.coll_clause.collname[-1].string.sval if node.HasField("coll_clause") else None
    base = memory.domains.get(type_.rpartition(".")[2], type_)
    if command.name in table.columns:
        memory.update_column(table, command.name, type=type_, base=base, collation=collation)
    elif not table.whole:  # whether it may be null is not known, but its type is
        column = replace(view_columns([command.name])[command.name], type=type_, base=base, collation=collation)
        memory.update(table, columns={**table.columns, command.name: column})


def _set_not_null(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    memory.update_column(table, command.name, not_null=True)


def _drop_not_null(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    memory.update_column(table, command.name, not_null=False)


def _default(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    memory.update_column(table, command.name, has_default=command.HasField("def"))


def _add_identity(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    memory.update_column(table, command.name, identity=True)


def _drop_identity(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    memory.update_column(table, command.name, identity=False)


def _drop_expression(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    table = memory.update_column(table, command.name, generated=False, has_default=False)
    memory.update(table, dependents=tuple(each for each in table.dependents if each.name != command.name))


def _add_constraint(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    columns.add_constraint(memory, table, getattr(command, "def").constraint, source)


def _drop_constraint(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    gone = table.constraints.get(command.name)
    if gone is None:
        return
    table = memory.update(table, constraints={each: one for each, one in table.constraints.items() if one != gone})
    if gone.kind in "pux" and gone.index is not None:
        memory.relations.pop((table.schema, gone.index), None)
        memory.update(table, indexes={each: one for each, one in table.indexes.items() if each != gone.index})
        key = (table.schema, table.name)
        for other in memory.referencing(key):
            left = {
                each: one
                for each, one in other.constraints.items()
                if not (one.references == key and one.index == gone.index)
            }
            memory.update(other, constraints=left)


def _validate(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    columns.validate(memory, table, command.name)


def _attach(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    partition = getattr(command, "def").partition_cmd
    child = memory.find(Name.of_range(partition.name))
    if child is not None:
        child = memory.update(child, parent=(table.schema, table.name), whole=False)
        default = {"default_partition": (child.schema, child.name)} if partition.bound.is_default else {}
        memory.update(table, parts=table.parts + 1, **default)


def _detach(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    child = memory.find(Name.of_range(getattr(command, "def").partition_cmd.name))
    if child is not None:
        memory.update(child, parent=None)
        memory.lose_child(table, (child.schema, child.name))


def _add_inherit(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    memory.update(table, parent=memory.key(Name.of_range(getattr(command, "def").range_var)))


def _leave(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    memory.update(table, parent=None)


_STORAGE = {
    "AT_SetLogged": ("persistence", "p"), "AT_SetUnLogged": ("persistence", "u"),
    "AT_EnableRowSecurity": ("row_security", True), "AT_DisableRowSecurity": ("row_security", False),
}  # fmt: skip


def _store(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    what, value = _STORAGE[grammar.enum_name("AlterTableType", command.subtype)]
    memory.update(table, **{what: value})


def _store_elsewhere(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    moves = grammar.enum_name("AlterTableType", command.subtype) == "AT_SetTableSpace"
    memory.update(table, **{"tablespace" if moves else "access_method": command.name})


def _identify(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    memory.update(table, replica_identity=getattr(command, "def").replica_identity_stmt.identity_type)


def _disable_triggers(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    left = {each: one for each, one in table.trigger_definitions.items() if command.name and each != command.name}
    memory.update(table, trigger_definitions=left)


_ON = ("compress", "enable_columnstore", "columnstore")


def _is_theirs(option: Any) -> bool:
    return option.defnamespace in ("timescaledb", "tsdb")


def _options(memory: Memory, table: RelationFacts, command: Any, source: str) -> None:
    """``SET (timescaledb.…)``, which turns the columnstore on and off."""
    options = [each.def_elem for each in getattr(command, "def").list.items if _is_theirs(each.def_elem)]
    switch = next((each for each in options if each.defname in _ON), None)
    if table.hypertable is None or switch is None:
        return
    if switch.arg.string.sval.lower() in ("false", "off", "0"):
        memory.update(table, columnstore=None)
        return
    texts = {each.defname.removeprefix("compress_"): each.arg.string.sval for each in options}
    given = {each: texts[each].split(",") for each in ("segmentby", "orderby") if texts.get(each)}
    try:
        store = Columnstore(**given, name=table.name)
    except InvalidObject:
        store = Columnstore(name=table.name)
    memory.update(table, columnstore=store)


_COMMANDS: dict[str, Callable[[Memory, RelationFacts, Any, str], None]] = {
    "AT_AddColumn": _add_column, "AT_DropColumn": _drop_column, "AT_AlterColumnType": _type,
    "AT_SetNotNull": _set_not_null, "AT_DropNotNull": _drop_not_null, "AT_ColumnDefault": _default,
    "AT_AddIdentity": _add_identity, "AT_DropIdentity": _drop_identity, "AT_DropExpression": _drop_expression,
    "AT_AddConstraint": _add_constraint, "AT_DropConstraint": _drop_constraint, "AT_ValidateConstraint": _validate,
    "AT_AttachPartition": _attach, "AT_DetachPartition": _detach, "AT_AddInherit": _add_inherit,
    "AT_DropInherit": _leave, "AT_SetTableSpace": _store_elsewhere, "AT_SetAccessMethod": _store_elsewhere,
    "AT_DisableTrig": _disable_triggers, "AT_DisableTrigAll": _disable_triggers,
    "AT_DisableTrigUser": _disable_triggers, "AT_ReplicaIdentity": _identify,
    "AT_SetRelOptions": _options, **dict.fromkeys(_STORAGE, _store),
}  # fmt: skip

_SHARED = {"AT_AddColumn", "AT_DropColumn", "AT_AlterColumnType", "AT_SetNotNull", "AT_DropNotNull"}
"""What partitions and children get, too, as far as it matters here."""
