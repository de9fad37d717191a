"""Verbs that change the type of a column over two revisions: expand, then contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model.columns import ColumnChange
from tsext.operations.rendering import Code, code_of, schema_of
from tsext.operations.twins import ITS_OWN, ColumnOperation, Expansion, Instant, Twin, UndoExpansion, copy_name
from tsext.sql.columns import qualify, type_text
from tsext.sql.quoting import identifier, literal, qualified, short
from tsext.sql.sending import send

SEEN_BY_NOBODY = ITS_OWN | {"drop-column", "rename-column"}
"""Rules about columns whose names the application does not use, or finds again."""

CONSTRAINTS = {"p": "PRIMARY KEY", "u": "UNIQUE"}


class TypeOperation(ColumnOperation):
    """A verb about a column and the one of another type beside it."""

    mutual = False

    def call_of(self, *arguments: Code) -> list[Code]:
        """Table, column, what is given, and the schema if there is one."""
        target = self.target
        return [code_of(target.table_name), code_of(target.column), *arguments, *schema_of(target.schema)]


class ExpandColumnType(Expansion, TypeOperation, name="expand_column_type", noun=ColumnChange):
    """Add a column of another type beside one, kept equal to it."""

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        type_: Any,
        *,
        using: str | None = None,
        schema: str | None = None,
    ) -> None:
        """Change the type of a column, first half: everything that takes long, while others read and write.

        A column of the new type is added beside it, ``<column>_new``; a trigger gives it the value of the column
        whenever a row is written, and the rows that are there are filled in batches that are committed one by one. It
        gets the column's indexes, CHECKs, foreign keys and NOT NULL, none of which makes others wait. Nothing changes
        for the application. ``op.contract_column_type`` in a later revision lets it take the column's place.

        Outside the transaction; after an interruption the same call goes on. Undone by
        ``op.undo_expand_column_type``.

        :param type_: the new type: ``sa.BigInteger()``.
        :param using: an SQL expression over the table's columns that gives the new value, as
            ``postgresql_using``; None where PostgreSQL would need none.
        :raises InvalidObject: if PostgreSQL needs ``using`` and there is none; or if a view, a foreign key of another
            table or anything else depends on the column that would not follow; with what to do about it.
        :raises FeatureNotSupported: on a hypertable with a columnstore: ``op.alter_columnstore_column``.
        """
        operations.invoke(cls(change_of(table_name, column_name, type_, using, schema)))

    def refuse(self, connection: Connection, found: catalog.ColumnDetails) -> None:
        """Refuse, too, what would not go over to the new column."""
        super().refuse(connection, found)
        self.refuse_columnstore(connection, "op.alter_columnstore_column")
        where = f"op.{self.verb}: {self.shown}.{self.target.column}"
        is_hypertable = catalog.hypertable(connection, *self.table) is not None
        if found.identity and is_hypertable:
            raise InvalidObject(
                f"{where} is an identity column, and TimescaleDB adds none to a hypertable",
                hint="let a sequence number it: ALTER COLUMN … DROP IDENTITY, SET DEFAULT nextval(…)",
            )
        if reason := catalog.refusal_of_type(connection, self.target):
            raise InvalidObject(
                f"{where} cannot become {self.target.type_}: {reason}",
                hint=f"say how: using={f'{identifier(self.target.column)}::{self.target.type_}'!r}",
            )
        for use in catalog.column_uses(connection, *self.table, self.target.column):
            if use.kind == "referencing":
                raise InvalidObject(
                    f"{where}: {use.description} refers to it",
                    hint="drop the foreign key before, and add it again after op.contract_column_type, with "
                    "op.add_foreign_key",
                )
            if use.kind in ("other", "x") or (is_hypertable and use.kind in CONSTRAINTS):
                raise InvalidObject(
                    f"{where}: {use.description} depends on it, and would not follow",
                    hint="drop it before, and create it again after op.contract_column_type",
                )

    def run(self, connection: Connection) -> None:
        """With the column's constraints, too."""
        super().run(connection)
        self.constrain(connection)

    def statements(self) -> list[str]:
        """For a script, which stops at a column with anything that would have to be looked for in the database."""
        return [_nothing_else(self.twin), *self.added(), self.twin.fill_at_once]

    def arguments(self) -> list[Code]:
        """Table, column, type and how to get there."""
        using = [] if self.target.using is None else [code_of(self.target.using, "using")]
        return self.call_of(code_of(self.target.type_), *using)

    def reverse(self) -> UndoExpandColumnType:
        """Dropping the column beside it."""
        return UndoExpandColumnType(self.target)


