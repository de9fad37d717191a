"""Verbs that rename a column over two revisions: expand, then contract."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import InvalidObject
from tsext.model.columns import ColumnChange
from tsext.operations.rendering import Code, code_of, schema_of
from tsext.operations.twins import ITS_OWN, ColumnOperation, Expansion, Instant, Twin, UndoExpansion
from tsext.sql.quoting import identifier, literal, short
from tsext.sql.sending import send


class ColumnRename(ColumnOperation):
    """A verb about a column of two names."""

    mutual = True

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        new_column_name: str,
        *,
        schema: str | None = None,
    ) -> None:
        """Described by each verb."""
        operations.invoke(cls(ColumnChange(table_name, column_name, new_column_name, schema=schema)))

    def arguments(self) -> list[Code]:
        """Table, old name, new name, and the schema if there is one."""
        target = self.target
        given = [code_of(each) for each in (target.table_name, target.column, target.twin)]
        return [*given, *schema_of(target.schema)]


class ExpandColumnRename(Expansion, ColumnRename, name="expand_column_rename", noun=ColumnChange):
    """Rename a column, first half: from now on applications may use either name.

    A column of the new name is added beside it; a trigger gives what is written into either to the other, and the
    rows that are there are filled in batches that are committed one by one. Indexes of the column are built for
    the new one, too, while others read and write. Then deploy the application that uses the new name;
    ``op.contract_column_rename`` in a later revision ends it.

    Where an UPDATE gives both columns new values, the old name's counts; in an INSERT the new name's, unless it
    is null. Outside the transaction; after an interruption the same call goes on. Undone by
    ``op.undo_expand_column_rename``.

    :raises InvalidObject: if the table has a column of the new name; for a generated column; if a hypertable is
        partitioned by it.
    :raises FeatureNotSupported: on a hypertable with chunks in the columnstore.
    """

    def statements(self) -> list[str]:
        """For a script: without indexes, which only the database knows."""
        return [self.twin.create_function, _added_like(self.twin), self.twin.create_trigger, self.twin.fill_at_once]

    def reverse(self) -> UndoExpandColumnRename:
        """Dropping the column of the new name."""
        return UndoExpandColumnRename(self.target)


class UndoExpandColumnRename(UndoExpansion, ColumnRename, name="undo_expand_column_rename", noun=ColumnChange):
    """Undo ``op.expand_column_rename``, also one that was interrupted: applications may use the old name only.

    Nothing is lost: both columns have what was written into either. ACCESS EXCLUSIVE, for an instant.
    """

    answers_for = ITS_OWN

    def check(self, connection: Connection) -> None:
        """Refuse to drop a column that was not added by the expansion."""
        super().check(connection)
        twin = catalog.column_details(connection, *self.table, self.target.twin)
        if twin is not None and not self.is_expanded(connection):
            raise InvalidObject(
                f"op.{self.verb}: column {self.target.twin} of {self.shown} is not kept equal to {self.target.column}",
                hint="it was not added by op.expand_column_rename; correct the names",
            )

    def reverse(self) -> ExpandColumnRename:
        """Adding it again."""
        return ExpandColumnRename(self.target)


class ContractColumnRename(Instant, ColumnRename, name="contract_column_rename", noun=ColumnChange):
    """Rename a column, second half: from now on applications may use the new name only.

    The column that was added is dropped, and the old one renamed, so that it keeps its place, indexes,
    constraints, default and privileges. Before that, the whole table is read to make sure that no row differs.
    ACCESS EXCLUSIVE, for an instant, in the revision's transaction. Undone by ``op.undo_contract_column_rename``.

    :raises InvalidObject: if the column has not been expanded.
    :raises RevisionFailed: if a row differs.
    """

    answers_for = ITS_OWN | {"drop-column"}

    def check(self, connection: Connection) -> None:
        """Refuse before it is expanded, and if a row differs."""
        super().check(connection)
        cure = "something writes past the trigger, or after it; make them equal first"
        self.refuse_unequal(connection, "expand_column_rename", cure)

    def statements(self) -> list[str]:
        """Trigger, function, column, name."""
        column, twin = identifier(self.target.column), identifier(self.target.twin)
        return [
            *self.twin.drop_sync,
            f"{self.alter} DROP COLUMN {twin}",
            f"{self.alter} RENAME COLUMN {column} TO {twin}",
        ]

    def reverse(self) -> UndoContractColumnRename:
        """Letting it have both names again."""
        return UndoContractColumnRename(self.target)


class UndoContractColumnRename(ColumnRename, name="undo_contract_column_rename", noun=ColumnChange):
    """Undo ``op.contract_column_rename``: applications may use the old name, too.

    A column of the old name is added and filled, as ``op.expand_column_rename`` does; then both swap their names,
    in an instant. Outside the transaction; after an interruption the same call goes on.
    """

    answers_for = ITS_OWN | {"rename-column"}

    def __init__(self, target: ColumnChange) -> None:
        super().__init__(target)
        self.back = ExpandColumnRename(
            ColumnChange(target.table_name, target.twin, target.column, schema=target.schema)
        )
        self.is_back = False

    def check(self, connection: Connection) -> None:
        """Look whether it is done."""
        super().check(connection)
        self.is_back = self.is_expanded(connection)
        if not self.is_back:
            self.back.check(connection)

    def run(self, connection: Connection) -> None:
        """Add the old name, then swap."""
        if not self.is_back:
            self.back.run(connection)
            send(connection, ";\n".join(self.swapped()))  # in one transaction

    def swapped(self) -> list[str]:
        """What lets the column that has the constraints have the old name."""
        old, new = identifier(self.target.column), identifier(self.target.twin)
        between = identifier(short(self.target.column, suffix="_swap"))
        return [
            *self.back.twin.drop_sync,
            f"{self.alter} RENAME COLUMN {new} TO {between}",
            f"{self.alter} RENAME COLUMN {old} TO {new}",
            f"{self.alter} RENAME COLUMN {between} TO {old}",
            self.twin.create_function,
            self.twin.create_trigger,
        ]

    def statements(self) -> list[str]:
        """For a script: without indexes, which only the database knows."""
        return [*self.back.statements(), "BEGIN", *self.swapped(), "COMMIT"]

    def reverse(self) -> ContractColumnRename:
        """Contracting again."""
        return ContractColumnRename(self.target)


def _added_like(twin: Twin) -> str:
    """Adds the twin with the type of the column, which only the database knows."""
    change = twin.change
    body = (
        f"BEGIN EXECUTE (SELECT {literal(twin.add_column(''))} || format_type(atttypid, atttypmod) FROM pg_attribute "
        f"WHERE attrelid = {literal(twin.table)}::regclass AND attname = {literal(change.column)}); END"
    )
    return f"DO {literal(body)}"
