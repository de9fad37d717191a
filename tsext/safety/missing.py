"""Names that statements mention, and nothing has: relations, columns, functions, types and roles.

Nothing is missing that statements may have made which cannot be read.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tsext.safety import rules, types
from tsext.safety.expressions import columns_in
from tsext.safety.names import SYSTEM_COLUMNS, Name
from tsext.safety.reading import Reading
from tsext.sql import grammar

_READ = {
    "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "select_stmt", "view_stmt", "create_table_as_stmt",
    "lock_stmt", "vacuum_stmt", "grant_stmt", "create_publication_stmt", "copy_stmt", "create_stats_stmt",
}  # fmt: skip
"""What names relations that must be there; others look for themselves."""

_TOLERANT = {"drop_stmt", "drop_role_stmt", "drop_owned_stmt", "do_stmt"}
"""What may say IF EXISTS of anything that it names."""


def look_up_relations(reading: Reading, kind: str, node: Any) -> None:
    """Report relations and columns that a statement names and that are not there, once what it does is known."""
    if kind in _ROWS:
        _ROWS[kind](reading, node)
    if kind in _READ:
        _relations(reading, node)


def look_up_others(reading: Reading, kind: str, node: Any) -> None:
    """The same of functions, types and roles, before what it does makes any."""
    database = reading.facts.database
    if database is None or not database.functions or reading.script.blind or kind in _TOLERANT:
        return
    _functions(reading, node)
    _types(reading, node)
    for each in grammar.find(node, "RoleSpec"):
        if grammar.enum_name("RoleSpecType", each.roletype) == "ROLESPEC_CSTRING":
            need_role(reading, each.rolename)


def _relations(reading: Reading, node: Any) -> None:
    defined = {each.ctename for each in grammar.find(node, "CommonTableExpr")}
    locked = {each.relname for one in grammar.find(node, "LockingClause") for each in grammar.find(one, "RangeVar")}
    for each in grammar.find(node, "RangeVar"):
        name = Name.of_range(each)
        if not (name.schema is None and name.name in defined | locked) and reading.is_missing(name):
            reading.report(rules.DOES_NOT_EXIST, what="relation", name=name)


def _functions(reading: Reading, node: Any) -> None:
    """Functions by name; by which arguments, PostgreSQL must say."""
    database = reading.facts.database
    named = [each.funcname for each in grammar.find(node, "FuncCall")]
    named += [node.funcname] if node.DESCRIPTOR.name == "CreateTrigStmt" else []
    for each in named:
        name = Name.of_list(each).name
        there = database is None or name in database.functions or name in reading.script.functions
        if not (there or _is_type(reading, name) or reading.script.extended):  # mood('sad') is a cast
            reading.report(rules.DOES_NOT_EXIST, what="function", name=f"{name}()")


def _types(reading: Reading, node: Any) -> None:
    kinds = {"ColumnDef": "type_name", "TypeCast": "type_name", "FunctionParameter": "arg_type"}
    for each in (getattr(found, field) for kind, field in kinds.items() for found in grammar.find(node, kind)):
        name = Name.of_list(each.names).name
        if name and not each.pct_type and not _is_type(reading, name) and not reading.script.extended:
            reading.report(rules.DOES_NOT_EXIST, what="type", name=name)


def _is_type(reading: Reading, name: str) -> bool:
    """Whether there is such a type, or a table of its name; arrays have an underscore before them."""
    database = reading.facts.database
    if database is None or not database.types:
        return True
    known = name in database.types or any(each[1] == name for each in database.relations)
    script = reading.script
    made = name in script.types or name in script.renamed or any(each.name == name for each in script.states)
    return known or made or name in types.SERIAL or name.startswith("_")


def need_role(reading: Reading, name: str) -> bool:
    """Report a role that is not there; whether it is, or that is not known."""
    database = reading.facts.database
    if database is None or not database.roles or reading.script.blind:
        return True
    there = name in database.roles or name in reading.script.roles or name.startswith("pg_")
    if not there:
        reading.report(rules.DOES_NOT_EXIST, what="role", name=name)
    return there


# --- columns, where one table is named


def _need(reading: Reading, table: Any, names: Collection[str]) -> None:
    """Columns of the table that a ``RangeVar`` names; the name of the table stands for a whole row."""
    known = SYSTEM_COLUMNS | {"oid", table.relname, table.alias.aliasname}
    reading.need_columns(Name.of_range(table), *sorted(set(names) - known))


def need_in(reading: Reading, table: Any, *expressions: Any) -> None:
    """The columns that expressions over one table name, without queries in them."""
    for each in expressions:
        if not len(grammar.find(each, "SubLink")):
            _need(reading, table, columns_in(each))


def _insert(reading: Reading, node: Any) -> None:
    _need(reading, node.relation, [each.res_target.name for each in node.cols])


def _change(reading: Reading, node: Any) -> None:
    targets = getattr(node, "target_list", ())
    _need(reading, node.relation, [each.res_target.name for each in targets])
    others = node.from_clause if node.DESCRIPTOR.name == "UpdateStmt" else node.using_clause
    if not len(others):
        need_in(reading, node.relation, node.where_clause, *(each.res_target.val for each in targets))


def _select(reading: Reading, node: Any) -> None:
    """A query of one table."""
    if len(node.from_clause) != 1 or node.from_clause[0].WhichOneof("node") != "range_var":
        return
    table = node.from_clause[0].range_var
    defined = {each.ctename for each in grammar.find(node, "CommonTableExpr")}
    if table.relname not in defined and not len(table.alias.colnames):
        need_in(reading, table, node.where_clause, *(each.res_target.val for each in node.target_list))


def _query(reading: Reading, node: Any) -> None:
    if node.query.WhichOneof("node") == "select_stmt":
        _select(reading, node.query.select_stmt)


def _trigger(reading: Reading, node: Any) -> None:
    _need(reading, node.relation, [each.string.sval for each in node.columns])


def _policy(reading: Reading, node: Any) -> None:
    need_in(reading, node.table, node.qual, node.with_check)


def _statistics(reading: Reading, node: Any) -> None:
    if len(node.relations) == 1 and node.relations[0].WhichOneof("node") == "range_var":
        _need(reading, node.relations[0].range_var, [each.stats_elem.name for each in node.exprs])


def _comment(reading: Reading, node: Any) -> None:
    kind = grammar.enum_name("ObjectType", node.objtype)
    parts = [each.string.sval for each in node.object.list.items]
    if kind == "OBJECT_COLUMN" and len(parts) > 1:
        reading.need_columns(Name(parts[-3] if len(parts) > 2 else None, parts[-2]), parts[-1])


_ROWS = {
    "insert_stmt": _insert, "update_stmt": _change, "delete_stmt": _change, "select_stmt": _select,
    "view_stmt": _query, "create_table_as_stmt": _query, "create_trig_stmt": _trigger, "create_policy_stmt": _policy,
    "create_stats_stmt": _statistics, "comment_stmt": _comment,
}  # fmt: skip
