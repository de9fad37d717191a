"""Columns and constraints that are added to a table."""

from __future__ import annotations

from typing import Any

from tsext.model.locks import LockMode
from tsext.safety import rules, types
from tsext.safety.expressions import is_null, not_null_columns, proves_not_null, volatile_function
from tsext.safety.hazards import Work
from tsext.safety.names import Name
from tsext.safety.reading import Reading, columns_of
from tsext.sql import grammar

_SEPARATELY = "add the column without it, then set the DEFAULT, then op.backfill the rows that are there"


def kind_of(constraint: Any) -> str:
    """Such as ``CONSTR_CHECK``."""
    return grammar.enum_name("ConstrType", constraint.contype)


def constraints_of(column: Any) -> dict[str, Any]:
    """What stands beside a column's type, by kind."""
    return {kind_of(each.constraint): each.constraint for each in column.constraints}


# --- columns


def add_column(reading: Reading, table: Name, command: Any) -> None:
    """``ADD COLUMN``, with the constraints that stand beside it."""
    column = getattr(command, "def").column_def
    found = reading.find(table)
    if found is not None and column.colname in found.columns and (table, column.colname) not in reading.script.columns:
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        if not command.missing_ok:
            reading.report(rules.EXISTS_ALREADY, what="column", name=f"{table}.{column.colname}")
        return
    constraints = constraints_of(column)
    reading.script.columns.add((table, column.colname))
    why = _rewrites(reading, column, constraints)
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.REWRITE if why else None)
    new = reading.is_new(table)
    if why and not new:
        reading.report(rules.ADD_COLUMN_REWRITE, table, column=column.colname, why=why[0], cure=why[1])
    _check_null(reading, table, column, constraints)
    for each in constraints.values():
        _add_beside(reading, table, column, each)
    if not new and types.of_node(column.type_name).name == "json":
        reading.report(rules.JSON_COLUMN, table, column=column.colname)


def _rewrites(reading: Reading, column: Any, constraints: dict[str, Any]) -> tuple[str, str] | None:
    """Why a new column is written into every row, and what to do instead; None if it is not."""
    type_ = types.of_node(column.type_name)
    if type_.name in types.SERIAL:
        return "a serial is numbered row by row", f"add an integer column, create a sequence for it; {_SEPARATELY}"
    if "CONSTR_IDENTITY" in constraints:
        return "an identity is numbered row by row", f"{_SEPARATELY}; then ADD GENERATED … AS IDENTITY"
    generated = constraints.get("CONSTR_GENERATED")
    if generated is not None:
        if generated.generated_kind == "v":
            if reading.facts.database is not None and reading.facts.postgresql < 18:
                words = {"needed": "PostgreSQL 18", "found": f"PostgreSQL {reading.facts.postgresql}"}
                reading.report(rules.VERSION, what="a virtual generated column", cure="write STORED", **words)
            return None
        return "a stored generated column is computed for each row", (
            "add a plain column, keep it up to date with a trigger, and op.backfill the rows that are there"
        )
    if _is_constrained_domain(reading, type_.name):
        return "its type is a domain with constraints", "add the column with the domain's base type and a CHECK"
    default = constraints.get("CONSTR_DEFAULT")
    volatile = volatile_function(default.raw_expr, reading.facts) if default is not None else None
    if volatile is None:
        return None
    name, sure = volatile
    return f"{name}() {'gives' if sure else 'may give'} each row a value of its own", _SEPARATELY


def _is_constrained_domain(reading: Reading, type_name: str) -> bool:
    database = reading.facts.database
    return database is not None and type_name.rpartition(".")[2] in database.constrained_domains


def _check_null(reading: Reading, table: Name, column: Any, constraints: dict[str, Any]) -> None:
    """A new column that must not be null, and has nothing to be filled with."""
    filled = ("CONSTR_GENERATED", "CONSTR_IDENTITY")
    default = constraints.get("CONSTR_DEFAULT")
    has_value = any(kind in constraints for kind in filled) or (default is not None and not is_null(default.raw_expr))
    serial = types.of_node(column.type_name).name in types.SERIAL
    if "CONSTR_NOTNULL" not in constraints and "CONSTR_PRIMARY" not in constraints:
        return
    if has_value or serial:
        return
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.SCAN)
    if reading.is_new(table):
        return
    found = reading.find(table)
    if found is not None and found.has_rows:
        reading.report(rules.NULLS, table, column=column.colname)
    reading.report(rules.NOT_NULL_WITHOUT_DEFAULT, table, column=column.colname)


def _add_beside(reading: Reading, table: Name, column: Any, constraint: Any) -> None:
    """A constraint that stands beside a new column's type."""
    kind = kind_of(constraint)
    if kind == "CONSTR_FOREIGN":
        has_default = any(each == "CONSTR_DEFAULT" for each in constraints_of(column))
        # without a default the new column is null everywhere, which no foreign key minds
        _foreign_key(reading, table, constraint, validated=has_default)
    elif kind in ("CONSTR_CHECK", "CONSTR_UNIQUE", "CONSTR_PRIMARY"):
        _add(reading, table, constraint, [column.colname])


