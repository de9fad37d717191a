"""Constraints that are added, validated and dropped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import count
from typing import Any

from tsext.catalog import ConstraintFacts, RelationFacts
from tsext.model.locks import LockMode, Work
from tsext.safety import casting, hints, rules
from tsext.safety.expressions import columns_in, constants_in, constants_of, not_null_columns, proves_not_null
from tsext.safety.names import Name
from tsext.safety.reading import Reading, cascades
from tsext.safety.script import Added, State
from tsext.sql import grammar


def kind_of(constraint: Any) -> str:
    """Such as ``CONSTR_CHECK``."""
    return grammar.enum_name("ConstrType", constraint.contype)


def constraints_of(column: Any) -> dict[str, Any]:
    """What stands beside a column's type, by kind."""
    return {kind_of(each.constraint): each.constraint for each in column.constraints}


def add_constraint(reading: Reading, table: Name, command: Any) -> None:
    """``ADD [CONSTRAINT …]``."""
    constraint = getattr(command, "def").constraint
    name = constraint.conname
    there = reading.constraint(table, name) is not None or name in reading.state(table).constraints
    if name and there and kind_of(constraint) != "CONSTR_NOTNULL":  # which is merged with one that is there
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        reading.report(rules.EXISTS_ALREADY, table, what="constraint", name=name)
        return
    if kind_of(constraint) == "CONSTR_FOREIGN":
        columns = [each.string.sval for each in constraint.fk_attrs]
        reading.need_columns(table, *columns)
        add_foreign_key(reading, table, constraint, columns, validated=not constraint.skip_validation)
    else:
        columns = [each.string.sval for each in constraint.keys]
        reading.need_columns(table, *columns)
        add(reading, table, constraint, columns)
    added = reading.script.change(table).constraints
    unnamed = added.pop("", Added(not constraint.skip_validation))
    if constraint.HasField("pktable"):
        unnamed = _added_key(reading, constraint, columns)
    known = {each.name for each in reading.constraints(table)} | set(added)
    added.setdefault(name or usual_name(table.name, constraint, columns, known), unnamed)


def _added_key(reading: Reading, constraint: Any, columns: list[str]) -> Added:
    """A foreign key that was added."""
    referenced = Name.of_range(constraint.pktable)
    keys = [each.string.sval for each in constraint.pk_attrs] or primary_key(reading, referenced)
    key, valid = reading.script.key(referenced), not constraint.skip_validation
    return Added(valid, references=key, referring=tuple(columns), referenced=tuple(keys))


_SUFFIXES = {"CONSTR_PRIMARY": "pkey", "CONSTR_UNIQUE": "key", "CONSTR_EXCLUSION": "excl", "CONSTR_FOREIGN": "fkey",
             "CONSTR_CHECK": "check", "CONSTR_NOTNULL": "not_null"}  # fmt: skip


def usual_name(table: str, constraint: Any, columns: list[str], known: Collection[str]) -> str:
    """What PostgreSQL calls a constraint that is given no name: ``ChooseConstraintName`` in pg_constraint.c.

    :param known: the names of other constraints.
    """
    kind = kind_of(constraint)
    if kind == "CONSTR_CHECK":
        read = columns_in(constraint.raw_expr)
        columns = sorted(read) if len(read) == 1 else []
    columns = [*columns, *(each.string.sval for each in constraint.including)]
    named = () if kind == "CONSTR_PRIMARY" else columns
    name = constraint.indexname or "_".join([table, *named, _SUFFIXES.get(kind, "")])
    return next(each for each in (f"{name}{number or ''}" for number in count()) if each not in known)


def add_foreign_key(reading: Reading, table: Name, constraint: Any, columns: list[str], *, validated: bool) -> None:
    """A foreign key, alone or beside a column; ``validated``: whether rows that are there are checked."""
    referenced = Name.of_range(constraint.pktable)
    nothing_to_check = reading.is_new(table) and (not reading.state(table).filled or reading.is_new(referenced))
    check_referenced(reading, referenced, constraint)
    keys = [each.string.sval for each in constraint.pk_attrs] or primary_key(reading, referenced)
    refuse_types(reading, table, columns, referenced, keys)
    found = reading.find(table)
    if constraint.skip_validation and found is not None and found.kind == "p" and not reading.depth:
        cure = "add it in a maintenance window, or to each partition"
        reading.need_postgresql(18, "a foreign key NOT VALID of a partitioned table", cure)
    work = Work.SCAN if validated and not nothing_to_check else None
    reading.lock(table, LockMode.SHARE_ROW_EXCLUSIVE, work)
    reading.lock(referenced, LockMode.SHARE_ROW_EXCLUSIVE, work)
    if work is not None:
        arguments = hints.foreign_key(reading, table, constraint, columns)
        reading.report(rules.ADD_FOREIGN_KEY, table, referenced, arguments=arguments, referenced=referenced)


