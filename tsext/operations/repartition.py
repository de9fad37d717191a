"""Verbs that give a table another shape while others read and write: other chunks, other dimensions, other types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill import ledger
from tsext.backfill.ledger import Backfill, State
from tsext.backfill.repartition import swapping
from tsext.backfill.repartition.move import KIND, Move, Spec
from tsext.errors import BackfillError, FeatureNotSupported, InvalidObject, IrreversibleOperation
from tsext.model import TIMESCALEDB, Dimension, Hypertable, Interval
from tsext.model.repartitions import Repartition
from tsext.operations.declaring import Declaration, DeclaringOperation
from tsext.operations.operation import refuse_without
from tsext.operations.rendering import Code, code_of
from tsext.operations.repartition_jobs import moved_jobs
from tsext.operations.repartition_refusals import refuse
from tsext.operations.repartition_specs import spec_of
from tsext.operations.steps import SteppedOperation
from tsext.settings import Settings
from tsext.sql.columns import type_text
from tsext.sql.quoting import qualified

LIMITS: dict[str, str | None] = {"rest": "0", "wal_rate": "off"}
"""What of the limits of a backfill is other for a move, unless the settings say otherwise: nobody waits for what it
copies, and the sooner it is over, the less is noted meanwhile."""


class MovingOperation(SteppedOperation):
    """A verb about a move of a table's rows into another shape."""

    answers_for = SteppedOperation.answers_for | {"lock-table"}

    def __init__(self, target: Repartition) -> None:
        self.target = target

    @property
    def backfill(self) -> str:
        """What the move is called in the ledger."""
        return f"repartition_{'_'.join(filter(None, (self.target.schema, self.target.table_name)))}"

    def declared(self, connection: Connection) -> Backfill | None:
        """The move, if it has been declared."""
        return next((each for each in ledger.backfills(connection) if each.name == self.backfill), None)

    def statements(self) -> list[str]:
        """For who reads it: the one lock that others may notice."""
        return [f"LOCK TABLE ONLY {qualified(*self.table)} IN ACCESS EXCLUSIVE MODE"]

    def script(self) -> str:
        """None: rows are moved by workers.

        :raises FeatureNotSupported: always.
        """
        raise FeatureNotSupported(
            f"op.{self.verb} cannot be written as a script: it moves rows while others write, and looks what there is",
            hint="run it online",
        )

    def call_of(self, *arguments: Code) -> list[Code]:
        """The table's name, what is given, and the schema if there is one."""
        schema = [] if self.target.schema is None else [code_of(self.target.schema, "schema")]
        return [code_of(self.target.table_name), *arguments, *schema]


