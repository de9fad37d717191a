"""Columns and constraints that are added to a table."""

from __future__ import annotations

from typing import Any

from tsext.model.locks import LockMode
from tsext.safety import rules, types
from tsext.safety.expressions import (
    columns_in,
    constants_in,
    is_null,
    not_null_columns,
    proves_not_null,
    volatile_function,
)
from tsext.safety.hazards import Work
from tsext.safety.names import Name
from tsext.safety.reading import Reading, columns_of
from tsext.safety.script import Added
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
    if reading.column(table, column.colname) is not None:
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        if not command.missing_ok:
            reading.report(rules.EXISTS_ALREADY, what="column", name=f"{table}.{column.colname}")
        return
    constraints = constraints_of(column)
    why = _rewrites(reading, column, constraints)
    reading.script.change(table).columns[column.colname] = None
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.REWRITE if why else None)
    new = reading.is_new(table)
    if why and not new:
        reading.report(rules.ADD_COLUMN_REWRITE, table, column=column.colname, why=why[0], cure=why[1])
    _check_null(reading, table, column, constraints)
    for each in column.constraints:
        _add_beside(reading, table, column, each.constraint)
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
            reading.need_postgresql(18, "a virtual generated column", "write STORED")
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
    database, name = reading.facts.database, type_name.rpartition(".")[2]
    return name in reading.script.constrained or (database is not None and name in database.constrained_domains)


def _check_null(reading: Reading, table: Name, column: Any, constraints: dict[str, Any]) -> None:
    """A new column that must not be null, and has nothing to be filled with."""
    filled = ("CONSTR_GENERATED", "CONSTR_IDENTITY")
    default = constraints.get("CONSTR_DEFAULT")
    has_value = any(kind in constraints for kind in filled) or (default is not None and not is_null(default.raw_expr))
    serial = types.of_node(column.type_name).name in types.SERIAL
    if "CONSTR_NOTNULL" not in constraints and "CONSTR_PRIMARY" not in constraints:
        return
    if has_value or serial:
        generated = constraints.get("CONSTR_GENERATED")
        if generated is not None and generated.generated_kind == "v" and not reading.is_new(table):
            reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.SCAN)
            reading.report(rules.SET_NOT_NULL, table, column=column.colname)
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
        # without a value the new column is null everywhere, which no foreign key minds
        valued = any(each in constraints_of(column) for each in ("CONSTR_DEFAULT", "CONSTR_GENERATED"))
        _foreign_key(reading, table, constraint, validated=valued)
        found = reading.find(table)
        if not valued and found is not None and found.hypertable is not None:
            # TimescaleDB gives each chunk a constraint of its own, which looks at the rows
            reading.lock(table, LockMode.SHARE_ROW_EXCLUSIVE, Work.SCAN)
            referenced = Name.of_range(constraint.pktable)
            words = {"name": f"fk_{table.name}_{referenced.name}", "referenced": referenced}
            reading.report(rules.ADD_FOREIGN_KEY, table, referenced, **words)
    elif kind in ("CONSTR_CHECK", "CONSTR_UNIQUE", "CONSTR_PRIMARY"):
        _add(reading, table, constraint, [column.colname])


# --- constraints


def add_constraint(reading: Reading, table: Name, command: Any) -> None:
    """``ADD [CONSTRAINT …]``."""
    constraint = getattr(command, "def").constraint
    name = constraint.conname
    if name and (reading.constraint(table, name) is not None or name in reading.state(table).constraints):
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        reading.report(rules.EXISTS_ALREADY, table, what="constraint", name=name)
        return
    if kind_of(constraint) == "CONSTR_FOREIGN":
        columns = [each.string.sval for each in constraint.fk_attrs]
        reading.need_columns(table, *columns)
        _foreign_key(reading, table, constraint, validated=not constraint.skip_validation)
    else:
        columns = [each.string.sval for each in constraint.keys]
        reading.need_columns(table, *columns)
        _add(reading, table, constraint, columns)
    if name:
        reading.script.change(table).constraints.setdefault(name, Added(validated=True))


def _foreign_key(reading: Reading, table: Name, constraint: Any, *, validated: bool) -> None:
    referenced = Name.of_range(constraint.pktable)
    new = reading.is_new(table)
    _check_referenced(reading, referenced, constraint)
    found = reading.find(table)
    if constraint.skip_validation and found is not None and found.kind == "p" and reading.facts.postgresql < 18:
        cure = "add it in a maintenance window, or to each partition"
        reading.need_postgresql(18, "a foreign key NOT VALID of a partitioned table", cure)
    work = Work.SCAN if validated and not new else None
    reading.lock(table, LockMode.SHARE_ROW_EXCLUSIVE, work)
    reading.lock(referenced, LockMode.SHARE_ROW_EXCLUSIVE, work)
    if constraint.skip_validation:
        reading.script.change(table).constraints[constraint.conname] = Added(validated=False)
    elif work is not None:
        name = constraint.conname or f"fk_{table.name}_{referenced.name}"
        reading.report(rules.ADD_FOREIGN_KEY, table, referenced, name=name, referenced=referenced)


