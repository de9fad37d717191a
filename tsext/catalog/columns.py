"""Columns of one table, and what goes with them: how far a change in several steps has come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, NotSupportedError, ProgrammingError

from tsext.catalog.asking import Key, key_of, rows
from tsext.catalog.constraints import constraint_state
from tsext.catalog.index_builds import BuiltIndex, indexed_tables
from tsext.model.columns import SYNC, ColumnChange
from tsext.sql.quoting import identifier, qualified
from tsext.sql.sending import said_first, send


@dataclass(frozen=True)
class Sequence:
    """A sequence."""

    schema: str
    name: str
    options: str
    """As they stand in SQL, without its type and its end, which follow from the column's."""


@dataclass(frozen=True)
class ColumnDetails:
    """A column that is there."""

    type: str
    """As ``format_type`` writes it."""
    not_null: bool
    default: str | None
    """As the server prints it."""
    identity: str | None
    """``ALWAYS`` or ``BY DEFAULT``; None if it is no identity column."""
    generated: bool
    comment: str | None
    granted: bool
    """Whether it has privileges of its own."""
    sequence: Sequence | None
    """The one that it owns."""


@dataclass(frozen=True)
class ColumnUse:
    """Something that uses a column: an index, a constraint, a view."""

    kind: str
    """``index``; of a constraint ``pg_constraint.contype``; ``referencing``, a foreign key to it; or ``other``."""
    name: str | None
    definition: str | None
    description: str
    """In PostgreSQL's words."""
    columns: tuple[str, ...]
    """All columns of a constraint; of anything else none."""
    validated: bool


def column_details(connection: Connection, table: str, schema: str | None, column: str) -> ColumnDetails | None:
    """A column of a table; None if there is none of that name."""
    found = rows(connection, "column_details", relation=qualified(table, schema), column=column)
    if not found:
        return None
    row = found[0]
    sequence = None if row.sequence is None else Sequence(row.sequence_schema, row.sequence, row.sequence_options)
    return ColumnDetails(
        row.type, row.not_null, row.default, row.identity, row.generated, row.comment, row.granted, sequence
    )


def column_uses(connection: Connection, table: str, schema: str | None, column: str) -> list[ColumnUse]:
    """What goes with a column, other than its default and its sequence."""
    return [
        ColumnUse(*row) for row in rows(connection, "column_uses", relation=qualified(table, schema), column=column)
    ]


@dataclass(frozen=True)
class Moved:
    """What goes with a column, said of the column beside it, by the names that it has on the column."""

    indexes: Mapping[str, BuiltIndex]
    checks: Mapping[str, str]
    """Definitions."""


def moved(connection: Connection, change: ColumnChange, uses: Iterable[ColumnUse], indexes: Mapping[str, str]) -> Moved:
    """How the server prints indexes and CHECKs of a column once they are about the column beside it, by their names.

    Told from an empty copy of the table that does not outlive this call. What the new type does not allow, fails here.

    :param indexes: definitions, as :class:`BuiltIndex` has them.
    """
    copy = "pg_temp.tsext_twin_copy"
    column, twin = identifier(change.column), identifier(change.twin)
    statements = [
        f"DROP TABLE IF EXISTS {copy}",
        f"CREATE TEMP TABLE tsext_twin_copy (LIKE {qualified(change.table_name, change.schema)})",
        f"ALTER TABLE {copy} DROP COLUMN IF EXISTS {twin}",
    ]
    for number, definition in enumerate(indexes.values()):
        unique = "UNIQUE " if definition.startswith("UNIQUE ") else ""
        statements.append(f"CREATE {unique}INDEX tsext_i{number} ON {copy} {definition.removeprefix('UNIQUE ')}")
    checks = [use for use in uses if use.kind == "c"]
    statements += [f"ALTER TABLE {copy} ADD CONSTRAINT tsext_c{n} {use.definition}" for n, use in enumerate(checks)]
    if change.type_ is not None:
        statements.append(f"ALTER TABLE {copy} ALTER COLUMN {column} TYPE {change.type_} USING NULL")
    for statement in (*statements, f"ALTER TABLE {copy} RENAME COLUMN {column} TO {twin}"):
        send(connection, statement)
    table, *_ = indexed_tables(connection, "tsext_twin_copy", "pg_temp")
    printed = {each.name: each for each in table.indexes}
    conditions: dict[str, str] = {}
    for number, use in enumerate(checks):
        state = constraint_state(connection, "tsext_twin_copy", "pg_temp", f"tsext_c{number}")
        assert state is not None
        conditions[str(use.name)] = state.definition
    connection.exec_driver_sql(f"DROP TABLE {copy}")
    return Moved({name: printed[f"tsext_i{number}"] for number, name in enumerate(indexes)}, conditions)


def expansions(connection: Connection) -> dict[Key, list[tuple[str, str]]]:
    """The columns that are kept equal, by table: each with the one beside it."""
    found: dict[Key, list[tuple[str, str]]] = {}
    for row in rows(connection, "expansions", prefix=SYNC):
        found.setdefault(key_of(connection, row.schema, row.name), []).append(_names(row.arguments))
    return found


def expansions_of(connection: Connection, table: str, schema: str | None) -> dict[str, tuple[str, str]]:
    """The columns of one table that are kept equal, by the trigger that does so."""
    found = rows(connection, "expansions_of", relation=qualified(table, schema), prefix=SYNC)
    return {row.tgname: _names(row.tgargs) for row in found}


def _names(arguments: bytes) -> tuple[str, str]:
    column, twin, _ = bytes(arguments).decode(errors="replace").split("\0")
    return column, twin


def is_assignable(connection: Connection, source: str, target: str) -> bool:
    """Whether a value of one type may be stored in a column of another as it is, without a cast."""
    return bool(rows(connection, "assignable", source=source, target=target)[0].assignable)


def refusal_of_type(connection: Connection, change: ColumnChange, before: str | None = None) -> str | None:
    """Why the server would not let a column have another type, in its words; None if it would.

    Told from an empty table that does not outlive this call.

    :param connection: in a transaction.
    :param before: the type that it has; None: that of the table's column.
    """
    column = identifier(change.column)
    columns = f"LIKE {qualified(change.table_name, change.schema)}" if before is None else f"{column} {before}"
    using = f" USING {change.using}" if change.using is not None else ""
    try:
        with connection.begin_nested() as savepoint:
            send(connection, f"CREATE TEMP TABLE tsext_type_copy ({columns})")
            send(connection, f"ALTER TABLE pg_temp.tsext_type_copy ALTER COLUMN {column} TYPE {change.type_}{using}")
            savepoint.rollback()
    except (ProgrammingError, NotSupportedError, DataError) as error:
        return said_first(error)
    return None


def printed_column(connection: Connection, type_: str, default: str | None) -> ColumnDetails:
    """How the server prints a type and a default, told from a table that does not outlive this call."""
    given = f" DEFAULT {default}" if default is not None else ""
    with connection.begin_nested() as savepoint:
        statement = f"CREATE TEMP TABLE tsext_column_copy (tsext_column {type_}{given})"
        send(connection, statement)
        state = column_details(connection, "tsext_column_copy", "pg_temp", "tsext_column")
        savepoint.rollback()
    assert state is not None
    return state
