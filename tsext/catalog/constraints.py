"""Constraints of one table: how far a change in several steps has come."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from tsext.catalog.asking import rows
from tsext.catalog.partitioning import resolved
from tsext.sql.quoting import identifier, qualified
from tsext.sql.sending import send


@dataclass(frozen=True)
class ConstraintState:
    """A constraint that is there."""

    kind: str
    """``pg_constraint.contype``: ``c`` check, ``f`` foreign key, ``p``, ``u``, ``x``, ``n`` not null."""
    validated: bool
    definition: str
    """As the server prints it, without NOT VALID."""


@dataclass(frozen=True)
class NullState:
    """Whether a column may be null."""

    not_null: bool
    checks: tuple[str, ...]
    """Definitions of the valid CHECKs about it."""


def constraint_state(connection: Connection, table: str, schema: str | None, name: str) -> ConstraintState | None:
    """A constraint of a table; None if there is none of that name."""
    found = rows(connection, "constraint_state", relation=qualified(table, schema), name=name)
    return ConstraintState(found[0].kind, found[0].validated, found[0].definition) if found else None


def null_state(connection: Connection, table: str, schema: str | None, column: str) -> NullState | None:
    """A column of a table; None if there is none of that name."""
    found = rows(connection, "null_state", relation=qualified(table, schema), column=column)
    return NullState(found[0].not_null, tuple(found[0].checks or ())) if found else None


def printed_check(connection: Connection, condition: str, table: str, schema: str | None) -> str:
    """How the server prints a CHECK, told from an empty copy of its table that does not outlive this call."""
    found = resolved(connection, table, schema)
    assert found is not None
    copy = identifier("tsext_check_copy")
    with connection.begin_nested() as savepoint:
        connection.exec_driver_sql(f"CREATE TEMP TABLE {copy} (LIKE {found})")
        check = f"ALTER TABLE {copy} ADD CONSTRAINT tsext_check CHECK ({condition})"
        send(connection, check)
        state = constraint_state(connection, "tsext_check_copy", "pg_temp", "tsext_check")
        savepoint.rollback()
    assert state is not None
    return state.definition