def refuse_types(reading: Reading, table: Name, columns: Sequence[str], referenced: Name, keys: Sequence[str]) -> None:
    """A foreign key whose columns cannot be compared with those that it refers to."""
    if keys and len(keys) != len(columns):
        what = f"a foreign key of {len(columns)} columns to {len(keys)}"
        reading.report(rules.REFUSED, table, what=what, cure="name as many")
        return
    for column, key in zip(columns, keys, strict=False):
        own, other = reading.type_of(table, column), reading.type_of(referenced, key)
        if own is not None and other is not None and casting.can_refer(own, other) is False:
            what = f"a foreign key of {column}, a {own}, to {referenced}.{key}, a {other}"
            reading.report(rules.REFUSED, table, what=what, cure="make both of one type")


def primary_key(reading: Reading, table: Name) -> list[str]:
    """Its columns; none, if that is not known."""
    return list(next((each.columns for each in reading.constraints(table) if each.kind == "p"), ()))


def check_referenced(reading: Reading, referenced: Name, constraint: Any) -> None:
    """A foreign key needs a table, and a unique key of it."""
    if reading.is_missing(referenced):
        reading.report(rules.DOES_NOT_EXIST, what="table", name=referenced)
        return
    found = reading.find(referenced)
    columns = {each.string.sval for each in constraint.pk_attrs}
    if found is None or not reading.need_columns(referenced, *columns) or reading.state(referenced).constraints:
        return
    if not reading.knows(referenced):
        return
    primary = [set(each.columns) for each in reading.constraints(referenced) if each.kind == "p"]
    usable = (each for each in reading.indexes(referenced) if each.unique and each.whole and not each.has_expressions)
    keys = [set(each.columns) for each in usable] + primary
    if (columns not in keys) if columns else not primary:
        what = f"a foreign key to columns of {referenced} that no unique key has"
        reading.report(rules.REFUSED, referenced, what=what, cure=f"add a unique key to {referenced} first")


def add(reading: Reading, table: Name, constraint: Any, columns: list[str]) -> None:
    """Any other constraint, alone or beside a column."""
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
    refuse_expression(reading, table, "a CHECK", constraint.raw_expr)
    reading.need_columns(table, *columns_in(constraint.raw_expr))
    if not constraint.is_enforced:
        reading.need_postgresql(18, "NOT ENFORCED", "leave it out")
    new, state = reading.is_new(table), reading.script.change(table)
    valid = not constraint.skip_validation
    state.constraints[constraint.conname] = Added(
        valid, columns, constants_in(constraint.raw_expr), frozenset(columns_in(constraint.raw_expr))
    )
    if valid:
        state.proven |= dict.fromkeys(columns, constraint.conname)
        state.checked.append(constants_in(constraint.raw_expr))
    scans = valid and not new
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.SCAN if scans else None)
    if scans:
        reading.report(rules.ADD_CHECK, table, arguments=hints.check(reading, table, constraint))


def refuse_expression(reading: Reading, table: Name, where: str, expression: Any) -> None:
    """Queries and aggregates, where there are no rows but one."""
    if len(grammar.find(expression, "SubLink")):
        reading.report(rules.REFUSED, table, what=f"a query in {where}", cure="give a value, or call a function")
    called = {Name.of_list(each.funcname).name for each in grammar.find(expression, "FuncCall")}
    if called & {"count", "sum", "avg", "min", "max"}:
        reading.report(rules.REFUSED, table, what=f"an aggregate in {where}", cure="leave it out")


def _add_not_null(reading: Reading, table: Name, constraint: Any, columns: list[str]) -> None:
    proven = all(is_proven(reading, table, column) for column in columns)
    if constraint.skip_validation:
        reading.script.change(table).constraints[constraint.conname] = Added(False, tuple(columns))
    else:
        reading.script.change(table).proven |= dict.fromkeys(columns, constraint.conname)
    scans = not (constraint.skip_validation or proven or reading.is_new(table))
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.SCAN if scans else None)
    for each in columns if scans else ():
        reading.report(rules.SET_NOT_NULL, table, column=each)


def is_proven(reading: Reading, table: Name, column: str) -> bool:
    """Whether a valid constraint says that the column is not null, so that nothing needs to be scanned."""
    state = reading.state(table)
    if column in state.proven:
        return True
    if state.validated and not reading.knows(table):
        return True
    if reading.find(table) is None:
        return False
    if reading.is_own_column(table, column):
        return False
    known = reading.column(table, column)
    if known is not None and known.not_null and column not in state.nullable:
        return True
    kinds = "c" if column in state.nullable else "cn"
    valid = [each for each in reading.constraints(table) if each.kind in kinds and each.validated]
    name = known.name if known is not None else column
    return any(name in proves_not_null(each.definition) for each in valid)


