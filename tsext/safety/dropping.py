"""DROP of anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tsext.catalog import RelationFacts
from tsext.model.locks import LockMode
from tsext.safety import columns, hypertables, indexes, missing, rules
from tsext.safety.names import Name, name_in, name_of
from tsext.safety.reading import Reading, cascades, reads
from tsext.safety.script import State
from tsext.sql import grammar

_LOST = {"OBJECT_TABLE", "OBJECT_SCHEMA", "OBJECT_SEQUENCE"}
"""What holds something that does not come back."""


_RELATIONS = {
    "OBJECT_TABLE": "rp",
    "OBJECT_VIEW": "v",
    "OBJECT_MATVIEW": "m",
    "OBJECT_SEQUENCE": "S",
    "OBJECT_FOREIGN_TABLE": "f",
}
"""What is a relation, and its ``pg_class.relkind``."""


_UNUSED = {"OBJECT_STATISTIC_EXT", "OBJECT_EVENT_TRIGGER", "OBJECT_PUBLICATION", "OBJECT_POLICY", "OBJECT_RULE",
           "OBJECT_TRIGGER", "OBJECT_CAST", "OBJECT_ACCESS_METHOD"}  # fmt: skip
"""What no application names."""

_ROUTINES = {"OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE", "OBJECT_AGGREGATE"}


@reads("drop_stmt")
def drop(reading: Reading, node: Any) -> None:
    """``DROP`` of anything but databases, roles and tablespaces."""
    kind = grammar.enum_name("ObjectType", node.remove_type)
    together = {reading.script.key(name_of(each)) for each in node.objects}
    for each in node.objects:
        name = name_of(each)
        if kind == "OBJECT_INDEX":
            indexes.drop_index(reading, name, node)
        elif kind in ("OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"):
            _drop_of_table(reading, each, node)
        elif not _is_own(reading, name, kind):
            _drop(reading, name, kind, node, together)
        if kind in _RELATIONS or kind == "OBJECT_INDEX":
            reading.script.drop(name)
        elif kind == "OBJECT_SCHEMA":
            reading.script.schemas.pop(name.name, None)
        elif kind in _ROUTINES:
            reading.script.functions[name.name] = []
        elif kind in ("OBJECT_TYPE", "OBJECT_DOMAIN"):
            reading.script.types.discard(name.name)
            reading.script.dropped_types.add(name.name)


def _is_own(reading: Reading, name: Name, kind: str) -> bool:
    """Whether an earlier statement made it."""
    if kind in ("OBJECT_TYPE", "OBJECT_DOMAIN"):
        return name.name in reading.script.types
    if kind in _ROUTINES:
        return name.name in reading.script.functions and name.name not in reading.script.renamed
    if kind == "OBJECT_SCHEMA":
        return reading.script.schemas.get(name.name, False)
    return kind in _RELATIONS and reading.is_new(name)


def _drop(reading: Reading, name: Name, kind: str, node: Any, together: set[Name]) -> None:
    what = kind.removeprefix("OBJECT_").replace("MATVIEW", "MATERIALIZED VIEW").replace("_", " ").lower()
    relation = kind in _RELATIONS
    if (relation and reading.is_nowhere(name)) or _is_missing_otherwise(reading, name, kind):
        if not node.missing_ok and not reading.script.blind:
            reading.report(rules.DOES_NOT_EXIST, what=what, name=name)
        return
    if relation:
        reading.lock(name, LockMode.ACCESS_EXCLUSIVE)
        if _is_something_else(reading, name, kind, what):
            return
        hypertables.refuse_drop_together(reading, name, len(together))
    cascade = cascades(node)
    takes = _drop_what_depends(reading, _Drop(name, kind, together, cascade))
    found = reading.find(name) if relation else None
    if kind == "OBJECT_TABLE":
        reading.report(rules.DROP_TABLE, name, what=what, name=name)
    elif kind not in _UNUSED and not (kind == "OBJECT_TYPE" and _is_replaced(reading, name)):
        reading.report_parting(rules.DROP_OTHER, name, what=what)
    if found is not None and found.aggregates is not None:
        reading.lock(Name(*found.aggregates), LockMode.ACCESS_EXCLUSIVE)
    if kind in _LOST or (found is not None and found.continuous_aggregate):
        reading.report(rules.LOST_TABLE, *([name] if relation else []), name=name)
    if cascade and (takes or not (reading.facts.is_complete or reading.knows(name)) or not relation):
        reading.report(rules.DROP_CASCADE, name=name)


def _is_replaced(reading: Reading, name: Name) -> bool:
    """Whether a type was renamed, so that nobody knows its name, and another has the name that it had."""
    return reading.script.renamed.get(name.name) in reading.script.types


def _is_something_else(reading: Reading, name: Name, kind: str, what: str) -> bool:
    """Whether the relation is no such thing, so that the server refuses."""
    found = reading.find(name)
    if found is None:
        return False
    if found.continuous_aggregate and kind != "OBJECT_MATVIEW":
        cure = f"DROP MATERIALIZED VIEW {name}, or op.drop_continuous_aggregate"
        reading.report(rules.HYPERTABLE_REFUSES, name, what=f"DROP {what.upper()} of a continuous aggregate", cure=cure)
        return True
    if found.kind not in _RELATIONS[kind] and not found.continuous_aggregate:
        reading.report(rules.REFUSED, name, what=f"DROP {what.upper()} of something else", cure="correct the statement")
        return True
    return False


def _is_missing_otherwise(reading: Reading, name: Name, kind: str) -> bool:
    """Whether there is no such function, type, extension or schema, as far as statements can be read."""
    if reading.facts.database is None or not reading.facts.is_complete:
        return False
    if name.name in reading.script.renamed or name.name in reading.script.extensions:
        return False
    if kind in (*_ROUTINES, "OBJECT_TYPE", "OBJECT_DOMAIN") and reading.script.known_as(name.name) is None:
        return True
    if kind in ("OBJECT_TYPE", "OBJECT_DOMAIN"):
        is_array = name.name.startswith("_")
        return name.name not in reading.facts.database.types and not is_array and not reading.script.extended
    if kind == "OBJECT_EXTENSION":
        return name.name not in reading.facts.database.extensions
    if kind == "OBJECT_SCHEMA":
        return name.name not in reading.facts.database.schemas and name.name not in reading.script.schemas
    functions = kind in ("OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE")
    return functions and name.name not in reading.facts.database.volatile


@dataclass(frozen=True)
class _Drop:
    """One name of a DROP."""

    name: Name
    kind: str
    """``ObjectType`` of the grammar, for example ``OBJECT_TABLE``."""
    together: set[Name]
    """All relations that the statement drops."""
    cascade: bool


def _drop_what_depends(reading: Reading, drop: _Drop) -> bool:
    """Whether something depends on it; what does is locked, or refuses."""
    name, kind, cascade = drop.name, drop.kind, drop.cascade
    found = reading.find(name)
    if kind in ("OBJECT_TYPE", "OBJECT_DOMAIN"):
        shown = _columns_of_type(reading, name, cascade=cascade)
    elif kind in ("OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE"):
        shown = _triggers_of(reading, name)
    elif kind == "OBJECT_SCHEMA":
        shown = _lock_schema(reading, name)
    elif found is None:
        shown = []
    else:
        shown = _dependents_of(reading, drop, found)
    if shown and not cascade:
        reading.report(rules.DEPENDENTS, *([name] if found else []), name=name, dependents=", ".join(sorted(shown)))
    return bool(shown)


def _dependents_of(reading: Reading, drop: _Drop, found: RelationFacts) -> list[str]:
    """Views that read a relation, tables that refer to it or inherit from it, and defaults that use it."""
    name, together = drop.name, drop.together
    views = _views_over(reading, name, together)
    others = [Name(each.schema, each.name) for each in reading.facts.referencing(found)]
    others = [each for each in others if drop.kind == "OBJECT_TABLE" and not reading.script.is_gone(each)]
    others += [Name(each.schema, each.name) for each in reading.facts.inheriting(found)]
    others = [each for each in others if each not in together]
    for each in reading.constraints(name):
        if each.references:
            reading.lock(Name(*each.references), LockMode.ACCESS_EXCLUSIVE)
    if found.parent is not None:
        reading.lock(Name(*found.parent), LockMode.ACCESS_EXCLUSIVE)
    if drop.cascade:
        for one in [*map(name_in, views), *others]:
            reading.lock(one, LockMode.ACCESS_EXCLUSIVE)
    named = {each.name for each in columns.depending(reading, name, None, "default", "function")}
    return [*views, *(each.name for each in others), *sorted(named)]


def _views_over(reading: Reading, name: Name, together: set[Name]) -> set[str]:
    """Views that read a relation, and those that read them."""
    views: set[str] = set()
    for each in columns.depending(reading, name, None, "view"):
        if reading.script.key(name_in(each.name)) not in together and each.name not in views:
            views |= {each.name} | _views_over(reading, name_in(each.name), together)
    return views


def _triggers_of(reading: Reading, function: Name) -> list[str]:
    """A function that triggers run cannot be dropped."""
    known = reading.script.known_as(function.name)
    relations = reading.facts.database.relations.values() if reading.facts.database is not None else ()
    return [
        f"trigger {trigger} of {each.name}"
        for each in relations
        for trigger, runs in each.triggers.items()
        if runs == known and trigger not in reading.state(Name(each.schema, each.name)).dropped
        if not reading.script.is_gone(Name(each.schema, each.name))
    ]


def _has_left_type(state: State, relation: RelationFacts, column: str) -> bool:
    """Whether a column got another type; a DEFAULT that it had before still is of the old one."""
    known = relation.columns[column]
    keeps_default = known.has_default and not known.generated and column not in state.sources
    return column in state.types and not keeps_default


def _columns_of_type(reading: Reading, name: Name, *, cascade: bool) -> list[str]:
    """A type that columns have cannot be dropped; with CASCADE they are dropped, too."""
    known = reading.script.known_as(name.name)
    users = [
        (Name(each.schema, each.name), column)
        for each, column in (reading.facts.users_of_type(known) if known is not None else ())
        if not reading.script.is_gone(Name(each.schema, each.name))
        if column not in reading.state(Name(each.schema, each.name)).lost
        if not _has_left_type(reading.state(Name(each.schema, each.name)), each, column)
    ]
    for table, column in users if cascade else ():
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        reading.report(rules.LOST_COLUMN, table, column=column)
    return [f"{table.name}.{column}" for table, column in users]


def _lock_schema(reading: Reading, schema: Name) -> list[str]:
    relations = reading.facts.database.relations.values() if reading.facts.database is not None else ()
    inside = [each for each in relations if each.schema == schema.name and each.kind in "rpmv"]
    inside = [each for each in inside if not reading.script.is_gone(Name(each.schema, each.name))]
    for each in inside:
        reading.lock(Name(each.schema, each.name), LockMode.ACCESS_EXCLUSIVE)
    return [each.name for each in inside]


def _drop_of_table(reading: Reading, each: Any, node: Any) -> None:
    """A trigger, policy or rule: its table is named before it."""
    parts = [part.string.sval for part in each.list.items]
    if len(parts) < 2:
        return
    table = Name(parts[-3] if len(parts) > 2 else None, parts[-2])
    if reading.is_missing(table):
        if not node.missing_ok:
            reading.report(rules.DOES_NOT_EXIST, what="relation", name=table)
        return
    found, state = reading.find(table), reading.script.change(table)
    if grammar.enum_name("ObjectType", node.remove_type) == "OBJECT_TRIGGER" and found is not None and found.whole:
        gone = parts[-1] in state.dropped or parts[-1] not in found.triggers
        if gone and parts[-1] not in state.triggers:
            if not node.missing_ok:
                reading.report(rules.DOES_NOT_EXIST, table, what="trigger", name=parts[-1])
            return
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    state.dropped.add(parts[-1])
    state.trigger_definitions.pop(parts[-1], None)


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


@reads("drop_role_stmt", "drop_user_mapping_stmt")
def drop_role(reading: Reading, node: Any) -> None:
    """What is known by a plain name."""
    if node.DESCRIPTOR.name != "DropRoleStmt":
        reading.report(rules.DROP_OTHER, what="user mapping", name=node.servername)
        return
    for each in (one.role_spec.rolename for one in node.roles):
        database = reading.facts.database if reading.facts.is_complete else None
        if node.missing_ok and database is not None and each not in database.roles | reading.script.roles:
            continue
        if missing.need_role(reading, each):
            reading.report(rules.DROP_OTHER, what="role", name=each)