class UndoExpandColumnType(UndoExpansion, TypeOperation, name="undo_expand_column_type", noun=ColumnChange):
    """Drop the column of another type beside one."""

    answers_for = SEEN_BY_NOBODY

    @classmethod
    def invoke(cls, operations: Operations, table_name: str, column_name: str, *, schema: str | None = None) -> None:
        """Undo ``op.expand_column_type``, also one that was interrupted: drop the column beside and the trigger.

        Nothing is lost: the column itself has all that was written. ACCESS EXCLUSIVE, for an instant.
        """
        operations.invoke(cls(ColumnChange(table_name, column_name, twin_name(column_name), schema=schema)))

    def arguments(self) -> list[Code]:
        """Table and column."""
        return self.call_of()

    def reverse(self) -> ExpandColumnType:
        """Adding it again.

        :raises IrreversibleOperation: if its type is not known.
        """
        if self.target.type_ is None:
            raise IrreversibleOperation(
                f"{self.verb} does not say of which type the column was", hint="write op.expand_column_type(…)"
            )
        return ExpandColumnType(self.target)


class ContractColumnType(Instant, TypeOperation, name="contract_column_type", noun=ColumnChange):
    """Let the column of another type take the place of the first."""

    answers_for = SEEN_BY_NOBODY

    def __init__(self, target: ColumnChange, back: ColumnChange | None = None) -> None:
        super().__init__(target)
        self.back = back
        """The way to the old type; None if it is not known."""
        self.swap: list[str] | None = None
        """What is to be said; None until the database is known."""

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        type_: Any,
        *,
        existing_type: Any = None,
        using: str | None = None,
        existing_using: str | None = None,
        schema: str | None = None,
    ) -> None:
        """Change the type of a column, second half: in an instant.

        The column is dropped, and the one beside it takes its name, its default, its sequence, its comment, and with
        its own indexes and constraints the names of the column's. Before that, the whole table is read to make sure
        that no row differs. ACCESS EXCLUSIVE, for an instant, in the revision's transaction.

        Undone by ``op.undo_contract_column_type``, which has to fill a column of the old type.

        :param type_: the same as for ``op.expand_column_type``, and so ``using``.
        :param existing_type: the old type, by which it can be reversed, with ``existing_using`` as the way to it.
        :raises InvalidObject: if the column has not been expanded.
        :raises RevisionFailed: if a row differs.
        """
        back = None
        if existing_type is not None:
            back = change_of(table_name, column_name, existing_type, existing_using, schema)
        operations.invoke(cls(change_of(table_name, column_name, type_, using, schema), back))

    def check(self, connection: Connection) -> None:
        """Refuse before it is expanded, and if a row differs."""
        super().check(connection)
        cure = (
            "give type_ and using as op.expand_column_type had them; if they are the same, something writes past the "
            "trigger, or after it: undo the expansion, and expand again"
        )
        self.refuse_unequal(connection, "expand_column_type", cure)
        self.look(connection)

    def look(self, connection: Connection) -> None:
        """What goes over to the other column."""
        target, found = self.target, self.state(connection, self.target.column)
        uses = catalog.column_uses(connection, *self.table, target.column)
        default, type_ = found.default, str(target.type_)
        if default is not None and not catalog.is_assignable(connection, found.type, type_):
            found = replace(found, default=f"CAST({default} AS {type_})")
        self.swap = list(self._swapped(found, uses))

    def _swapped(self, found: catalog.ColumnDetails, uses: list[catalog.ColumnUse]) -> Iterator[str]:
        column, twin = identifier(self.target.column), identifier(self.target.twin)
        yield from self.twin.drop_sync
        for use in uses:
            if use.kind in CONSTRAINTS:
                name, index = identifier(str(use.name)), identifier(copy_name(str(use.name)))
                kind = f"{CONSTRAINTS[use.kind]} USING INDEX {index}"
                yield f"{self.alter} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {kind}"
        if found.default is not None:
            yield f"{self.alter} ALTER COLUMN {twin} SET DEFAULT {found.default}"
        yield from self._numbered(found)
        if found.comment is not None:
            yield f"COMMENT ON COLUMN {self.twin.table}.{twin} IS {literal(found.comment)}"
        yield f"{self.alter} DROP COLUMN {column}"
        yield f"{self.alter} RENAME COLUMN {twin} TO {column}"
        if found.identity is not None and found.sequence is not None:
            name = found.sequence.name
            yield f"ALTER SEQUENCE {qualified(copy_name(name), found.sequence.schema)} RENAME TO {identifier(name)}"
        for use in uses:
            copy, name = identifier(copy_name(str(use.name))), identifier(str(use.name))
            if use.kind == "index":
                yield f"ALTER INDEX {qualified(copy_name(str(use.name)), self.target.schema)} RENAME TO {name}"
            elif use.kind in ("c", "f"):
                yield f"{self.alter} RENAME CONSTRAINT {copy} TO {name}"

    def _numbered(self, found: catalog.ColumnDetails) -> Iterator[str]:
        """The sequence goes over; that of an identity column cannot, but another goes on where it stands."""
        if found.sequence is None:
            return
        twin, sequence = identifier(self.target.twin), found.sequence
        name = qualified(sequence.name, sequence.schema)
        if found.identity is None:
            as_ = "AS bigint " if str(self.target.type_).lower() in ("bigint", "int8") else ""
            yield f"ALTER SEQUENCE {name} {as_}OWNED BY {self.twin.table}.{twin}"
            return
        copy = qualified(copy_name(sequence.name), sequence.schema)
        options = f"SEQUENCE NAME {copy} {sequence.options}"
        yield f"{self.alter} ALTER COLUMN {twin} ADD GENERATED {found.identity} AS IDENTITY ({options})"
        yield f"SELECT setval({literal(copy)}, nextval({literal(name)}), false)"

    def statements(self) -> list[str]:
        """For a script without the defaults and names that are looked for in the database."""
        if self.swap is not None:
            return self.swap
        bare = catalog.ColumnDetails("", False, None, None, False, None, False, None)
        return [_nothing_else(self.twin), *self._swapped(bare, [])]

    def arguments(self) -> list[Code]:
        """As for the expansion, and the way back."""
        return self.call_of(code_of(self.target.type_), *_both_ways(self.target, self.back))

    def reverse(self) -> UndoContractColumnType:
        """The old type again, with the new one beside it.

        :raises IrreversibleOperation: if the old type is not known.
        """
        if self.back is None:
            raise IrreversibleOperation(
                f"{self.verb} of {self.shown}.{self.target.column} does not know the old type",
                hint="give existing_type, or write op.undo_contract_column_type into the downgrade",
            )
        return UndoContractColumnType(self.target, self.back)


