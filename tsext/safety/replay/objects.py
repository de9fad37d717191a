"""Indexes, views, types and triggers, as the catalog would tell of them; and what is dropped or renamed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tsext.catalog import Dependent, IndexFacts
from tsext.catalog.relations import RelationName
from tsext.safety import types
from tsext.safety.constraints import constraints_of, kind_of
from tsext.safety.expressions import columns_in
from tsext.safety.indexes import index_of, usual_name
from tsext.safety.names import Name, name_of
from tsext.safety.replay import columns
from tsext.safety.replay.memory import Memory, view_columns
from tsext.safety.tables import output_columns
from tsext.sql import grammar

# --- indexes


def create_index(memory: Memory, node: Any, source: str) -> None:
    """``CREATE INDEX``."""
    table = memory.change(Name.of_range(node.relation))
    named = [each.index_elem.name for each in node.index_params if each.index_elem.name]
    name = node.idxname or usual_name(table.name, node, lambda each: (table.schema, each) in memory.relations)
    if (table.schema, name) in memory.relations:
        return
    index = index_of(node, name, named)
    columns.put_index(memory, table, index)
    memory.update(table, indexes={**table.indexes, name: index})


def _drop_index(memory: Memory, key: RelationName) -> None:
    index = memory.relations.pop(key, None)
    table = memory.relations.get(index.index_of) if index is not None and index.index_of is not None else None
    if table is not None:
        memory.update(table, indexes={each: one for each, one in table.indexes.items() if each != key[1]})


def _rename_index(memory: Memory, key: RelationName, new: str) -> None:
    index = memory.relations.get(key)
    table = memory.relations.get(index.index_of) if index is not None and index.index_of is not None else None
    if table is None or key[1] not in table.indexes:
        return
    indexes: dict[str, IndexFacts] = {**table.indexes}
    indexes[new] = replace(indexes.pop(key[1]), name=new)
    constraints = {each: one for each, one in table.constraints.items() if one.index != key[1] or one.kind == "f"}
    for one in table.constraints.values():
        if one.index == key[1] and one.kind != "f":  # a key has the name of its index
            constraints[new] = replace(one, name=new, index=new)
    memory.update(table, indexes=indexes, constraints=constraints)
    for other in memory.referencing((table.schema, table.name)):
        keys = {
            each: replace(one, index=new) if one.index == key[1] and one.kind == "f" else one
            for each, one in other.constraints.items()
        }
        memory.update(other, constraints=keys)


# --- views


def create_view(memory: Memory, node: Any, source: str) -> None:
    """``CREATE VIEW``."""
    name, temporary = Name.of_range(node.view), node.view.relpersistence == "t"
    if memory.find(name) is not None:
        _drop_dependent(memory, "view", _shown(memory, memory.key(name)))
    view = memory.create(name, "v", temporary=temporary)
    named = [each.string.sval for each in node.aliases] or output_columns(node.query)
    memory.update(view, columns=view_columns(named or ()))
    _depend(memory, (view.schema, view.name), node.query)


def create_table_as(memory: Memory, node: Any, source: str) -> None:
    """``CREATE TABLE AS`` and ``CREATE MATERIALIZED VIEW``."""
    name, temporary = Name.of_range(node.into.rel), node.into.rel.relpersistence == "t"
    if memory.find(name) is not None and not temporary:
        return
    if grammar.enum_name("ObjectType", node.objtype) != "OBJECT_MATVIEW":
        memory.create(name, "r", temporary=temporary, whole=False)
        return
    view = memory.create(name, "m")
    continuous = [each for each in node.into.options if each.def_elem.defnamespace in ("timescaledb", "tsdb")]
    ranges = [Name.of_range(each) for each in grammar.find(node.query, "RangeVar")]
    if continuous and ranges:
        memory.update(view, kind="v", aggregates=memory.key(ranges[0]))
    _depend(memory, (view.schema, view.name), node.query)


def _shown(memory: Memory, key: RelationName) -> str:
    """A name, as ``regclass`` prints it."""
    return str(Name(None if key[0] == "public" else key[0], key[1]))


def _depend(memory: Memory, view: RelationName, query: Any) -> None:
    """A view reads relations, and columns of them."""
    defined = {each.ctename for each in grammar.find(query, "CommonTableExpr")}
    references = [list(each.fields) for each in grammar.find(query, "ColumnRef")]
    for each in grammar.find(query, "RangeVar"):
        found = memory.find(Name.of_range(each))
        if found is None or (not each.schemaname and each.relname in defined):
            continue
        called = each.alias.aliasname or each.relname
        named = {column for one in references for column in _read(one, called, found.columns)}
        which: list[str | None] = [*sorted(named)] if named else [None]
        read = [Dependent("view", _shown(memory, view), one) for one in which]
        memory.update(found, dependents=(*found.dependents, *(one for one in read if one not in found.dependents)))


def _read(reference: list[Any], called: str, known: Any) -> Iterator[str]:
    """The columns of a relation that a reference may mean."""
    if len(reference) > 1 and reference[-2].string.sval != called:
        return
    last = reference[-1]
    if last.WhichOneof("node") == "a_star":
        yield from known
    elif last.string.sval in known:
        yield last.string.sval


def _drop_dependent(memory: Memory, kind: str, name: str) -> None:
    for each in list(memory.relations.values()):
        left = tuple(one for one in each.dependents if (one.kind, one.name) != (kind, name))
        if len(left) < len(each.dependents):
            memory.update(each, dependents=left)


# --- triggers and policies


def create_trigger(memory: Memory, node: Any, source: str) -> None:
    """``CREATE TRIGGER``."""
    table = memory.change(Name.of_range(node.relation))
    read = {each.string.sval for each in node.columns} | columns_in(node.when_clause)
    dependents = [Dependent("trigger", node.trigname, each) for each in sorted(read) if each in table.columns]
    triggers = {**table.triggers, node.trigname: Name.of_list(node.funcname).name}
    definitions = {**table.trigger_definitions, node.trigname: source}
    dependents = [*table.dependents, *dependents]
    memory.update(table, triggers=triggers, trigger_definitions=definitions, dependents=tuple(dependents))


def create_policy(memory: Memory, node: Any, source: str) -> None:
    """``CREATE POLICY``."""
    table = memory.change(Name.of_range(node.table))
    read = [Dependent("policy", node.policy_name, each) for each in sorted(columns_in(node)) if each in table.columns]
    memory.update(table, policies=True, dependents=(*table.dependents, *read))


# --- types


def create_enum(memory: Memory, node: Any, source: str) -> None:
    """``CREATE TYPE … AS ENUM``."""
    name = Name.of_list(node.type_name).name
    memory.labels[name] = tuple(each.string.sval for each in node.vals)
    memory.types.add(name)


def alter_enum(memory: Memory, node: Any, source: str) -> None:
    """``ADD VALUE`` and ``RENAME VALUE``."""
    name = Name.of_list(node.type_name).name
    labels = memory.labels.get(name)
    if labels is None:
        return
    if node.old_val:
        memory.labels[name] = tuple(node.new_val if each == node.old_val else each for each in labels)
    elif node.new_val not in labels:
        memory.labels[name] = (*labels, node.new_val)


def create_domain(memory: Memory, node: Any, source: str) -> None:
    """``CREATE DOMAIN``."""
    name, base = Name.of_list(node.domainname).name, str(types.of_node(node.type_name))
    beside = constraints_of(node)
    memory.types.add(name)
    memory.domains[name] = memory.domains.get(base.rpartition(".")[2], base)
    if beside.keys() & {"CONSTR_CHECK", "CONSTR_NOTNULL"}:
        memory.constrained.add(name)
    if "CONSTR_DEFAULT" in beside:
        begins = sorted(each.constraint.location for each in node.constraints)
        start = beside["CONSTR_DEFAULT"].location
        end = next((each for each in begins if each > start), None)
        memory.domain_defaults[name] = source.encode()[start:end].decode().split(None, 1)[1]


def alter_domain(memory: Memory, node: Any, source: str) -> None:
    """``ALTER DOMAIN``: one with constraints remains so, since which are dropped is not followed."""
    name = Name.of_list(node.type_name).name
    if node.subtype == "O" or (node.subtype == "C" and kind_of(getattr(node, "def").constraint) == "CONSTR_CHECK"):
        memory.constrained.add(name)


def create_type(memory: Memory, node: Any, source: str) -> None:
    """Any other type."""
    composite = node.DESCRIPTOR.name == "CompositeTypeStmt"
    memory.types.add((Name.of_range(node.typevar) if composite else Name.of_list(node.type_name)).name)


def _drop_type(memory: Memory, name: str, *, cascade: bool) -> None:
    memory.types.discard(name)
    memory.constrained.discard(name)
    memory.labels.pop(name, None)
    memory.domains.pop(name, None)
    memory.domain_defaults.pop(name, None)
    for table in list(memory.relations.values()) if cascade else ():
        for each in list(table.columns.values()):
            if each.type.rpartition(".")[2].removesuffix("[]") == name:
                columns.drop_column(memory, memory.relations[(table.schema, table.name)], each.name)


def _rename_type(memory: Memory, old: str, new: str) -> None:
    if old in memory.types:
        memory.types.discard(old)
        memory.types.add(new)
    if old in memory.constrained:
        memory.constrained.add(new)
    if old in memory.labels:
        memory.labels[new] = memory.labels.pop(old)
    for known in (memory.domains, memory.domain_defaults):
        if old in known:
            known[new] = known.pop(old)
    for table in list(memory.relations.values()):
        for each in table.columns.values():
            schema, dot, type_ = each.type.rpartition(".")
            if type_.removesuffix("[]") == old:
                renamed = f"{schema}{dot}{new}{type_.removeprefix(old)}"
                base = renamed if each.base == each.type else each.base
                table = memory.update_column(table, each.name, type=renamed, base=base)


# --- DROP and RENAME


_RELATIONS = {"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_SEQUENCE", "OBJECT_FOREIGN_TABLE"}


def drop(memory: Memory, node: Any, source: str) -> None:
    """``DROP``."""
    kind = grammar.enum_name("ObjectType", node.remove_type)
    cascade = grammar.enum_name("DropBehavior", node.behavior) == "DROP_CASCADE"
    for each in node.objects:
        name = name_of(each)
        if kind in _RELATIONS:
            memory.drop(memory.key(name))
        elif kind == "OBJECT_INDEX":
            _drop_index(memory, memory.key(name))
        elif kind in ("OBJECT_TYPE", "OBJECT_DOMAIN"):
            _drop_type(memory, name.name, cascade=cascade)
        elif kind == "OBJECT_SCHEMA":
            for key in [key for key in memory.relations if key[0] == name.name]:
                memory.drop(key)
        elif kind in ("OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE"):
            _drop_function(memory, name.name)
        elif kind in ("OBJECT_TRIGGER", "OBJECT_POLICY"):
            _drop_of_table(memory, kind, [part.string.sval for part in each.list.items])


def _drop_function(memory: Memory, name: str) -> None:
    """With CASCADE, the triggers that run it go, too."""
    memory.functions.functions[name] = []
    for table in list(memory.relations.values()):
        if name in table.triggers.values():
            for each in [trigger for trigger, runs in table.triggers.items() if runs == name]:
                _drop_of_table(memory, "OBJECT_TRIGGER", [table.schema, table.name, each])


def _drop_of_table(memory: Memory, kind: str, parts: list[str]) -> None:
    table = memory.find(Name(parts[-3] if len(parts) > 2 else None, parts[-2]))
    if table is None:
        return
    what = kind.removeprefix("OBJECT_").lower()
    left = tuple(each for each in table.dependents if (each.kind, each.name) != (what, parts[-1]))
    triggers = {each: one for each, one in table.triggers.items() if what != "trigger" or each != parts[-1]}
    definitions = {each: one for each, one in table.trigger_definitions.items() if each in triggers}
    memory.update(table, dependents=left, triggers=triggers, trigger_definitions=definitions)


def rename(memory: Memory, node: Any, source: str) -> None:
    """``RENAME``."""
    kind = grammar.enum_name("ObjectType", node.rename_type)
    if kind in ("OBJECT_TYPE", "OBJECT_DOMAIN"):
        _rename_type(memory, name_of(node.object).name, node.newname)
    elif kind == "OBJECT_SCHEMA":
        for key in [key for key in memory.relations if key[0] == node.subname]:
            memory.rename(key, (node.newname, key[1]))
    elif node.HasField("relation"):
        _rename_in_relation(memory, kind, Name.of_range(node.relation), node)


def _rename_in_relation(memory: Memory, kind: str, name: Name, node: Any) -> None:
    found, key = memory.find(name), memory.key(name)
    if found is None:
        return
    if kind == "OBJECT_COLUMN":
        for each in (found, *memory.children(found)):
            columns.rename_column(memory, each, node.subname, node.newname)
    elif kind == "OBJECT_TABCONSTRAINT" and node.subname in found.constraints:
        constraints = {**found.constraints}
        constraint = constraints.pop(node.subname)
        constraints[node.newname] = replace(constraint, name=node.newname)
        memory.update(found, constraints=constraints)
        if constraint.kind in "pux" and constraint.index is not None:
            _rename_index(memory, (found.schema, constraint.index), node.newname)
            memory.rename((found.schema, constraint.index), (found.schema, node.newname))
    elif kind == "OBJECT_TRIGGER" and node.subname in found.triggers:
        triggers = {node.newname if each == node.subname else each: one for each, one in found.triggers.items()}
        definitions = {**found.trigger_definitions}
        if node.subname in definitions:
            definitions[node.newname] = definitions.pop(node.subname)
        memory.update(found, triggers=triggers, trigger_definitions=definitions)
    elif kind in _RELATIONS or kind == "OBJECT_INDEX":
        if found.index_of is not None:
            _rename_index(memory, key, node.newname)
        _rename_relation(memory, key, (key[0], node.newname))


def _rename_relation(memory: Memory, old: RelationName, new: RelationName) -> None:
    was, now = _shown(memory, old), _shown(memory, new)
    memory.rename(old, new)
    for each in list(memory.relations.values()):
        if any(one.kind == "view" and one.name == was for one in each.dependents):
            views = tuple(replace(one, name=now) if one.name == was else one for one in each.dependents)
            memory.update(each, dependents=views)


def set_schema(memory: Memory, node: Any, source: str) -> None:
    """``SET SCHEMA``."""
    if not node.HasField("relation"):
        return
    found = memory.find(Name.of_range(node.relation))
    if found is None:
        return
    for each in memory.indexes_of((found.schema, found.name)):
        memory.rename((each.schema, each.name), (node.newschema, each.name))
    _rename_relation(memory, (found.schema, found.name), (node.newschema, found.name))
