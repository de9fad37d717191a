"""Verbs in several steps, each of which is committed, and none of which is done twice."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import FeatureNotSupported, InvalidObject
from tsext.operations.operation import Operation
from tsext.sql.quoting import qualified, shown
from tsext.sql.sending import send


class SteppedOperation(Operation):
    """A verb that commits as it goes: after an interruption the same call goes on where it stopped."""

    transactional = False
    answers_for = frozenset({"exists-already"})

    @property
    def table(self) -> tuple[str, str | None]:
        """Name and schema of the table it is about."""
        target: Any = self.target  # type: ignore[attr-defined]  # every such verb has one
        return target.table_name, target.schema

    @property
    def alter(self) -> str:
        """``ALTER TABLE``, and the table."""
        return f"ALTER TABLE {qualified(*self.table)}"

    @property
    def shown(self) -> str:
        """The table, for messages."""
        return shown(*self.table)

    def steps(self, connection: Connection) -> list[str]:
        """What is left to do."""
        raise NotImplementedError(type(self).__name__)

    def run(self, connection: Connection) -> None:
        """One step after the other; what is left is told anew after each, by what the database then has."""
        done: list[str] = []
        while left := self.steps(connection):
            statement = left[0]
            if statement in done:
                raise RuntimeError(f"{statement} has no effect")
            send(connection, statement)
            done.append(statement)

    def check(self, connection: Connection) -> None:
        """Refuse a table that is not there."""
        if catalog.indexed_table(connection, *self.table) is None:
            raise InvalidObject(
                f"op.{self.verb}: there is no table {self.shown}", hint="create it first, or correct its name or schema"
            )

    def refuse_columnstore(self, connection: Connection, instead: str) -> None:
        """Refuse a hypertable with a columnstore, of which TimescaleDB validates nothing afterwards."""
        if catalog.columnstore(connection, *self.table) is not None:
            raise FeatureNotSupported(
                f"op.{self.verb}: hypertable {self.shown} has the columnstore, and there TimescaleDB refuses VALIDATE "
                "CONSTRAINT",
                hint=f"use {instead} in a maintenance window: it scans the table while nobody can read or write it",
            )
