"""What PostgreSQL refuses of the definition of a column, and where its values come from."""

from __future__ import annotations

from typing import Any

from tsext.safety import casting, constraints, immutable, rules, types
from tsext.safety.constraints import constraints_of
from tsext.safety.expressions import columns_in, text_of
from tsext.safety.names import SYSTEM_COLUMNS, Name, name_in
from tsext.safety.reading import Reading
from tsext.sql import grammar


def refuse_column(reading: Reading, table: Name, column: Any) -> None:
    """Names that every table has already, and DEFAULTs that are none."""
    beside = constraints_of(column)
    if column.colname in SYSTEM_COLUMNS:
        reading.report(rules.REFUSED, table, what=f"a column {column.colname}, as each table has", cure="rename it")
    type_ = types.of_node(column.type_name)
    sources = beside.keys() & {"CONSTR_DEFAULT", "CONSTR_GENERATED", "CONSTR_IDENTITY"}
    if len(sources) + (type_.name in types.SERIAL) > 1:
        what = f"more than one of DEFAULT, GENERATED and serial for {column.colname}"
        reading.report(rules.REFUSED, table, what=what, cure="choose one")
    if "CONSTR_IDENTITY" in beside and casting.is_assignable(type_, types.INTEGER) is False:
        what = f"an identity {column.colname} that is no integer"
        reading.report(rules.REFUSED, table, what=what, cure="make it a bigint")
    if type_.modifiers[:1] == (0,) and type_.name in ("character varying", "character", "bit", "bit varying"):
        reading.report(rules.REFUSED, table, what=f"{column.colname}, a {type_}", cure="its length is at least 1")
    if "CONSTR_DEFAULT" in beside:
        refuse_default(reading, table, type_, beside["CONSTR_DEFAULT"].raw_expr)
    if "CONSTR_GENERATED" in beside:
        _refuse_generated(reading, table, beside["CONSTR_GENERATED"].raw_expr)


def refuse_default(reading: Reading, table: Name, type_: types.Type | None, expression: Any) -> None:
    """What cannot be a DEFAULT, at all or of a type."""
    constraints.refuse_expression(reading, table, "a DEFAULT", expression)
    if columns := columns_in(expression):
        shown = ", ".join(sorted(columns))
        reading.report(rules.REFUSED, table, what=f"the column {shown} in a DEFAULT", cure="use a trigger")
    for each in grammar.find(expression, "FuncCall"):
        sequence = text_of(each.args[0]) if Name.of_list(each.funcname).name == "nextval" and len(each.args) else None
        if sequence is not None and reading.is_missing(name_in(sequence)):
            reading.report(rules.DOES_NOT_EXIST, what="sequence", name=sequence)
    refuse_literal(reading, table, type_, expression)


def refuse_literal(reading: Reading, table: Name, type_: types.Type | None, expression: Any) -> None:
    """A string that stands there as it is, and is no value of a type."""
    given = text_of(expression)
    if type_ is None or given is None or type_.array:
        return
    database = reading.facts.database
    known = reading.script.known_as(type_.name.rpartition(".")[2])
    labels = database.labels.get(known) if database is not None and known is not None else None
    if labels and given not in (*labels, *reading.script.enum_values):
        reading.report(rules.DOES_NOT_EXIST, what="value", name=f"{given} of {type_}")
    elif expression.WhichOneof("node") == "a_const" and not casting.says(given, type_):
        reading.report(rules.REFUSED, table, what=f"'{given}' as a {type_}", cure="give a value of its type")


def _refuse_generated(reading: Reading, table: Name, expression: Any) -> None:
    """What cannot be computed from the row alone, and always to the same."""
    columns = columns_in(expression)
    if not reading.is_new(table):
        reading.need_columns(table, *sorted(columns))
    for each in sorted(columns):
        if source_of(reading, table, each) == "generated":
            what = f"the generated column {each} in the expression of another"
            reading.report(rules.REFUSED, table, what=what, cure="write its expression out")
    immutable.refuse_changing(reading, table, "a generated column", expression)


def source_of(reading: Reading, table: Name, column: str) -> str:
    """What gives a column its value: ``default``, ``identity``, ``generated``; empty if it is nothing, or not known."""
    known = reading.column(table, column)
    found = "" if known is None or not known.has_default else "default"
    if known is not None and (known.identity or known.generated):
        found = "identity" if known.identity else "generated"
    return reading.state(table).sources.get(column, found)
