"""What TimescaleDB refuses on hypertables with a columnstore.

Source: the list of allowed commands in TimescaleDB's process_utility.c.
"""

from __future__ import annotations

from typing import Any

from tsext.catalog import RelationFacts
from tsext.model.locks import LockMode, Work
from tsext.safety import rules, types
from tsext.safety.expressions import functions, is_constant
from tsext.safety.names import Name
from tsext.safety.reading import Reading
from tsext.sql import grammar

_COLUMNSTORE_ALLOWS = {
    "AT_AddColumn", "AT_DropColumn", "AT_SetNotNull", "AT_DropNotNull", "AT_ColumnDefault", "AT_CookedColumnDefault",
    "AT_SetStatistics", "AT_AddConstraint", "AT_DropConstraint", "AT_AddIndex",
    "AT_SetRelOptions", "AT_ResetRelOptions", "AT_ReplaceRelOptions", "AT_ClusterOn", "AT_DropCluster",
    "AT_ChangeOwner", "AT_ReplicaIdentity", "AT_SetTableSpace", "AT_AlterColumnType",
}  # fmt: skip


TRIGGERS = {"AT_EnableTrig", "AT_EnableTrigAll", "AT_EnableTrigUser", "AT_EnableAlwaysTrig", "AT_EnableReplicaTrig",
             "AT_DisableTrig", "AT_DisableTrigAll", "AT_DisableTrigUser"}  # fmt: skip


def refuse_alteration(reading: Reading, table: Name, found: RelationFacts, subtype: str, command: Any) -> None:
    """One command of ALTER TABLE about a hypertable with a columnstore."""
    if subtype == "AT_AlterColumnType":
        _columnstore_type(reading, table, found)
        return
    if subtype in _SINCE_2_18 and reading.is_before(2, 18):
        refuse(reading, table, _SINCE_2_18[subtype], "disable the columnstore first")
    if subtype == "AT_AddConstraint":
        _add_columnstore_constraint(reading, table, found, getattr(command, "def").constraint)
    if subtype == "AT_AddColumn":
        _add_columnstore_column(reading, table, found, getattr(command, "def").column_def)
    elif subtype == "AT_DropColumn":
        store = found.columnstore
        assert store is not None
        ordered = [str(each).split()[0].strip('"') for each in store.orderby or ()]
        if command.name in [*(store.segmentby or ()), *ordered]:
            refuse(
                reading,
                table,
                f"dropping {command.name}, of segmentby or orderby",
                "make a new hypertable, copy chunk by chunk and swap the names",
            )
    elif subtype in TRIGGERS:
        if reading.is_before(2, 28, 3):
            refuse(reading, table, "ENABLE or DISABLE TRIGGER", "drop the trigger, create it again")
    elif subtype in ("AT_SetLogged", "AT_SetUnLogged"):
        if reading.is_before(2, 23):
            refuse(reading, table, "SET LOGGED or UNLOGGED", "decide when the table is created")
    elif subtype not in _COLUMNSTORE_ALLOWS:
        words = {
            "AT_ValidateConstraint": ("VALIDATE CONSTRAINT", "add it without NOT VALID, in a maintenance window"),
            "AT_EnableRowSecurity": ("row security", "disable the columnstore, or check rights in a view"),
        }
        what, cure = words.get(subtype, (subtype.removeprefix("AT_"), "disable the columnstore first"))
        refuse(reading, table, what, cure)


def _columnstore_type(reading: Reading, table: Name, found: RelationFacts) -> None:
    if found.compressed or reading.is_before(2, 24):
        cure = "op.alter_columnstore_column, which takes its chunks to the rowstore and back, in a maintenance window"
        refuse(reading, table, "another type", cure)


_SINCE_2_18 = {
    "AT_SetNotNull": "SET NOT NULL",
    "AT_DropNotNull": "DROP NOT NULL",
    "AT_AddConstraint": "a new constraint",
}


def _add_columnstore_constraint(reading: Reading, table: Name, found: RelationFacts, constraint: Any) -> None:
    kind = grammar.enum_name("ConstrType", constraint.contype)
    if kind == "CONSTR_FOREIGN" and reading.is_before(2, 20):
        refuse(reading, table, "a foreign key", "disable the columnstore first")
    elif kind == "CONSTR_CHECK" and constraint.skip_validation and found.compressed:
        # NOT VALID or not, the chunks in the columnstore are checked
        reading.lock(table, LockMode.ACCESS_EXCLUSIVE, Work.SCAN)
        reading.report(rules.ADD_CHECK_TO_COLUMNSTORE, table)


def _add_columnstore_column(reading: Reading, table: Name, found: RelationFacts, column: Any) -> None:
    kinds = {grammar.enum_name("ConstrType", each.constraint.contype): each.constraint for each in column.constraints}
    default = kinds.get("CONSTR_DEFAULT")
    generated = kinds.get("CONSTR_GENERATED")
    if "CONSTR_FOREIGN" in kinds:
        refuse(reading, table, "a foreign key beside a new column", "add the column first, then the key")
    if types.of_node(column.type_name).name in types.SERIAL:
        reading.report(rules.COLUMNSTORE_CORRUPTS, table, what="a new serial column")
    elif "CONSTR_IDENTITY" in kinds:
        refuse(reading, table, "a new identity column", "add a bigint without a DEFAULT")
    elif generated is not None and generated.generated_kind != "v":
        refuse(reading, table, "a generated column", "compute it in a view")
    elif default is not None and not _is_constant(reading, default.raw_expr):
        refuse(reading, table, "a DEFAULT that is no constant", "give a literal, or none and fill it")
    elif default is None and "CONSTR_NOTNULL" in kinds:
        refuse(reading, table, "NOT NULL without a DEFAULT", "give a DEFAULT")
    if reading.is_before(2, 20) and ("CONSTR_CHECK" in kinds or "CONSTR_UNIQUE" in kinds):
        refuse(reading, table, "a constraint beside a new column", "add the column first, then the CHECK")


def _is_constant(reading: Reading, expression: Any) -> bool:
    """Below 2.25 only a literal without a cast; since then, what is immutable."""
    if reading.is_before(2, 25):
        return is_constant(expression) and not len(grammar.find(expression, "TypeCast"))
    stable = {"now", "current_setting", "transaction_timestamp", "statement_timestamp", "timezone", "to_char"}
    named = functions(expression)
    if len(grammar.find(expression, "SQLValueFunction")):
        return False
    return all(reading.facts.is_volatile(each.name) is False and each.name not in stable for each in named)


ON_DELETE = 1 << 3
"""``TRIGGER_TYPE_DELETE`` in PostgreSQL's pg_trigger.h."""


def refuse(reading: Reading, table: Name, what: str, cure: str) -> None:
    """The server will refuse it."""
    found = reading.facts.timescaledb
    version = found.version if found is not None else ""
    reading.report(rules.COLUMNSTORE_REFUSES, table, what=what, cure=cure, version=version)
