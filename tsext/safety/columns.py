"""Columns that are added, changed and dropped."""

from __future__ import annotations

from typing import Any

from tsext.catalog import Dependent, RelationFacts
from tsext.model.locks import LockMode, Work
from tsext.safety import constraints, definitions, hints, rules, types
from tsext.safety.constraints import constraints_of, is_proven, kind_of
from tsext.safety.expressions import columns_in, is_null, volatile_function
from tsext.safety.names import Name, name_in
from tsext.safety.reading import Reading, cascades

_EXPRESSION = ("SET EXPRESSION", "add a column beside it, and drop the old one in a contract revision")
_IN_BATCHES = "op.add_column_with_default, which fills the rows that are there in batches"


def add_column(reading: Reading, table: Name, command: Any) -> None:
    """``ADD COLUMN``, with the constraints that stand beside it."""
    column = getattr(command, "def").column_def
    added = column.colname in reading.state(table).columns
    if added or reading.column(table, column.colname) is not None:
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        if not command.missing_ok:
            reading.report(rules.EXISTS_ALREADY, what="column", name=f"{table}.{column.colname}")
        return
    constraints = constraints_of(column)
    _refuse_lonely(reading, table)
    definitions.refuse_column(reading, table, column)
    why = _rewrites(reading, column, constraints)
    state = reading.script.change(table)
    state.columns[column.colname] = None
    state.types[column.colname] = types.of_new_column(column.type_name)
    generated = constraints.get("CONSTR_GENERATED")
    if generated is not None:
        state.sources[column.colname] = "generated"
        state.computed[column.colname] = frozenset(columns_in(generated.raw_expr))
    elif "CONSTR_IDENTITY" in constraints:
        state.sources[column.colname] = "identity"
    if not constraints.keys() & {"CONSTR_DEFAULT", "CONSTR_GENERATED", "CONSTR_IDENTITY"} and not why:
        state.empty.add(column.colname)
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.REWRITE if why else None)
    new = reading.is_new(table)
    if why and not new:
        reading.report(rules.ADD_COLUMN_REWRITE, table, column=column.colname, why=why[0], cure=why[1])
    _check_null(reading, table, column, constraints)
    for each in column.constraints:
        _add_beside(reading, table, column, each.constraint)
    if not new and types.of_node(column.type_name).name == "json":
        reading.report(rules.JSON_COLUMN, table, column=column.colname)


def _refuse_lonely(reading: Reading, table: Name) -> None:
    """A partition has the columns of its parent, and no others."""
    parent = reading.parent(table)
    if parent is not None and parent.kind == "p":
        reading.report(rules.REFUSED, table, what="a column that only a partition has", cure="add it to the parent")


def _rewrites(reading: Reading, column: Any, constraints: dict[str, Any]) -> tuple[str, str] | None:
    """Why a new column is written into every row, and what to do instead; None if it is not."""
    type_ = types.of_node(column.type_name)
    if type_.name in types.SERIAL:
        return (
            "a serial is numbered row by row",
            f"make a sequence the default of an integer: {_IN_BATCHES}",
        )
    if "CONSTR_IDENTITY" in constraints:
        return "an identity is numbered row by row", f"make a sequence the default: {_IN_BATCHES}"
    generated = constraints.get("CONSTR_GENERATED")
    if generated is not None:
        if generated.generated_kind == "v":
            reading.need_postgresql(18, "a virtual generated column", "write STORED")
            return None
        return "a stored generated column is computed for each row", (
            "add a plain column, keep it up to date with a trigger, and fill the rows that are there in batches"
        )
    if _is_constrained_domain(reading, type_.name):
        return "its type is a domain with constraints", "add the column with the domain's base type and a CHECK"
    default = constraints.get("CONSTR_DEFAULT")
    expression = default.raw_expr if default is not None else reading.domain_default(type_.name)
    volatile = volatile_function(expression, reading.script) if expression is not None else None
    if volatile is None:
        return None
    name, sure = volatile
    return f"{name}() {'gives' if sure else 'may give'} each row a value of its own", _IN_BATCHES


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
    if default is not None:
        reading.script.change(table).required.add(column.colname)
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
        constraints.add_foreign_key(reading, table, constraint, [column.colname], validated=valued)
        found = reading.find(table)
        if not valued and found is not None and found.hypertable is not None:
            # TimescaleDB gives each chunk a constraint of its own, which looks at the rows
            reading.lock(table, LockMode.SHARE_ROW_EXCLUSIVE, Work.SCAN)
            referenced = Name.of_range(constraint.pktable)
            arguments = hints.foreign_key(reading, table, constraint, [column.colname])
            reading.report(rules.ADD_FOREIGN_KEY, table, referenced, arguments=arguments, referenced=referenced)
    elif kind in ("CONSTR_CHECK", "CONSTR_UNIQUE", "CONSTR_PRIMARY"):
        constraints.add(reading, table, constraint, [column.colname])