class ShapingOperation(MovingOperation, DeclaringOperation):
    """A verb that moves them."""

    def wanted(self, found: Hypertable | None) -> Hypertable | None:
        """What the table is to be; None: a plain one.

        :param found: what it is now.
        """
        raise NotImplementedError(type(self).__name__)

    def check(self, connection: Connection) -> None:
        """Refuse what cannot be moved, or not into that shape, before anything is done."""
        super().check(connection)
        under_way = self.is_under_way(connection)
        if under_way is not None:
            self._refuse_another(connection, under_way)
            return
        found = catalog.hypertable(connection, *self.table)
        refuse(self, connection, found, self.wanted(found), self.target.types)
        self.spec(connection)

    def is_under_way(self, connection: Connection) -> Backfill | None:
        """The move, if it has been declared and is not over for good with another outcome."""
        found = self.declared(connection)
        if found is None or found.state is State.CANCELLED:
            return None
        if found.state is State.FINISHED and not self._is_done(connection, found):
            return None
        return found

    def _refuse_another(self, connection: Connection, declared: Backfill) -> None:
        """Refuse while a move into another shape goes on, or may still be undone.

        :raises BackfillError: naming it, with how to end it.
        """
        spec, name = Move.of(declared).spec, declared.name
        if declared.state is State.FINISHED:
            return
        if Move.of(declared).is_swapped(connection):
            if not self._is_done(connection, declared):
                raise BackfillError(
                    f"op.{self.verb}: backfill {name} has given {self.shown} another shape, and may still be undone",
                    hint=f"give up its way back first, and the old table: tsext backfill finish {name}",
                )
            return
        wanted = self.spec(connection)
        if (wanted.shape, wanted.types, wanted.using) != (spec.shape, spec.types, spec.using):
            raise BackfillError(
                f"op.{self.verb}: backfill {name} is giving {self.shown} another shape",
                hint=f"let it be done by the revision that declared it, or give it up: tsext backfill cancel {name}",
            )

    def _is_done(self, connection: Connection, declared: Backfill) -> bool:
        """Whether a move has given the table this shape."""
        return self._is_shaped(connection) and Move.of(declared).spec.types == self.target.types

    def _is_shaped(self, connection: Connection) -> bool:
        found = catalog.hypertable(connection, *self.table)
        wanted = self.wanted(found)
        if wanted is None or found is None:
            return wanted is found
        same = (found.column, found.dimensions) == (wanted.column, wanted.dimensions)
        return same and wanted.chunk_time_interval in (None, found.chunk_time_interval)

    def spec(self, connection: Connection) -> Spec:
        """All that the move needs to know."""
        found = catalog.hypertable(connection, *self.table)
        return spec_of(self, connection, self.target, found, self.wanted(found))

    def run(self, connection: Connection) -> None:
        """Declare it, unless it is; move what is left; and let the new table take the place."""
        declared = self.declare(connection)
        move = Move.of(declared)
        if declared.state is State.FINISHED:
            return
        if move.is_swapped(connection):  # and was killed before it could say so
            swapping.validate(connection, move)
            ledger.set_state(
                connection, declared, State.APPLIED, reason=f"the old table is {move.old}", only=[State.DONE]
            )
            return
        self.work(connection, declared)
        swapping.fill_aggregates(connection, move)
        seconds = swapping.swap(connection, move, moved_jobs(connection, move, move.place))
        reason = f"writers waited {1000 * seconds:.0f} ms for the swap; the old table is {move.old}"
        ledger.set_state(connection, declared, State.APPLIED, reason=reason)

    def declare(self, connection: Connection, revision: str | None = None) -> Backfill:
        """Enter the move in the ledger, unless it is there."""
        return self.is_under_way(connection) or self._declare(connection, revision)

    def declaration(self, connection: Connection) -> Declaration:
        """A ``repartition`` of this table."""
        spec = self.spec(connection)
        return Declaration(KIND, qualified(spec.table, spec.schema), spec.as_json(), given=self.backfill)

    def _declare(self, connection: Connection, revision: str | None) -> Backfill:
        old = self.declared(connection)
        if old is not None:
            swapping.clear(connection, Move.of(old))
            ledger.forget(connection, old)
        declared = super().declare(connection, revision)
        if not declared.limits:
            ledger.limit(connection, declared, LIMITS)
        return ledger.find(connection, declared.name)

    def reverse(self) -> UndoRepartitionHypertable:
        """The old table again."""
        return UndoRepartitionHypertable(self.target)


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
        given = {name: type_text(each) for name, each in (types or {}).items()}
        by = None if dimensions is None else tuple(dimensions)
        target = Repartition(
            table_name, column, chunk_time_interval, by, given, using or {}, existing_using or {}, schema=schema
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
        target = self.target
        first = [] if target.column is None else [code_of(target.column)]
        names = ("chunk_time_interval", "dimensions", "types", "using", "existing_using")
        given = [(name, getattr(target, name)) for name in names]
        others = [
            code_of(
                dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value, name
            )
            for name, value in given
            if value is not None and value != {}
        ]
        return self.call_of(*first, *others)


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

    def check(self, connection: Connection) -> None:
        """Refuse what is no hypertable, too."""
        if self.is_under_way(connection) is None and catalog.hypertable(connection, *self.table) is None:
            raise InvalidObject(
                f"op.{self.verb}: {self.shown} is no hypertable", hint="remove the operation, or correct the name"
            )
        super().check(connection)


class UndoRepartitionHypertable(MovingOperation, name="undo_repartition_hypertable", noun=Repartition):
    """Let the old table take its place again."""

    @classmethod
    def invoke(cls, operations: Operations, table_name: str, *, schema: str | None = None) -> None:
        """Undo ``op.repartition_hypertable`` or ``op.convert_to_table``, also one that was interrupted.

        What has changed since is brought over to the old table, which takes its place again in an instant; the new one
        is dropped. Outside the transaction; after an interruption the same call goes on.

        :raises IrreversibleOperation: after ``tsext backfill finish``, which drops the old table.
        """
        operations.invoke(cls(Repartition(table_name, schema=schema)))

    def check(self, connection: Connection) -> None:
        """Refuse once the old table is gone."""
        super().check(connection)
        found = self.declared(connection)
        if found is not None and found.state is State.FINISHED and not Move.of(found).is_swapped(connection):
            raise IrreversibleOperation(
                f"op.{self.verb}: the old table of {self.shown} was dropped by tsext backfill finish",
                hint="write op.repartition_hypertable with the former shape into the downgrade",
            )

    def run(self, connection: Connection) -> None:
        """Swap them back, if they are swapped, and remove all that belongs to the move."""
        found = self.declared(connection)
        if found is None:
            return
        move = Move.of(found)
        ledger.set_state(connection, found, State.CANCELLED, reason="undone")
        if move.is_swapped(connection):
            self._swap_back(connection, move)
        swapping.validate(connection, move)
        swapping.clear(connection, move)
        ledger.forget(connection, found)

    def _swap_back(self, connection: Connection, move: Move) -> None:
        move.jobs.pause(connection)
        try:
            swapping.fill_aggregates(connection, move, back=True)
            swapping.swap_back(connection, move, moved_jobs(connection, move, move.kept))
        except BaseException:
            move.jobs.resume(connection)
            raise

    def arguments(self) -> list[Code]:
        """The table."""
        return self.call_of()

    def reverse(self) -> RepartitionHypertable | ConvertToTable:
        """The new shape again.

        :raises IrreversibleOperation: if that is not known.
        """
        if self.target == Repartition(self.target.table_name, schema=self.target.schema):
            raise IrreversibleOperation(
                f"{self.verb} does not say which shape the table had", hint="write op.repartition_hypertable(…)"
            )
        return ConvertToTable(self.target) if self.target.plain else RepartitionHypertable(self.target)
