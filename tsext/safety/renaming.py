"""RENAME and SET SCHEMA."""

from __future__ import annotations

from typing import Any

from tsext.model.locks import LockMode
from tsext.safety import columns, hypertables, indexes, rules
from tsext.safety.expressions import proves_not_null
from tsext.safety.names import Name, name_of
from tsext.safety.reading import Reading, reads
from tsext.safety.script import Added
from tsext.sql import grammar

_RENAMED_RELATIONS = {"table", "view", "matview", "foreign table", "sequence", "index"}


_INSTANT = {"table", "view", "matview", "foreign table", "column", "tabconstraint", "trigger", "policy", "rule"}
"""What is renamed under an ACCESS EXCLUSIVE lock of a relation."""


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
        hypertables.lock_renamed_index(reading, indexes.index_table(reading, name))
    elif relation and what in _INSTANT:
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)
    if what == "trigger":
        state = reading.script.change(name)
        state.dropped.add(node.subname)
        state.triggers.add(node.newname)
    elif what == "schema":
        reading.script.schemas[node.newname] = reading.script.schemas.pop(node.subname, False)
    own = name.name in reading.script.types or name.name in reading.script.functions
    if what in ("function", "procedure", "type", "domain"):
        reading.script.rename_otherwise(name, node.newname, is_type=what in ("type", "domain"))
    if what == "column":
        _rename_column(reading, name, node)
    elif what == "tabconstraint":
        _rename_constraint(reading, name, node)
    elif what in _RENAMED_RELATIONS:
        _rename_relation(reading, name, what, node.newname)
    elif what not in ("domconstraint", "trigger", "policy", "rule") and not own:
        gone = name if name.name else Name(None, node.subname)
        reading.script.miss(gone, reading.report(rules.RENAME_OTHER, what=what, name=gone))


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
    is_used = not reading.is_new(name) and reading.script.key(name) not in reading.script.invented
    if is_used and not index:
        reading.report_parting(rules.RENAME_TABLE, name, what=what.replace("mat", "materialized "))
    reading.script.rename(name, new)


def _rename_column(reading: Reading, table: Name, node: Any) -> None:
    if not reading.need_columns(table, node.subname):
        return
    if reading.column(table, node.newname) is not None:
        reading.report(rules.EXISTS_ALREADY, what="column", name=f"{table}.{node.newname}")
        return
    if reading.is_inherited(table, node.subname):
        what = f"renaming {node.subname}, which it inherits"
        reading.report(rules.REFUSED, table, what=what, cure="rename it in the parent")
    own, state = reading.is_own_column(table, node.subname), reading.script.change(table)
    known = state.columns.pop(node.subname, None) or node.subname
    state.rename_column(node.subname, node.newname)
    if own:
        state.columns[node.newname] = None
        return
    reading.script.replace(columns.column_of(reading, table, node.newname))
    state.lost.add(node.subname)
    state.columns[node.newname] = known
    if known != node.subname:  # nobody uses the name that an earlier statement gave it
        return
    hazard = reading.report(rules.RENAME_COLUMN, table, column=node.subname)
    reading.script.miss(columns.column_of(reading, table, node.subname), hazard)


def _rename_constraint(reading: Reading, table: Name, node: Any) -> None:
    state, known = reading.script.change(table), reading.constraint(table, node.subname)
    added = state.constraints.pop(node.subname, None)
    if reading.knows(table) and known is None and added is None:
        reading.report(rules.DOES_NOT_EXIST, table, what="constraint", name=node.subname)
        return
    if reading.constraint(table, node.newname) is not None or node.newname in state.constraints:
        reading.report(rules.EXISTS_ALREADY, table, what="constraint", name=node.newname)
        return
    state.dropped.add(node.subname)
    if added is None:
        proves = proves_not_null(known.definition) if known is not None else ()
        columns_ = frozenset(known.columns) if known is not None and known.kind == "c" else frozenset()
        primary = known is not None and known.kind == "p"
        added = Added(known is None or known.validated, proves, columns=columns_, primary=primary)
    state.constraints[node.newname] = added
    if added.validated:
        state.proven |= dict.fromkeys(added.not_null, node.newname)


@reads("alter_object_schema_stmt")
def set_schema(reading: Reading, node: Any) -> None:
    """``ALTER … SET SCHEMA``."""
    name = Name.of_range(node.relation) if node.HasField("relation") else name_of(node.object)
    database = reading.facts.database if reading.facts.is_complete else None
    if database is not None and node.newschema not in database.schemas and node.newschema not in reading.script.schemas:
        reading.report(rules.DOES_NOT_EXIST, what="schema", name=node.newschema)
        return
    what = grammar.enum_name("ObjectType", node.object_type).removeprefix("OBJECT_").lower()
    if what in ("table", "view", "matview", "foreign_table", "sequence"):
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)
    if not reading.is_new(name):
        reading.report_parting(rules.SET_SCHEMA, name, what=what.replace("_", " "))
    reading.script.rename(name, Name(node.newschema, name.name))