def drop_column(reading: Reading, table: Name, command: Any) -> None:
    """``DROP COLUMN``."""
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    if reading.lacks_column(table, command.name) or (
        command.missing_ok and reading.knows_no_column(table, command.name)
    ):
        if not command.missing_ok:
            reading.need_columns(table, command.name)
        return
    column, found = reading.column(table, command.name), reading.find(table)
    own = reading.is_own_column(table, command.name)
    state = reading.script.change(table)
    computed = [] if cascades(command) else state.computing(command.name)
    if computed:
        shown = ", ".join(f"generated column {each}" for each in computed)
        reading.report(rules.DEPENDENTS, table, name=f"{table}.{command.name}", dependents=shown)
    state.forget_column(command.name)
    state.columns.pop(command.name, None)
    state.lost.add(column.name if column is not None else command.name)
    if own:
        return
    if found is not None and column is not None:
        if reading.is_inherited(table, column.name):
            reading.report(
                rules.REFUSED, table, what=f"dropping {command.name}, which it inherits", cure="drop it there"
            )
        if column.name in found.partition_key:
            what = f"dropping {command.name}, by which it is partitioned"
            reading.report(rules.REFUSED, table, what=what, cure="make a new table and copy in batches")
        _drop_what_depends(reading, table, command, found, column.name)
        _drop_with_it(reading, table, found, column.name)
    elif cascades(command):
        reading.report(rules.DROP_CASCADE, table, name=f"{table}.{command.name}")
    hazard = reading.report(rules.DROP_COLUMN, table, column=command.name)
    reading.script.miss(column_of(reading, table, command.name), hazard)
    reading.report(rules.LOST_COLUMN, table, column=command.name)


def _drop_with_it(reading: Reading, table: Name, found: RelationFacts, column: str) -> None:
    """Constraints and indexes of a column go with it, so that their names are free."""
    constraints = [each.name for each in reading.constraints(table) if column in each.columns]
    reading.script.change(table).dropped.update(constraints)
    for each in found.indexes.values():
        if column in each.columns or column in each.reads:
            reading.script.drop(Name(found.schema, each.name))


def column_of(reading: Reading, table: Name, column: str) -> Name:
    """What to call a column, so that another can take its place."""
    return Name(f"{reading.script.key(table)}", f"column {column}")


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
    if cascades(command):
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
    kinds = kinds or ("view", "policy", "trigger", "generated column", "function")
    return [
        each
        for each in found.dependents
        if each.kind in kinds and (column is None or each.column == column)
        if not _is_gone(reading, table, each)
    ]


def _is_gone(reading: Reading, table: Name, dependent: Dependent) -> bool:
    """Whether an earlier statement has dropped it, or made something else of it."""
    if dependent.kind == "view":
        return reading.script.is_gone(name_in(dependent.name))
    if dependent.kind == "function":
        return dependent.name in reading.script.functions
    return dependent.name in reading.state(table).dropped | reading.state(table).lost


def set_not_null(reading: Reading, table: Name, command: Any) -> None:
    """``SET NOT NULL``: a scan, unless a constraint proves it."""
    reading.need_columns(table, command.name)
    proven = is_proven(reading, table, command.name)
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, None if proven else Work.SCAN)
    state = reading.script.change(table)
    state.proven[command.name] = ""
    state.nullable.discard(command.name)
    if not proven and not reading.is_new(table):
        reading.report(rules.SET_NOT_NULL, table, column=command.name)


def drop_not_null(reading: Reading, table: Name, command: Any) -> None:
    """``DROP NOT NULL``."""
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    if not reading.need_columns(table, command.name):
        return
    state = reading.script.change(table)
    state.proven.pop(command.name, None)
    state.nullable.add(command.name)
    for name, added in state.constraints.items():
        if added.validated and command.name in added.not_null:
            state.proven[command.name] = name
    keys = [each for each in reading.constraints(table) if each.kind == "p" and command.name in each.columns]
    if keys:
        cure = f"drop {keys[0].name} first"
        reading.report(
            rules.REFUSED, table, what=f"a column {command.name} of its primary key that may be null", cure=cure
        )
    elif definitions.source_of(reading, table, command.name) == "identity":
        what = f"an identity column {command.name} that may be null"
        reading.report(rules.REFUSED, table, what=what, cure="DROP IDENTITY first")


