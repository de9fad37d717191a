"""What PostgreSQL refuses of a table that is created, told from its definition alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tsext.safety import constraints, definitions, rules, types
from tsext.safety.constraints import kind_of
from tsext.safety.expressions import columns_in
from tsext.safety.names import Name
from tsext.safety.reading import Reading

_KEYS = ("CONSTR_PRIMARY", "CONSTR_UNIQUE")


def refuse(reading: Reading, name: Name, node: Any) -> None:
    """Columns that are there twice, or not; several primary keys; foreign keys of other types."""
    defined = [each.column_def for each in node.table_elts if each.WhichOneof("node") == "column_def"]
    state = reading.script.change(name)
    for each in defined:
        state.types[each.colname] = types.of_new_column(each.type_name)
    for column, times in Counter(each.colname for each in defined).items():
        if times > 1:
            reading.report(rules.EXISTS_ALREADY, what="column", name=f"{name}.{column}")
    for each in defined:
        definitions.refuse_column(reading, name, each)
    _refuse_constraints(reading, name, node)
    if node.HasField("partspec"):
        _refuse_partitioning(reading, name, node)


def _refuse_constraints(reading: Reading, name: Name, node: Any) -> None:
    primary = 0
    for constraint, beside in constraints_in(node):
        kind = kind_of(constraint)
        primary += kind == "CONSTR_PRIMARY"
        named = [each.string.sval for each in (constraint.fk_attrs if kind == "CONSTR_FOREIGN" else constraint.keys)]
        named = named or ([beside] if beside else [])
        read = columns_in(constraint.raw_expr) if kind == "CONSTR_CHECK" else ()
        if kind in ("CONSTR_CHECK", "CONSTR_GENERATED"):
            constraints.refuse_expression(reading, name, "a constraint", constraint.raw_expr)
        _need(reading, name, node, {*named, *read})
        if kind == "CONSTR_FOREIGN":
            referenced = Name.of_range(constraint.pktable)
            keys = [each.string.sval for each in constraint.pk_attrs] or constraints.primary_key(reading, referenced)
            constraints.refuse_types(reading, name, named, referenced, keys)
    if primary > 1:
        reading.report(rules.EXISTS_ALREADY, name, what="primary key of", name=name)


def constraints_in(node: Any) -> list[tuple[Any, str]]:
    """The constraints of a ``CreateStmt``, and the columns that they stand beside; empty: none."""
    found = []
    for each in node.table_elts:
        if each.WhichOneof("node") == "column_def":
            found += [(one.constraint, each.column_def.colname) for one in each.column_def.constraints]
        elif each.WhichOneof("node") == "constraint":
            found.append((each.constraint, ""))
    return found


def _need(reading: Reading, name: Name, node: Any, named: set[str]) -> None:
    """Columns that the table lacks, unless it has those of others, too."""
    kinds = {each.WhichOneof("node") for each in node.table_elts}
    if "table_like_clause" in kinds or len(node.inh_relations) or node.HasField("of_typename"):
        return
    defined = {each.column_def.colname for each in node.table_elts if each.WhichOneof("node") == "column_def"}
    for each in sorted(named - defined - {"tableoid", "ctid", name.name}):
        reading.report(rules.DOES_NOT_EXIST, what="column", name=f"{name}.{each}")


def _refuse_partitioning(reading: Reading, name: Name, node: Any) -> None:
    if node.relation.relpersistence == "u" and reading.facts.postgresql >= 18:
        reading.report(rules.REFUSED, name, what="a partitioned table that is unlogged", cure="make its partitions so")
    parts = [each.partition_elem for each in node.partspec.part_params]
    key = {each.name for each in parts if each.name}
    _need(reading, name, node, key)
    for constraint, beside in constraints_in(node):
        if kind_of(constraint) not in _KEYS or any(not each.name for each in parts):
            continue
        lacking = sorted(key - ({each.string.sval for each in constraint.keys} or {beside}))
        if lacking:
            what = f"a unique constraint without {', '.join(lacking)}, by which it is partitioned"
            reading.report(rules.REFUSED, name, what=what, cure="add it")


def refuse_partition(reading: Reading, parent: Name, node: Any) -> None:
    """``PARTITION OF`` what has no partitions, or another default partition."""
    found, state = reading.find(parent), reading.state(parent)
    kind = found.kind if found is not None and found.whole else state.kind if state.new else None
    if kind is not None and kind != "p":
        reading.report(rules.REFUSED, parent, what="partitions: it is not partitioned", cure="correct its name")
    elif node.partbound.is_default and found is not None and found.default_partition is not None:
        default = Name(*found.default_partition)
        if not reading.state(default).independent and not reading.script.is_gone(default):
            cure = f"detach {default.name} first"
            reading.report(rules.REFUSED, parent, what="another default partition", cure=cure)
