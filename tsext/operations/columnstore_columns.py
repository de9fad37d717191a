"""The verb that changes the type of a column of a hypertable whose chunks are in the columnstore."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model.columns import ColumnType
from tsext.operations.columnstore import NAMED_SINCE, ColumnstoreOperation, DisableColumnstore, EnableColumnstore
from tsext.operations.pausing import PauseJobs
from tsext.operations.progress import track
from tsext.operations.rendering import Code, code_of
from tsext.sql.columns import type_text
from tsext.sql.quoting import identifier, literal, qualified
from tsext.sql.sending import send

ENABLED_SINCE = (2, 24)
"""From here on, a type may be changed while the columnstore is enabled, as long as no chunk is in it."""

MARK = "tsext: to be converted to the columnstore again"
"""The comment of a chunk that was in it, by which an interrupted run is resumed."""


class AlterColumnstoreColumn(ColumnstoreOperation, name="alter_columnstore_column", noun=ColumnType):
    """Change the type of a column of a hypertable with a columnstore."""

    transactional = False
    answers_for = frozenset({"columnstore-refuses", "chunk-rewrite"})

    def __init__(self, target: ColumnType) -> None:
        super().__init__(target.table_name, target.schema)
        self.target = target
        self.changed = False
        """Whether the column has the new type."""

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        *,
        type_: Any,
        existing_type: Any = None,
        postgresql_using: str | None = None,
        timeout: timedelta | str = "5 minutes",
        schema: str | None = None,
    ) -> None:
        """Change the type of a column of a hypertable with a columnstore, of which TimescaleDB refuses to alter it.

        For a maintenance window: jobs of the hypertable are paused; its chunks in the columnstore are converted to
        the rowstore, each in a transaction of its own, which takes the room that they had before; then ``ALTER
        COLUMN … TYPE`` rewrites all chunks while nobody can read or write the table, below TimescaleDB 2.24 with the
        columnstore disabled and enabled again with its settings in the same transaction; then the same chunks are
        converted back, one after the other. Outside the transaction; after an interruption the same call goes on.

        :param type_: the new type: ``sa.Numeric()``.
        :param existing_type: the old one, by which it can be reversed.
        :param postgresql_using: an SQL expression over the table's columns; None for a cast.
        :param timeout: how long to wait for jobs that run: ``timedelta`` or text.
        :raises InvalidObject: if the columnstore is not enabled, or a view or a continuous aggregate has the column.
        """
        existing = None if existing_type is None else type_text(existing_type)
        operation = cls(ColumnType(table_name, column_name, type_text(type_), existing, postgresql_using, schema))
        with PauseJobs((table_name,), schema, timeout=timeout).paused(operations):
            operations.invoke(operation)

    def check(self, connection: Connection) -> None:
        """Refuse a column that is not there, or that something depends on; look whether it is changed."""
        self.look(connection)
        self.enabled(connection)
        target = self.target
        found = catalog.column_details(connection, target.table_name, target.schema, target.column)
        if found is None:
            raise InvalidObject(f"op.{self.verb}: {self.shown} has no column {target.column}", hint="correct its name")
        self.changed = found.type == catalog.printed_column(connection, target.type_, None).type
        uses = catalog.column_uses(connection, target.table_name, target.schema, target.column)
        for use in uses:
            if use.kind == "other" and not self.changed:
                raise InvalidObject(
                    f"op.{self.verb}: {use.description} depends on {self.shown}.{target.column}",
                    hint="drop it before, and create it again afterwards",
                )

    def run(self, connection: Connection) -> None:
        """To the rowstore, another type, and back."""
        if not self.changed:
            chunks = catalog.chunks(connection, f"show_chunks({self.relation})")
            inside = [each.name for each in chunks if each.in_columnstore]
            for chunk in track(inside, f"{self.shown}: converting to the rowstore: chunk"):
                send(connection, f"{_mark(chunk, MARK)};\n{self.convert('rowstore', chunk)}")
            send(connection, ";\n".join(self.altered(connection)))  # in one transaction
        marked = catalog.commented_chunks(connection, self.table_name, self.schema, MARK)
        for chunk in track(marked, f"{self.shown}: converting to the columnstore: chunk"):
            send(connection, f"{_mark(chunk, None)};\n{self.convert('columnstore', chunk)}")

    def altered(self, connection: Connection) -> list[str]:
        """``ALTER COLUMN … TYPE``, where need be with the columnstore disabled and enabled again."""
        if self.timescaledb is None or self.timescaledb.number >= ENABLED_SINCE:
            return [self.alter_type]
        settings = self.enabled(connection)
        disable, enable = DisableColumnstore(settings), EnableColumnstore(settings)
        disable.timescaledb = enable.timescaledb = self.timescaledb
        return [*disable.statements(), self.alter_type, *enable.statements()]

    @property
    def alter_type(self) -> str:
        """``ALTER COLUMN … TYPE``."""
        target = self.target
        using = f" USING {target.using}" if target.using is not None else ""
        table = qualified(target.table_name, target.schema)
        return f"ALTER TABLE {table} ALTER COLUMN {identifier(target.column)} TYPE {target.type_}{using}"

    def convert(self, store: str, chunk: str) -> str:
        """The call that converts one chunk."""
        if self.timescaledb is not None and self.timescaledb.number < NAMED_SINCE:
            return f"SELECT {'de' if store == 'rowstore' else ''}compress_chunk({literal(chunk)})"
        return f"CALL convert_to_{store}({literal(chunk)})"

    def statements(self) -> list[str]:
        """For a script, and TimescaleDB 2.24 or newer."""
        inside = (
            "SELECT format('%I.%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks WHERE is_compressed "
            f"AND format('%I.%I', hypertable_schema, hypertable_name)::regclass = {self.relation}::regclass"
        )
        marked = (
            f"SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = {self.relation}::regclass "
            f"AND obj_description(inhrelid, 'pg_class') = {literal(MARK)}"
        )
        return [_loop(inside, MARK, "rowstore"), self.alter_type, _loop(marked, None, "columnstore")]

    def arguments(self) -> list[Code]:
        """Table, column, and the types."""
        target = self.target
        named = {
            "type_": target.type_,
            "existing_type": target.existing_type,
            "postgresql_using": target.using,
        }
        return self.call_of(
            code_of(target.column), *(code_of(value, name) for name, value in named.items() if value is not None)
        )

    def reverse(self) -> AlterColumnstoreColumn:
        """Giving it the old type back, by a cast.

        :raises IrreversibleOperation: if that is not known.
        """
        target = self.target
        if target.existing_type is None:
            raise IrreversibleOperation(
                f"{self.verb} of {self.shown}.{target.column} does not know the old type", hint="give existing_type"
            )
        return AlterColumnstoreColumn(
            ColumnType(target.table_name, target.column, target.existing_type, target.type_, schema=target.schema)
        )


def _mark(chunk: str, comment: str | None) -> str:
    return f"COMMENT ON TABLE {chunk} IS {literal(comment)}"


def _loop(chunks: str, comment: str | None, store: str) -> str:
    body = f"""
DECLARE
    chunk regclass;
BEGIN
    FOR chunk IN {chunks} LOOP
        EXECUTE format({literal(f"COMMENT ON TABLE %s IS {literal(comment)}")}, chunk);
        CALL convert_to_{store}(chunk);
        COMMIT;
    END LOOP;
END
"""
    return f"DO {literal(body)}"