class UndoContractColumnType(TypeOperation, name="undo_contract_column_type", noun=ColumnChange):
    """Give a column its old type back, with the new one beside it."""

    answers_for = SEEN_BY_NOBODY

    def __init__(self, target: ColumnChange, back: ColumnChange) -> None:
        super().__init__(target)
        self.back = back
        """The way to the old type."""
        self.returning = ExpandColumnType(back)
        self.is_back = False

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        type_: Any,
        *,
        existing_type: Any,
        using: str | None = None,
        existing_using: str | None = None,
        schema: str | None = None,
    ) -> None:
        """Undo ``op.contract_column_type``: the column has its old type again, and one of the new type beside it.

        That is the same way back: a column of the old type is added, filled in batches while others read and write,
        and takes the place in an instant; then the new type is expanded again. A value that the old type cannot hold
        stops it, and nothing is lost. Outside the transaction; after an interruption the same call goes on.

        :param type_: the old type.
        :param existing_type: the new one, which the column has.
        :param using: an SQL expression over the table's columns that gives the old value; None where PostgreSQL would
            need none.
        :param existing_using: what ``op.expand_column_type`` had as ``using``.
        """
        back = change_of(table_name, column_name, type_, using, schema)
        operations.invoke(cls(change_of(table_name, column_name, existing_type, existing_using, schema), back))

    def check(self, connection: Connection) -> None:
        """Look which half is done."""
        super().check(connection)
        assert self.back.type_ is not None
        old = catalog.printed_column(connection, self.back.type_, None).type
        self.is_back = self.state(connection, self.target.column).type == old
        (ExpandColumnType(self.target) if self.is_back else self.returning).check(connection)

    def run(self, connection: Connection) -> None:
        """Back to the old type, and then expanded again."""
        if not self.is_back:
            self.returning.run(connection)
            contract = ContractColumnType(self.back)
            contract.look(connection)
            send(connection, ";\n".join(contract.statements()))  # in one transaction
        again = ExpandColumnType(self.target)
        again.look(connection)
        again.run(connection)

    def statements(self) -> list[str]:
        """For a script."""
        back, again = ExpandColumnType(self.back), ExpandColumnType(self.target)
        contract = ContractColumnType(self.back).statements()
        return [*back.statements(), "BEGIN", *contract, "COMMIT", *again.statements()]

    def arguments(self) -> list[Code]:
        """Table, column and both types."""
        return self.call_of(code_of(self.back.type_), *_both_ways(self.back, self.target))

    def reverse(self) -> ContractColumnType:
        """Contracting again."""
        return ContractColumnType(self.target, self.back)


def _both_ways(there: ColumnChange, back: ColumnChange | None) -> list[Code]:
    named = {"existing_type": back and back.type_, "using": there.using, "existing_using": back and back.using}
    return [code_of(value, name) for name, value in named.items() if value is not None]


def twin_name(column: str) -> str:
    """What the column beside is called."""
    return short(column, suffix="_new")


def change_of(table_name: str, column: str, type_: Any, using: str | None, schema: str | None) -> ColumnChange:
    """The change of a type.

    :raises InvalidObject: if there is none, or the expression cannot be read.
    """
    change = ColumnChange(table_name, column, twin_name(column), type_text(type_), using, schema)
    if using is not None:
        qualify(using, "new")  # reads it
    return change


def _nothing_else(twin: Twin) -> str:
    """Stops a script at a column that has more than a script can know."""
    change = twin.change
    body = f"""
BEGIN
    IF EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = {literal(twin.table)}::regclass AND a.attname = {literal(change.column)}
            AND (a.attnotnull OR a.atthasdef OR a.attidentity <> '' OR EXISTS (
                SELECT FROM pg_depend AS d
                WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
            ))
    ) THEN
        RAISE EXCEPTION 'column has a default, a constraint, an index or anything else that depends on it'
            USING HINT = 'run this revision with a connection to the database, not from a script';
    END IF;
END
"""
    return f"DO $${body}$$"
