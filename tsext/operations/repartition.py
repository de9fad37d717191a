"""Verbs that give a table another shape while others read and write: other chunks, other dimensions, other types."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill import ledger
from tsext.backfill.ledger import Backfill, State
from tsext.backfill.repartition import swapping
from tsext.backfill.repartition.move import Move
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import TIMESCALEDB, Dimension, Hypertable, Interval
from tsext.model.repartitions import Repartition
from tsext.operations.operation import refuse_without
from tsext.operations.rendering import Code, code_of
from tsext.operations.repartition_jobs import moved_jobs
from tsext.operations.repartition_moves import MovingOperation, ShapingOperation
from tsext.settings import Settings
from tsext.sql.columns import type_text

log = logging.getLogger("alembic.tsext")


class RepartitionHypertable(ShapingOperation, name="repartition_hypertable", noun=Repartition):
    """Give a table other chunks, other dimensions or other types while others write."""

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        column: str | None = None,
        *,
        chunk_time_interval: Interval | None = None,
        dimensions: Sequence[Dimension] | None = None,
        types: Mapping[str, Any] | None = None,
        using: Mapping[str, str] | None = None,
        existing_using: Mapping[str, str] | None = None,
        schema: str | None = None,
    ) -> None:
        """Partition a hypertable anew, or make a hypertable of a table, while others read and write.

        A new table of that shape is made beside it; what changes meanwhile is noted by triggers; the rows are copied
        chunk by chunk, indexes are built, changes brought over, all rows compared, and in the end both tables
        exchanged in an instant. The old one is kept, with what changes in the new one noted, until
        ``tsext backfill finish``: so ``op.undo_repartition_hypertable`` loses nothing. Jobs of the table are paused
        meanwhile; policies, the columnstore, foreign keys both ways and continuous aggregates go with it.

        Outside the transaction; after an interruption the same call goes on. See the page on repartitioning for how
        to let several machines do it before a deployment.

        :param column: to partition by ranges of; None: the one that it is partitioned by now.
        :param chunk_time_interval: length of a chunk; None: as it is now.
        :param dimensions: further dimensions; None: those it has now; ``[]``: none.
        :param types: new types by column: ``{"price": sa.Numeric(12, 4)}``.
        :param using: SQL expressions over the old columns that give the values of those; a cast, where there is none.
        :param existing_using: the same over the new columns, for the way back.
        :raises InvalidObject: for what cannot be moved, with what to do about it.
        :raises LockNotAvailable: if the table was never free for the swap; nothing is lost, and it goes on from there.
        """
        by = None if dimensions is None else tuple(dimensions)
        target = Repartition(
            table_name, column, chunk_time_interval, by, _texts(types), using or {}, existing_using or {}, schema=schema
        )
        operation = cls(target)
        operation.settings = Settings.of(operations.migration_context)
        operations.invoke(operation)

    def check(self, connection: Connection) -> None:
        """Refuse a database without TimescaleDB, too."""
        refuse_without(TIMESCALEDB, catalog.timescaledb(connection), f"op.{self.verb}")
        super().check(connection)

    def wanted(self, found: Hypertable | None) -> Hypertable:
        """As it is now, but for what is given."""
        target = self.target
        column = target.column or (found.column if found is not None else None)
        if column is None:
            raise InvalidObject(
                f"op.{self.verb}: {self.shown} is a plain table, and no column is given to partition it by",
                hint=f'op.{self.verb}("{target.table_name}", "time", …)',
            )
        if found is None:
            return Hypertable(column, target.chunk_time_interval, target.dimensions or (), name=target.table_name)
        same = column == found.column
        further = found.dimensions if target.dimensions is None else target.dimensions
        return Hypertable(
            column,
            target.chunk_time_interval or (found.chunk_time_interval if same else None),
            tuple(each for each in further or () if each.column != column),
            found.partitioning_func if same else None,
            found.integer_now_func if same else None,
            found.chunk_skipping,
            found.tablespaces,
            name=target.table_name,
        )

    def arguments(self) -> list[Code]:
        """The table, and what is given."""
        given = self.target.given
        first = [code_of(given.pop("column"))] if "column" in given else []
        return self.call_of(*first, *(code_of(value, name) for name, value in given.items()))

    def reverse(self) -> UndoRepartitionHypertable:
        """The former shape again."""
        return UndoRepartitionHypertable(self.target, self.former)


class ConvertToTable(ShapingOperation, name="convert_to_table", noun=Repartition):
    """Make a plain table of a hypertable while others write."""

    @classmethod
    def invoke(cls, operations: Operations, table_name: str, *, schema: str | None = None) -> None:
        """Make a plain table of a hypertable while others read and write; as ``op.repartition_hypertable`` does it.

        :raises InvalidObject: if it is none.
        """
        operation = cls(Repartition(table_name, plain=True, schema=schema))
        operation.settings = Settings.of(operations.migration_context)
        operations.invoke(operation)

    def wanted(self, found: Hypertable | None) -> None:
        """No hypertable."""

    def arguments(self) -> list[Code]:
        """The table."""
        return self.call_of()

    def reverse(self) -> UndoRepartitionHypertable:
        """The former shape again."""
        return UndoRepartitionHypertable(self.target, self.former)

    def check(self, connection: Connection) -> None:
        """Refuse what is no hypertable, too."""
        if self.is_under_way(connection) is None and catalog.hypertable(connection, *self.table) is None:
            raise InvalidObject(
                f"op.{self.verb}: {self.shown} is no hypertable", hint="remove the operation, or correct the name"
            )
        super().check(connection)


class UndoRepartitionHypertable(MovingOperation, name="undo_repartition_hypertable", noun=Repartition):
    """Let the table have its former shape again."""

    def __init__(self, target: Repartition, former: Repartition | None = None) -> None:
        super().__init__(target)
        self.former = former

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        table_name: str,
        *,
        former: Mapping[str, Any] | None = None,
        schema: str | None = None,
    ) -> None:
        """Undo ``op.repartition_hypertable`` or ``op.convert_to_table``, also one that was interrupted.

        What has changed since is brought over to the old table, which takes its place again in an instant; the new one
        is dropped. After ``tsext backfill finish``, which drops the old table, all rows are moved into the former shape
        as ``op.repartition_hypertable`` does it, if that shape is given. Outside the transaction; after an
        interruption the same call goes on.

        :param former: the shape that the table had, as arguments of ``op.repartition_hypertable`` by name:
            ``{"chunk_time_interval": timedelta(days=7)}``; ``{"plain": True}``: a plain table.
        :raises InvalidObject: for a shape that is none.
        :raises IrreversibleOperation: after ``tsext backfill finish``, if it is not given.
        """
        shape = None if former is None else _former(table_name, schema, former)
        operation = cls(Repartition(table_name, schema=schema), shape)
        operation.settings = Settings.of(operations.migration_context)
        operations.invoke(operation)

    def check(self, connection: Connection) -> None:
        """Refuse once the old table is gone, and it is not known what it was; or what cannot be moved."""
        super().check(connection)
        if not self._is_moved(connection, self.declared(connection)):
            return
        if self.former is None:
            raise IrreversibleOperation(
                f"op.{self.verb}: the old table of {self.shown} was dropped by tsext backfill finish",
                hint="say which shape it had, so that all rows are moved back: "
                f'op.{self.verb}("{self.target.table_name}", former={{"chunk_time_interval": …}})',
            )
        self._way_back(self.former).check(connection)

    def _is_moved(self, connection: Connection, found: Backfill | None) -> bool:
        """Whether rows have to be moved, or are being moved, as there is no old table any more."""
        if found is None:  # it has been undone; or another move was, since this one was finished
            return self.former is not None and not self._way_back(self.former).is_shaped(connection)
        move = Move.of(found)
        return move.spec.undoes or (found.state is State.FINISHED and not move.is_swapped(connection))

    def _way_back(self, former: Repartition) -> ShapingOperation:
        operation = ConvertToTable(former) if former.plain else RepartitionHypertable(former)
        operation.undoes, operation.settings = True, self.settings
        return operation

    def run(self, connection: Connection) -> None:
        """Swap them back, if they are swapped, or move the rows; and remove all that belongs to the move."""
        found = self.declared(connection)
        if self.former is not None and self._is_moved(connection, found):
            self._way_back(self.former).run(connection)
            found = ledger.find(connection, self.backfill)
        elif found is not None:
            self._undo(connection, found)
        else:
            log.warning("op.%s: no move of %s is known that could be undone", self.verb, self.shown)
            return
        swapping.clear(connection, Move.of(found))
        ledger.forget(connection, found)

    def _undo(self, connection: Connection, found: Backfill) -> None:
        move = Move.of(found)
        ledger.set_state(connection, found, State.CANCELLED, reason="undone")
        if move.is_swapped(connection):
            self._swap_back(connection, move)
        swapping.validate(connection, move)

    def _swap_back(self, connection: Connection, move: Move) -> None:
        move.jobs.pause(connection)
        try:
            swapping.fill_aggregates(connection, move, back=True)
            swapping.swap_back(connection, move, moved_jobs(connection, move, move.kept))
        except BaseException:
            move.jobs.resume(connection)
            raise

    def arguments(self) -> list[Code]:
        """The table, and what it was."""
        return self.call_of(*([] if self.former is None else [code_of(self.former.given, "former")]))

    def reverse(self) -> RepartitionHypertable | ConvertToTable:
        """The new shape again.

        :raises IrreversibleOperation: if that is not known.
        """
        if self.target == Repartition(self.target.table_name, schema=self.target.schema):
            raise IrreversibleOperation(
                f"{self.verb} does not say which shape the table had", hint="write op.repartition_hypertable(…)"
            )
        forth = ConvertToTable(self.target) if self.target.plain else RepartitionHypertable(self.target)
        forth.former = self.former
        return forth


def _former(table_name: str, schema: str | None, given: Mapping[str, Any]) -> Repartition:
    """The shape that a table had.

    :raises InvalidObject: if it says what a shape does not have.
    """
    if unknown := sorted(given.keys() - _OF_SHAPES):
        raise InvalidObject(
            f"former says what no shape has: {', '.join(unknown)}", hint=f"it may have: {', '.join(_OF_SHAPES)}"
        )
    by = given.get("dimensions")
    several = {"dimensions": None if by is None else tuple(by), "types": _texts(given.get("types"))}
    return Repartition(table_name, schema=schema, **{**given, **several})


_OF_SHAPES = ("column", "chunk_time_interval", "dimensions", "types", "using", "plain")


def _texts(types: Mapping[str, Any] | None) -> dict[str, str]:
    """Types as SQL text, by column."""
    return {name: type_text(each) for name, each in (types or {}).items()}