def alter_column(reading: Reading, table: Name, command: Any) -> None:
    """What is instant, if there is such a column."""
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    reading.need_columns(table, command.name)


def set_default(reading: Reading, table: Name, command: Any) -> None:
    """``SET DEFAULT`` and ``DROP DEFAULT``."""
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    source = definitions.source_of(reading, table, command.name)
    if reading.need_columns(table, command.name) and source in ("generated", "identity"):
        what = f"a DEFAULT of {command.name}, which is generated"
        reading.report(rules.REFUSED, table, what=what, cure="DROP EXPRESSION or DROP IDENTITY first")
        return
    dropped = not command.HasField("def")
    reading.script.change(table).sources[command.name] = "" if dropped else "default"
    if not dropped:
        definitions.refuse_default(reading, table, reading.type_of(table, command.name), getattr(command, "def"))
        reading.script.replace(_default_of(reading, table, command.name))
    elif reading.is_new(table):
        return
    elif command.name in reading.state(table).required:
        reading.report(rules.DROP_DEFAULT_OF_NEW, table, column=command.name)
    elif source and constraints.is_proven(reading, table, command.name):
        hazard = reading.report(rules.DROP_DEFAULT, table, column=command.name)
        reading.script.miss(_default_of(reading, table, command.name), hazard)


def _default_of(reading: Reading, table: Name, column: str) -> Name:
    """What to call what gives a column its value, so that another can take its place."""
    return Name(f"{reading.script.key(table)}", f"default of {column}")


def drop_expression(reading: Reading, table: Name, command: Any) -> None:
    """``DROP EXPRESSION``."""
    alter_column(reading, table, command)
    _refuse_drop(reading, table, command, "generated")
    state = reading.script.change(table)
    state.computed.pop(command.name, None)
    state.sources[command.name] = ""


def _refuse_drop(reading: Reading, table: Name, command: Any, wanted: str) -> None:
    known = reading.column(table, command.name)
    if known is not None and definitions.source_of(reading, table, command.name) != wanted and not command.missing_ok:
        what = f"to drop what {command.name} has not: it is no {wanted} column"
        reading.report(rules.REFUSED, table, what=what, cure="write IF EXISTS")


def drop_identity(reading: Reading, table: Name, command: Any) -> None:
    """``DROP IDENTITY``."""
    alter_column(reading, table, command)
    _refuse_drop(reading, table, command, "identity")
    known, source = reading.column(table, command.name), definitions.source_of(reading, table, command.name)
    reading.script.change(table).sources[command.name] = ""
    if not reading.is_own_column(table, command.name) and (known is None or source == "identity"):
        hazard = reading.report(rules.DROP_IDENTITY, table, column=command.name)
        reading.script.miss(_default_of(reading, table, command.name), hazard)


def add_identity(reading: Reading, table: Name, command: Any) -> None:
    """``ADD GENERATED … AS IDENTITY``."""
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    reading.script.replace(_default_of(reading, table, command.name))
    column, source = reading.column(table, command.name), definitions.source_of(reading, table, command.name)
    if not reading.need_columns(table, command.name) or column is None:
        return
    state = reading.script.change(table)
    state.sources[command.name] = "identity"
    nullable = not column.not_null or command.name in state.nullable
    if nullable and command.name not in state.proven:
        cure = f'op.set_not_null("{table}", "{command.name}") first'
        reading.report(rules.REFUSED, table, what=f"an identity {command.name} that may be null", cure=cure)
    elif source:
        what = f"an identity {command.name} that has a DEFAULT"
        reading.report(rules.REFUSED, table, what=what, cure="DROP DEFAULT first, in the same ALTER TABLE")


def set_expression(reading: Reading, table: Name, command: Any) -> None:
    """``SET EXPRESSION``: the values are computed anew."""
    if reading.need_postgresql(17, "SET EXPRESSION", "add a column beside it"):
        rewrite(reading, table, *_EXPRESSION)


def rewrite(reading: Reading, table: Name, what: str, cure: str) -> None:
    """Every row is written anew."""
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.REWRITE)
    if not reading.is_new(table):
        reading.report(rules.REWRITE_TABLE, table, what=what, cure=cure)