def _check_referenced(reading: Reading, referenced: Name, constraint: Any) -> None:
    """A foreign key needs a table, and a unique key of it."""
    if reading.is_missing(referenced):
        reading.report(rules.DOES_NOT_EXIST, what="table", name=referenced)
        return
    found = reading.find(referenced)
    columns = {each.string.sval for each in constraint.pk_attrs}
    if found is None or not reading.need_columns(referenced, *columns) or reading.state(referenced).constraints:
        return
    primary = [set(each.columns) for each in reading.constraints(referenced) if each.kind == "p"]
    usable = (each for each in found.indexes.values() if each.unique and each.whole and not each.has_expressions)
    keys = [set(each.columns) for each in usable] + primary
    if (columns not in keys) if columns else not primary:
        what = f"a foreign key to columns of {referenced} that no unique key has"
        reading.report(rules.REFUSED, referenced, what=what, cure=f"add a unique key to {referenced} first")


def _add(reading: Reading, table: Name, constraint: Any, columns: list[str]) -> None:
    kind = kind_of(constraint)
    if kind == "CONSTR_CHECK":
        _add_check(reading, table, constraint)
    elif kind == "CONSTR_NOTNULL":
        reading.need_postgresql(18, "ADD … NOT NULL", "ALTER COLUMN … SET NOT NULL")
        _add_not_null(reading, table, constraint, columns)
    elif kind in ("CONSTR_UNIQUE", "CONSTR_PRIMARY", "CONSTR_EXCLUSION"):
        _add_key(reading, table, constraint, columns)
    else:
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)


def _add_check(reading: Reading, table: Name, constraint: Any) -> None:
    columns = not_null_columns(constraint.raw_expr)
    reading.need_columns(table, *columns_in(constraint.raw_expr))
    if not constraint.is_enforced:
        reading.need_postgresql(18, "NOT ENFORCED", "leave it out")
    new, state = reading.is_new(table), reading.script.change(table)
    valid = not constraint.skip_validation
    state.constraints[constraint.conname] = Added(valid, columns, constants_in(constraint.raw_expr))
    if valid:
        state.proven |= set(columns)
        state.checked.append(constants_in(constraint.raw_expr))
    scans = valid and not new
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.SCAN if scans else None)
    if scans:
        reading.report(rules.ADD_CHECK, table, name=constraint.conname or f"ck_{table.name}")


def _add_not_null(reading: Reading, table: Name, constraint: Any, columns: list[str]) -> None:
    proven = all(is_proven(reading, table, column) for column in columns)
    if constraint.skip_validation:
        reading.script.change(table).constraints[constraint.conname] = Added(False, tuple(columns))
    scans = not (constraint.skip_validation or proven or reading.is_new(table))
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.SCAN if scans else None)
    if scans:
        reading.report(rules.SET_NOT_NULL, table, column=", ".join(columns))


def is_proven(reading: Reading, table: Name, column: str) -> bool:
    """Whether a valid constraint says that the column is not null, so that nothing needs to be scanned."""
    state = reading.state(table)
    if column in state.proven:
        return True
    if reading.find(table) is None:
        return reading.facts.database is None and state.validated
    known = reading.column(table, column)
    if known is not None and known.not_null:
        return True
    valid = [each for each in reading.constraints(table) if each.kind in "cn" and each.validated]
    name = known.name if known is not None else column
    return any(name in proves_not_null(each.definition) for each in valid)


# --- keys


def _add_key(reading: Reading, table: Name, constraint: Any, columns: list[str]) -> None:
    kind, new = kind_of(constraint), reading.is_new(table)
    if kind == "CONSTR_PRIMARY" and any(each.kind == "p" for each in reading.constraints(table)):
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        reading.report(rules.EXISTS_ALREADY, table, what="primary key of", name=table)
        return
    if constraint.indexname:
        _use_index(reading, table, constraint)
        return
    found = reading.find(table)
    if found is not None and not set(found.partition_key) <= set(columns) and kind != "CONSTR_EXCLUSION":
        what, lacking = "a unique constraint", ", ".join(sorted(set(found.partition_key) - set(columns)))
        reading.report(
            rules.REFUSED, table, what=f"{what} without {lacking}, by which it is partitioned", cure="add it"
        )
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, None if new else Work.BUILD)
    by_kind = {"CONSTR_UNIQUE": rules.ADD_UNIQUE, "CONSTR_PRIMARY": rules.ADD_PRIMARY_KEY}
    if not new:
        name = constraint.conname or f"uq_{table.name}"
        reading.report(by_kind.get(kind, rules.ADD_EXCLUSION), table, name=name, columns=columns_of(columns))


def _use_index(reading: Reading, table: Name, constraint: Any) -> None:
    """``ADD CONSTRAINT … USING INDEX``: instant, but for a primary key over columns that may be null."""
    index = Name(reading.script.key(table).schema, constraint.indexname)
    found, made = reading.find(table), reading.state(index)
    known = found.indexes.get(constraint.indexname) if found is not None and not made.gone else None
    nullable: list[str] = []
    if found is not None and known is None and not made.new:
        reading.report(rules.DOES_NOT_EXIST, table, what="index", name=index)
    elif known is not None and not (known.unique and known.whole and known.valid and not known.has_expressions):
        wanted = "a valid unique index, without WHERE and expressions"
        reading.report(rules.REFUSED, table, what=f"{known.name} as a constraint", cure=f"it takes {wanted}")
    if kind_of(constraint) == "CONSTR_PRIMARY" and found is not None:
        columns = made.indexed if made.new else known.columns if known is not None else ()
        nullable = [each for each in columns if not is_proven(reading, table, each)]
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.SCAN if nullable else None)
    if nullable and not reading.is_new(table):
        reading.report(rules.SET_NOT_NULL, table, column=", ".join(nullable))
