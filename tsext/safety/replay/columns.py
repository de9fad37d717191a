"""Columns and constraints, as the catalog would tell of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tsext.catalog import ColumnFacts, ConstraintFacts, Dependent, IndexFacts, RelationFacts
from tsext.safety import types
from tsext.safety.constraints import constraints_of, kind_of, usual_name
from tsext.safety.expressions import columns_in, is_null
from tsext.safety.names import Name
from tsext.safety.replay.memory import Memory
from tsext.sql import grammar

_KINDS = {"CONSTR_CHECK": "c", "CONSTR_FOREIGN": "f", "CONSTR_PRIMARY": "p", "CONSTR_UNIQUE": "u",
          "CONSTR_EXCLUSION": "x"}  # fmt: skip


def column_of(memory: Memory, node: Any) -> ColumnFacts:
    """A column that a ``ColumnDef`` defines."""
    beside = constraints_of(node)
    type_ = str(types.of_new_column(node.type_name))
    serial = types.of_node(node.type_name).name in types.SERIAL
    default = beside.get("CONSTR_DEFAULT")
    generated, identity = "CONSTR_GENERATED" in beside, "CONSTR_IDENTITY" in beside
    return ColumnFacts(
        node.colname,
        type_,
        not_null=serial or identity or bool(beside.keys() & {"CONSTR_NOTNULL", "CONSTR_PRIMARY"}),
        generated=generated,
        base=memory.domains.get(type_.rpartition(".")[2], type_),
        identity=identity,
        has_default=serial or generated or (default is not None and not is_null(default.raw_expr)),
        collation=node.coll_clause.collname[-1].string.sval if node.HasField("coll_clause") else None,
    )


def add_column(memory: Memory, relation: RelationFacts, node: Any, source: str) -> RelationFacts:
    """A column is there, with what stands beside it."""
    column = column_of(memory, node)
    relation = memory.update(relation, columns={**relation.columns, column.name: column})
    generated = constraints_of(node).get("CONSTR_GENERATED")
    if generated is not None:
        read = [Dependent("generated column", column.name, each) for each in sorted(columns_in(generated.raw_expr))]
        relation = memory.update(relation, dependents=(*relation.dependents, *read))
    for each in node.constraints:
        relation = add_constraint(memory, relation, each.constraint, source, beside=column.name)
    return relation


def add_constraint(
    memory: Memory, relation: RelationFacts, node: Any, source: str, *, beside: str = ""
) -> RelationFacts:
    """A constraint is there, alone or beside a column."""
    kind = kind_of(node)
    if kind == "CONSTR_NOTNULL" and not node.skip_validation:
        for each in [one.string.sval for one in node.keys]:
            relation = memory.update_column(relation, each, not_null=True)
    if kind not in _KINDS:
        return relation
    columns = [each.string.sval for each in (node.fk_attrs if kind == "CONSTR_FOREIGN" else node.keys)]
    columns = columns or ([beside] if beside else [])
    name = node.conname or usual_name(relation.name, node, columns, relation.constraints)
    if kind == "CONSTR_PRIMARY":
        for each in _indexed(relation, node, columns):
            relation = memory.update_column(relation, each, not_null=True)
    if kind in ("CONSTR_PRIMARY", "CONSTR_UNIQUE", "CONSTR_EXCLUSION"):
        relation, columns = _index_of_key(memory, relation, node, name, columns)
    found = _constraint(memory, relation, node, name, tuple(columns), source)
    return memory.update(relation, constraints={**relation.constraints, name: found})


def _constraint(
    memory: Memory, relation: RelationFacts, node: Any, name: str, columns: tuple[str, ...], source: str
) -> ConstraintFacts:
    kind, valid = _KINDS[kind_of(node)], not node.skip_validation
    if kind == "c":
        condition = grammar.in_parentheses(source, node.location) or "true"
        suffix = "" if valid else " NOT VALID"
        read = tuple(sorted(columns_in(node.raw_expr)))
        return ConstraintFacts(name, kind, valid, f"CHECK ({condition}){suffix}", read, None, None)
    if kind != "f":
        return ConstraintFacts(name, kind, True, "", columns, None, name)
    key = memory.key(Name.of_range(node.pktable))
    other = relation if key == (relation.schema, relation.name) else memory.relations.get(key)
    referenced = tuple(each.string.sval for each in node.pk_attrs)
    if other is not None and not referenced:
        referenced = next((each.columns for each in other.constraints.values() if each.kind == "p"), ())
    keys = [each for each in (other.indexes.values() if other is not None else ()) if each.unique]
    index = next((each.name for each in keys if set(each.columns) == set(referenced)), None)
    return ConstraintFacts(name, kind, valid, "", columns, key, index, referenced)


def _indexed(relation: RelationFacts, node: Any, columns: list[str]) -> list[str]:
    """The columns of a key, which may adopt an index that is there."""
    adopted = relation.indexes.get(node.indexname) if node.indexname else None
    return list(adopted.columns) if adopted is not None else columns


def _index_of_key(
    memory: Memory, relation: RelationFacts, node: Any, name: str, columns: list[str]
) -> tuple[RelationFacts, list[str]]:
    """The index of a key, made or adopted, which has its name; and its columns."""
    columns = _indexed(relation, node, columns)
    exclusion = kind_of(node) == "CONSTR_EXCLUSION"
    indexes = {each: one for each, one in relation.indexes.items() if each != node.indexname}
    if node.indexname:
        memory.relations.pop((relation.schema, node.indexname), None)
    if exclusion:
        columns = [each.list.items[0].index_elem.name for each in node.exclusions]
    whole = not node.HasField("where_clause")
    index = IndexFacts(name, not exclusion, True, whole, tuple(columns))
    put_index(memory, relation, index)
    return memory.update(relation, indexes={**indexes, name: index}), columns


def put_index(memory: Memory, table: RelationFacts, index: IndexFacts) -> None:
    """The index as a relation of its own."""
    kind = "I" if table.kind == "p" else "i"
    of = (table.schema, table.name)
    memory.put(RelationFacts(table.schema, index.name, kind, None, 0, {}, {}, {}, index_of=of))


def validate(memory: Memory, relation: RelationFacts, name: str) -> RelationFacts:
    """A constraint is valid, if it is known."""
    found = relation.constraints.get(name)
    if found is None:
        return relation
    valid = replace(found, validated=True, definition=found.definition.removesuffix(" NOT VALID"))
    return memory.update(relation, constraints={**relation.constraints, name: valid})


def drop_column(memory: Memory, relation: RelationFacts, name: str) -> RelationFacts:
    """A column is gone, with the constraints and indexes that have it."""
    gone = [each.name for each in relation.indexes.values() if name in (*each.columns, *each.reads)]
    for each in gone:
        memory.relations.pop((relation.schema, each), None)
    return memory.update(
        relation,
        columns={each: one for each, one in relation.columns.items() if each != name},
        constraints={each: one for each, one in relation.constraints.items() if name not in one.columns},
        indexes={each: one for each, one in relation.indexes.items() if each not in gone},
        dependents=tuple(each for each in relation.dependents if name not in (each.column, each.name)),
    )


def rename_column(memory: Memory, relation: RelationFacts, old: str, new: str) -> RelationFacts:
    """A column has another name, wherever it is named."""

    def renamed(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(new if each == old else each for each in names)

    columns = {new if each == old else each: one for each, one in relation.columns.items()}
    if new in columns:
        columns[new] = replace(columns[new], name=new)
    constraints = {
        each: replace(one, columns=renamed(one.columns), definition=_renamed(one.definition, old, new))
        for each, one in relation.constraints.items()
    }
    indexes = {
        each: replace(one, columns=renamed(one.columns), reads=renamed(one.reads))
        for each, one in relation.indexes.items()
    }
    dependents = tuple(replace(each, column=new) if each.column == old else each for each in relation.dependents)
    key = renamed(relation.partition_key)
    return memory.update(
        relation, columns=columns, constraints=constraints, indexes=indexes, dependents=dependents, partition_key=key
    )


def _renamed(definition: str, old: str, new: str) -> str:
    """A CHECK, with another name of a column."""
    pieces, last, data = [], 0, definition.encode()
    for token, start, end in grammar.tokens(definition):
        if token.strip('"') == old:
            pieces += [data[last:start].decode(), str(Name(None, new))]
            last = end
    return "".join([*pieces, data[last:].decode()])