# --- constraints


def add_constraint(reading: Reading, table: Name, command: Any) -> None:
    """``ADD [CONSTRAINT …]``."""
    constraint = getattr(command, "def").constraint
    found = reading.find(table)
    known = found.constraints.get(constraint.conname) if found is not None and constraint.conname else None
    if known is not None and not _was_dropped(reading, table, constraint.conname):
        reading.report(rules.EXISTS_ALREADY, table, what="constraint", name=constraint.conname)
        return
    if kind_of(constraint) == "CONSTR_FOREIGN":
        _foreign_key(reading, table, constraint, validated=not constraint.skip_validation)
    else:
        _add(reading, table, constraint, [each.string.sval for each in constraint.keys])


def _was_dropped(reading: Reading, table: Name, constraint: str) -> bool:
    return (table, constraint) in reading.script.not_valid


def _foreign_key(reading: Reading, table: Name, constraint: Any, *, validated: bool) -> None:
    referenced = Name.of_range(constraint.pktable)
    new = reading.is_new(table)
    if reading.is_missing(referenced):
        reading.report(rules.DOES_NOT_EXIST, what="table", name=referenced)
    work = Work.SCAN if validated and not new else None
    reading.lock(table, LockMode.SHARE_ROW_EXCLUSIVE, work)
    reading.lock(referenced, LockMode.SHARE_ROW_EXCLUSIVE, work)
    if constraint.skip_validation:
        reading.script.not_valid[table, constraint.conname] = ()
    elif work is not None:
        name = constraint.conname or f"fk_{table.name}_{referenced.name}"
        reading.report(rules.ADD_FOREIGN_KEY, table, referenced, name=name, referenced=referenced)


def _add(reading: Reading, table: Name, constraint: Any, columns: list[str]) -> None:
    kind, new = kind_of(constraint), reading.is_new(table)
    if kind == "CONSTR_CHECK":
        _add_check(reading, table, constraint)
    elif kind == "CONSTR_NOTNULL":
        _add_not_null(reading, table, constraint, columns)
    elif kind in ("CONSTR_UNIQUE", "CONSTR_PRIMARY", "CONSTR_EXCLUSION"):
        if constraint.indexname:
            _use_index(reading, table, constraint)
            return
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE, None if new else Work.BUILD)
        by_kind = {"CONSTR_UNIQUE": rules.ADD_UNIQUE, "CONSTR_PRIMARY": rules.ADD_PRIMARY_KEY}
        if not new:
            name = constraint.conname or f"uq_{table.name}"
            reading.report(by_kind.get(kind, rules.ADD_EXCLUSION), table, name=name, columns=columns_of(columns))
    else:
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)


def _add_check(reading: Reading, table: Name, constraint: Any) -> None:
    columns = not_null_columns(constraint.raw_expr)
    reading.script.checked.add(table)
    if constraint.skip_validation:
        reading.script.not_valid[table, constraint.conname] = columns
    else:
        reading.script.proven |= {(table, column) for column in columns}
    new = reading.is_new(table)
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, None if constraint.skip_validation or new else Work.SCAN)
    if not constraint.skip_validation and not new:
        reading.report(rules.ADD_CHECK, table, name=constraint.conname or f"ck_{table.name}")


def _add_not_null(reading: Reading, table: Name, constraint: Any, columns: list[str]) -> None:
    found = reading.find(table)
    proven = all((table, column) in reading.script.proven for column in columns)
    if found is not None:
        checks = [each for each in found.constraints.values() if each.kind in "cn" and each.validated]
        known = {column for each in checks for column in proves_not_null(each.definition)}
        proven = proven or set(columns) <= known
    if constraint.skip_validation:
        reading.script.not_valid[table, constraint.conname] = tuple(columns)
    scans = not (constraint.skip_validation or proven or reading.is_new(table))
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.SCAN if scans else None)
    if scans:
        reading.report(rules.SET_NOT_NULL, table, column=", ".join(columns))


def _use_index(reading: Reading, table: Name, constraint: Any) -> None:
    """``ADD CONSTRAINT … USING INDEX``: instant, but for a primary key over columns that may be null."""
    index = Name(table.schema, constraint.indexname)
    found = reading.find(table)
    known = found.indexes.get(constraint.indexname) if found is not None else None
    if found is not None and known is None and not reading.is_new(index):
        reading.report(rules.DOES_NOT_EXIST, table, what="index", name=index)
    nullable = []
    if kind_of(constraint) == "CONSTR_PRIMARY" and found is not None and known is not None:
        columns = [found.columns[each] for each in known.columns if each in found.columns]
        nullable = [
            each.name for each in columns if not each.not_null and (table, each.name) not in reading.script.proven
        ]
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.SCAN if nullable else None)
    if nullable and not reading.is_new(table):
        reading.report(rules.SET_NOT_NULL, table, column=", ".join(nullable))
