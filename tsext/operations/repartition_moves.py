"""What all moves of a table's rows into another shape have in common: how they are declared, refused and done."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill import ledger
from tsext.backfill.ledger import Backfill, Declaration, State
from tsext.backfill.repartition import swapping
from tsext.backfill.repartition.move import KIND, Move, Spec
from tsext.errors import BackfillError, FeatureNotSupported
from tsext.model import Hypertable
from tsext.model.repartitions import Repartition
from tsext.operations.declaring import DeclaringOperation
from tsext.operations.rendering import Code, code_of, schema_of
from tsext.operations.repartition_jobs import moved_jobs
from tsext.operations.repartition_refusals import refuse
from tsext.operations.repartition_specs import spec_of
from tsext.operations.stepped import SteppedOperation
from tsext.settings import Settings
from tsext.sql.quoting import qualified

LIMITS: dict[str, str | None] = {"rest": "0", "wal_rate": "off"}
"""What of the limits of a backfill is other for a move, unless the settings say otherwise: nobody waits for what it
copies, and the sooner it is over, the less is noted meanwhile."""


class MovingOperation(SteppedOperation):
    """A verb about a move of a table's rows into another shape."""

    answers_for = SteppedOperation.answers_for | {"lock-table"}
    settings: Settings = Settings()

    def __init__(self, target: Repartition) -> None:
        self.target = target

    @property
    def backfill(self) -> str:
        """What the move is called in the ledger."""
        return f"repartition_{'_'.join(filter(None, (self.target.schema, self.target.table_name)))}"

    def declared(self, connection: Connection) -> Backfill | None:
        """The move, if it has been declared."""
        return ledger.named(connection, self.backfill)

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
        return [code_of(self.target.table_name), *arguments, *schema_of(self.target.schema)]


class ShapingOperation(MovingOperation, DeclaringOperation):
    """A verb that moves them."""

    former: Repartition | None = None
    """The shape it has before, if that is known."""
    undoes = False
    """Whether it is the way back of another move."""
    _checked: Spec | None = None
    """What it was found to need to know when it was checked, right before it is run."""

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
        self._checked = self._spec(connection, found)

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
        return self._is_partitioned(connection) and Move.of(declared).spec.types == self.target.types

    def is_shaped(self, connection: Connection) -> bool:
        """Whether the table is partitioned like that, and has columns of those types, of whatever length."""
        states = (catalog.column_state(connection, *self.table, *each) for each in self.target.types.items())
        return self._is_partitioned(connection) and all(each is not None and each.same_type for each in states)

    def _is_partitioned(self, connection: Connection) -> bool:
        found = catalog.hypertable(connection, *self.table)
        wanted = self.wanted(found)
        if wanted is None or found is None:
            return wanted is found
        same = (found.column, found.dimensions) == (wanted.column, wanted.dimensions)
        return same and wanted.chunk_time_interval in (None, found.chunk_time_interval)

    def spec(self, connection: Connection) -> Spec:
        """All that the move needs to know."""
        return self._checked or self._spec(connection, catalog.hypertable(connection, *self.table))

    def _spec(self, connection: Connection, found: Hypertable | None) -> Spec:
        return replace(spec_of(self, connection, self.target, found, self.wanted(found)), undoes=self.undoes)

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