def _add_key(reading: Reading, table: Name, constraint: Any, columns: list[str]) -> None:
    kind, new = kind_of(constraint), reading.is_new(table)
    renamed = any(each.primary for each in reading.state(table).constraints.values())
    if kind == "CONSTR_PRIMARY" and (renamed or any(each.kind == "p" for each in reading.constraints(table))):
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
        reading.report(rules.EXISTS_ALREADY, table, what="primary key of", name=table)
        return
    if kind == "CONSTR_PRIMARY":
        reading.script.replace(_primary_key_of(reading, table))
    if constraint.indexname:
        _use_index(reading, table, constraint)
        return
    found = reading.find(table)
    if reading.only and found is not None and found.kind == "p":
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE)  # an index without those of the partitions
        return
    if found is not None and not set(found.partition_key) <= set(columns) and kind != "CONSTR_EXCLUSION":
        what, lacking = "a unique constraint", ", ".join(sorted(set(found.partition_key) - set(columns)))
        reading.report(
            rules.REFUSED, table, what=f"{what} without {lacking}, by which it is partitioned", cure="add it"
        )
    for each in columns if kind != "CONSTR_EXCLUSION" else ():
        type_ = reading.type_of(table, each)
        if type_ is not None and type_.name == "json" and not type_.array:
            reading.report(rules.REFUSED, table, what=f"a unique constraint of {each}, a json", cure="use jsonb")
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, None if new else Work.BUILD)
    reading.script.change(table).keys.append(frozenset(columns))
    if not new:
        words = {"arguments": hints.unique(table, constraint, columns), "name": constraint.conname or "…"}
        reading.report(_rule_of_key(kind, on_hypertable=_is_hypertable(reading, table)), table, **words)


def _rule_of_key(kind: str, *, on_hypertable: bool) -> rules.Rule:
    if kind not in ("CONSTR_UNIQUE", "CONSTR_PRIMARY"):
        return rules.ADD_EXCLUSION
    if on_hypertable:
        return rules.ADD_KEY_TO_HYPERTABLE
    return rules.ADD_UNIQUE if kind == "CONSTR_UNIQUE" else rules.ADD_PRIMARY_KEY


def _is_hypertable(reading: Reading, table: Name) -> bool:
    found = reading.find(table)
    return reading.state(table).hypertable or (found is not None and found.hypertable is not None)


def _use_index(reading: Reading, table: Name, constraint: Any) -> None:
    """``ADD CONSTRAINT … USING INDEX``: instant, but for a primary key over columns that may be null."""
    index = Name(reading.script.key(table).schema, constraint.indexname)
    found, made = reading.find(table), reading.state(index)
    known = found.indexes.get(constraint.indexname) if found is not None and not made.gone else None
    nullable: list[str] = []
    if reading.knows(table) and known is None and not made.new:
        reading.report(rules.DOES_NOT_EXIST, table, what="index", name=index)
    elif known is not None and not (known.unique and known.whole and known.valid and not known.has_expressions):
        wanted = "a valid unique index, without WHERE and expressions"
        reading.report(rules.REFUSED, table, what=f"{known.name} as a constraint", cure=f"it takes {wanted}")
    if kind_of(constraint) == "CONSTR_PRIMARY" and reading.knows(table):
        index_ = made.index or known
        columns = index_.columns if index_ is not None else ()
        nullable = [each for each in columns if not is_proven(reading, table, each)]
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.SCAN if nullable else None)
    if constraint.conname and (made.new or known is not None):
        reading.script.rename(index, Name(index.schema, constraint.conname))
    if kind_of(constraint) == "CONSTR_PRIMARY" and _may_be_null(reading, table, made):
        reading.report(rules.MAYBE_NULLABLE_KEY, table)
    for each in nullable if not reading.is_new(table) else ():
        reading.report(rules.SET_NOT_NULL, table, column=each)


def _may_be_null(reading: Reading, table: Name, index: State) -> bool:
    """Whether, for want of a catalog, nothing tells that the columns of an index are not null."""
    state = reading.state(table)
    if state.new or state.validated or reading.knows(table) or f"{table.name}_pkey" in state.dropped:
        return False
    return index.index is None or not all(each in state.proven for each in index.index.columns)


def _referenced(*constraints: ConstraintFacts | Added | None) -> Name | None:
    """The table that a foreign key refers to."""
    found = (each.references for each in constraints if each is not None and each.references)
    return next((Name(*each) for each in found), None)


def validate(reading: Reading, table: Name, command: Any) -> None:
    """``VALIDATE CONSTRAINT``: a scan while others read and write."""
    constraint, state = reading.constraint(table, command.name), reading.script.change(table)
    added = state.constraints.get(command.name)
    valid = (constraint is not None and constraint.validated) or (added is not None and added.validated)
    work = None if valid else Work.SCAN
    reading.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE, work)
    if reading.knows(table) and constraint is None and added is None:
        reading.report(rules.DOES_NOT_EXIST, table, what="constraint", name=command.name)
    if constraint is not None and constraint.kind in "pux":
        reading.report(rules.REFUSED, table, what=f"to validate {command.name}, a key", cure="leave it out")
    references = _referenced(constraint, added)
    if references is not None:
        reading.lock(references, LockMode.ROW_SHARE, work)
    state.validated = state.validated or added is None
    if constraint is not None:
        state.proven |= dict.fromkeys(proves_not_null(constraint.definition), command.name)
        state.checked.append(constants_of(constraint.definition))
        if constraint.kind == "c":
            state.constraints[command.name] = Added(validated=True, columns=frozenset(constraint.columns))
    if added is not None:
        added.validated = True
        state.proven |= dict.fromkeys(added.not_null, command.name)
        state.checked.append(added.constants)


def drop_constraint(reading: Reading, table: Name, command: Any) -> None:
    """``DROP CONSTRAINT``."""
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    found, constraint = reading.find(table), reading.constraint(table, command.name)
    state = reading.script.change(table)
    added = state.constraints.pop(command.name, None)
    if reading.knows(table) and constraint is None and added is None:
        if not command.missing_ok:
            reading.report(rules.DOES_NOT_EXIST, table, what="constraint", name=command.name)
        return
    references = _referenced(constraint, added)
    if references is not None:
        reading.lock(references, LockMode.ACCESS_EXCLUSIVE)
    if found is not None and constraint is not None and constraint.kind in "pu":
        _drop_key(reading, table, found, command)
    if constraint is not None and constraint.kind == "n":
        state.nullable.update(constraint.columns)
    helped = bool(state.proven or state.validated)
    state.dropped.add(command.name)
    state.proven = {column: by for column, by in state.proven.items() if by != command.name}
    if state.new or (added is not None and not added.primary):
        return
    usual = command.name == f"{table.name}_pkey"
    if added is not None or (constraint.kind == "p" if constraint is not None else usual):
        hazard = reading.report(rules.DROP_PRIMARY_KEY, table, name=command.name)
        reading.script.miss(_primary_key_of(reading, table), hazard)
    elif not helped:
        reading.report(rules.DROP_CONSTRAINT, table, name=command.name)


def _primary_key_of(reading: Reading, table: Name) -> Name:
    """What to call a primary key, whatever its name, so that another can take its place."""
    return Name(f"{reading.script.key(table)}", "primary key")


def alter_constraint(reading: Reading, table: Name, command: Any) -> None:
    """``ALTER CONSTRAINT``: whether it may be deferred, and whether it is enforced, for which rows are checked."""
    change = getattr(command, "def").atalter_constraint
    constraint, added = reading.constraint(table, change.conname), reading.state(table).constraints.get(change.conname)
    reading.lock(table, LockMode.ACCESS_EXCLUSIVE)
    if reading.knows(table) and constraint is None and added is None:
        reading.report(rules.DOES_NOT_EXIST, table, what="constraint", name=change.conname)
    if not change.alter_enforceability or not reading.need_postgresql(18, "ENFORCED", "leave it out"):
        return
    known = added or constraint
    referenced = _referenced(known)
    valid = known is not None and known.validated
    reading.script.change(table).constraints[change.conname] = Added(change.is_enforced, references=referenced)
    scans = change.is_enforced and not valid and not reading.is_new(table)
    if referenced is not None and change.is_enforced != valid:  # the triggers of both tables come or go
        mode = LockMode.SHARE_ROW_EXCLUSIVE if scans else LockMode.ACCESS_EXCLUSIVE
        reading.lock(referenced, mode, Work.SCAN if scans else None)
    if scans:
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.SCAN)
        reading.report(rules.ADD_FOREIGN_KEY, table, referenced=referenced or "what it refers to")


def _drop_key(reading: Reading, table: Name, found: RelationFacts, command: Any) -> None:
    """A key that foreign keys of other tables may refer to."""
    key = found.constraints[command.name]
    others = [
        Name(each.schema, each.name)
        for each in reading.facts.referencing(found)
        if any(one.index == key.index and one.kind == "f" for one in reading.constraints(Name(each.schema, each.name)))
    ]
    if cascades(command):
        for each in others:
            reading.lock(each, LockMode.ACCESS_EXCLUSIVE)
    elif others:
        shown = ", ".join(each.name for each in others)
        reading.report(rules.DEPENDENTS, table, name=command.name, dependents=f"foreign keys of {shown}")
