"""A column beside another that a trigger keeps equal to it: the state between expanding and contracting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.backfill.batches import Update
from tsext.backfill.filling import fill
from tsext.catalog import ColumnUse, Moved
from tsext.errors import FeatureNotSupported, InvalidObject, RevisionFailed
from tsext.model.columns import SYNC, ColumnChange
from tsext.model.constraints import NotNull
from tsext.operations import index_builds
from tsext.operations.constraints import SetNotNull
from tsext.operations.index_builds import Build
from tsext.operations.operation import Operation
from tsext.operations.progress import count
from tsext.operations.stepped import SteppedOperation
from tsext.sql.columns import qualify
from tsext.sql.quoting import identifier, literal, qualified, short
from tsext.sql.sending import ask, said_first, send

ITS_OWN = frozenset({"drop-object", "lost-column"})
"""Rules about what only the expansion uses: the function of the trigger, and values that the other column has, too."""

COPIED = ("index", "p", "u", "c", "f")
"""Kinds of uses of a column of which its twin gets a copy."""

_MUTUAL = """
    IF TG_OP = 'INSERT' THEN
        IF NEW.{twin} IS NULL THEN
            NEW.{twin} := NEW.{column};
        ELSE
            NEW.{column} := NEW.{twin};
        END IF;
    ELSIF ROW(NEW.{column})::record *<> ROW(OLD.{column})::record THEN
        NEW.{twin} := NEW.{column};
    ELSIF ROW(NEW.{twin})::record *<> ROW(OLD.{twin})::record THEN
        NEW.{column} := NEW.{twin};
    ELSE
        NEW.{twin} := NEW.{column};
    END IF;"""
"""``*<>`` compares values of any type, also of those that have no equality, such as ``json``."""


@dataclass(frozen=True)
class Twin:
    """The texts of all that is about the column beside."""

    change: ColumnChange
    mutual: bool
    """Whether what is written into either gets into the other; else only the twin follows."""

    @property
    def table(self) -> str:
        """As it stands in SQL."""
        return qualified(self.change.table_name, self.change.schema)

    @property
    def trigger(self) -> str:
        """Its name."""
        return short(SYNC, self.change.column, self.change.twin)

    @property
    def function(self) -> str:
        """The function of the trigger, as it stands in SQL."""
        change = self.change
        return qualified(short("tsext_sync", change.table_name, change.column, change.twin), change.schema)

    @property
    def value(self) -> str:
        """What the twin gets: an expression over the columns of the table.

        Without a cast, which would cut off what is too long: that it is stored makes it of the twin's type, or fails.
        """
        return self.change.using or identifier(self.change.column)

    @property
    def create_function(self) -> str:
        """``CREATE OR REPLACE FUNCTION``."""
        names = {"column": identifier(self.change.column), "twin": identifier(self.change.twin)}
        body = _MUTUAL.format(**names) if self.mutual else f"\n    NEW.{names['twin']} := {qualify(self.value, 'new')};"
        tag = next(tag for tag in ("$$", "$tsext$", "$tsext_body$") if tag not in body)
        return (
            f"CREATE OR REPLACE FUNCTION {self.function}() RETURNS trigger LANGUAGE plpgsql AS {tag}\n"
            f"BEGIN{body}\n    RETURN NEW;\nEND\n{tag}"
        )

    @property
    def create_trigger(self) -> str:
        """``CREATE OR REPLACE TRIGGER``."""
        return (
            f"CREATE OR REPLACE TRIGGER {identifier(self.trigger)} BEFORE INSERT OR UPDATE ON {self.table} "
            f"FOR EACH ROW EXECUTE FUNCTION {self.function}({literal(self.change.column)}, {literal(self.change.twin)})"
        )

    def add_column(self, type_: str) -> str:
        """``ADD COLUMN``."""
        return f"ALTER TABLE {self.table} ADD COLUMN {identifier(self.change.twin)} {type_}"

    @property
    def drop_sync(self) -> list[str]:
        """What ends keeping them equal."""
        return [
            f"DROP TRIGGER IF EXISTS {identifier(self.trigger)} ON {self.table}",
            f"DROP FUNCTION IF EXISTS {self.function}()",
        ]

    @property
    def fill(self) -> Update:
        """What rows get that were there before; the trigger has filled those that were written since."""
        twin, value = identifier(self.change.twin), self.value
        return Update(f"{twin} = {value}", f"{twin} IS NULL AND ({value}) IS NOT NULL")

    @property
    def fill_at_once(self) -> str:
        """The same in one statement, for a script."""
        return self.fill.of(self.table)

    def differs(self, connection: Connection) -> bool:
        """Whether any row has another value in the twin than it should have; reads the whole table."""
        value = self.value if self.change.type_ is None else f"CAST({self.value} AS {self.change.type_})"
        query = (
            f"SELECT EXISTS (SELECT FROM {self.table} "
            f"WHERE ROW({identifier(self.change.twin)})::record *<> ROW({value})::record)"
        )
        return bool(ask(connection, query).scalar())


def copy_name(name: str) -> str:
    """What an index or a constraint of the twin is called meanwhile."""
    return short(name, suffix="_new")


class ColumnOperation(SteppedOperation):
    """A verb about a column and the one beside it."""

    def __init__(self, target: ColumnChange) -> None:
        self.target = target

    mutual: bool

    @property
    def twin(self) -> Twin:
        """What is beside the column."""
        return Twin(self.target, self.mutual)

    def state(self, connection: Connection, column: str) -> catalog.ColumnDetails:
        """A column.

        :raises InvalidObject: if there is none of this name.
        """
        found = catalog.column_details(connection, *self.table, column)
        if found is None:
            raise InvalidObject(f"op.{self.verb}: {self.shown} has no column {column}", hint="correct its name")
        return found

    def is_expanded(self, connection: Connection) -> bool:
        """Whether the twin is there, and kept equal: both come in one step."""
        return self.twin.trigger in catalog.expansions_of(connection, *self.table)

    def refuse_unequal(self, connection: Connection, expanded_by: str, cure: str) -> None:
        """Refuse to contract before it is expanded, and if a row differs; reads the whole table.

        :param cure: what to do about rows that differ.
        """
        target = self.target
        self.state(connection, target.column)
        if not self.is_expanded(connection):
            raise InvalidObject(
                f"op.{self.verb}: {self.shown}.{target.column} has no column {target.twin} kept equal to it",
                hint=f"op.{expanded_by} in an earlier revision adds it",
            )
        if self.twin.differs(connection):
            fact = f"rows of {self.shown} have another value in {target.twin} than in {target.column}"
            raise RevisionFailed(f"op.{self.verb}: {fact}", hint=cure)


class Instant(ColumnOperation):
    """A verb of which nothing takes long, in the revision's transaction."""

    transactional = True
    run = Operation.run


class UndoExpansion(Instant):
    """Drops the twin, and what keeps it equal."""

    def statements(self) -> list[str]:
        """Trigger, function, column."""
        return [*self.twin.drop_sync, f"{self.alter} DROP COLUMN IF EXISTS {identifier(self.target.twin)}"]


class Expansion(ColumnOperation):
    """Adds the twin, keeps it equal, fills it, and gives it indexes like those of the column."""

    def __init__(self, target: ColumnChange) -> None:
        super().__init__(target)
        self.type: str | None = target.type_
        """Of the twin; None until the database is known, if it is that of the column."""
        self.copies = Moved({}, {})
        """Indexes and CHECKs of the twin."""
        self.uses: list[ColumnUse] = []
        self.not_null = False

    def added(self) -> list[str]:
        """The first steps; the two last are one."""
        assert self.type is not None
        return [self.twin.create_function, self.twin.add_column(self.type), self.twin.create_trigger]

    # --- what it does

    def check(self, connection: Connection) -> None:
        """Refuse what cannot be done, and look what goes with the column."""
        super().check(connection)
        found = self.state(connection, self.target.column)
        twin = catalog.column_details(connection, *self.table, self.target.twin)
        if twin is not None and not self.is_expanded(connection):
            raise InvalidObject(
                f"op.{self.verb}: {self.shown} has a column {self.target.twin} already",
                hint="drop it first, or choose another name",
            )
        self.refuse(connection, found)
        self._refuse_chunks_in_columnstore(connection)
        self._refuse_overlaps(connection)
        self.look(connection)
        self._refuse_taken_names(connection)

    def refuse(self, connection: Connection, found: catalog.ColumnDetails) -> None:
        """Refuse columns whose twin could not stand in for them."""
        if found.generated:
            raise InvalidObject(
                f"op.{self.verb}: {self.shown}.{self.target.column} is a generated column",
                hint="add another generated column, and drop this one later",
            )
        if found.granted:
            raise InvalidObject(
                f"op.{self.verb}: {self.shown}.{self.target.column} has privileges of its own",
                hint="grant them on the table instead: GRANT … ON TABLE",
            )
        hypertable = catalog.hypertable(connection, *self.table)
        dimensions = [hypertable.column, *(each.column for each in hypertable.dimensions or ())] if hypertable else []
        if self.target.column in dimensions:
            raise InvalidObject(
                f"op.{self.verb}: hypertable {self.shown} is partitioned by {self.target.column}",
                hint="rows are sent to their chunks before any trigger runs; op.alter_column in a maintenance window",
            )

    def _refuse_chunks_in_columnstore(self, connection: Connection) -> None:
        """Refuse a hypertable with chunks in the columnstore, of which rows cannot be updated in batches."""
        if catalog.columnstore(connection, *self.table) is None:
            return
        use = catalog.columnstore_use(connection, *self.table)
        if use.chunks:
            raise FeatureNotSupported(
                f"op.{self.verb}: {use.chunks} chunks of {self.shown} are in the columnstore, where rows cannot be "
                "updated in batches",
                hint=f"convert them first: op.convert_to_rowstore({self.target.table_name!r}); and back afterwards",
            )

    def _refuse_overlaps(self, connection: Connection) -> None:
        """Refuse two expansions at a time of one column, or of columns that share an index or a constraint."""
        mine = {self.target.column, self.target.twin}
        uses = catalog.column_uses(connection, *self.table, self.target.column)
        for trigger, names in catalog.expansions_of(connection, *self.table).items():
            if trigger == self.twin.trigger:
                continue
            theirs = [use for name in names for use in catalog.column_uses(connection, *self.table, name)]
            shared = {use.name for use in uses if use.name} & {use.name for use in theirs}
            if mine & set(names) or shared:
                through = f", which shares {min(map(str, shared))} with it" if shared else ""
                raise InvalidObject(
                    f"{self.shown}.{self.target.column} cannot be expanded while {names[0]} is{through}",
                    hint=f"contract or undo the expansion of {names[0]} first",
                )

    def _refuse_taken_names(self, connection: Connection) -> None:
        """Refuse to take another index or constraint for the twin's."""
        own = {use.name for use in catalog.column_uses(connection, *self.table, self.target.twin)}
        for use in self.uses:
            name = copy_name(str(use.name))
            if use.kind not in COPIED or name in own:
                continue
            is_index = catalog.is_there(connection, qualified(name, self.target.schema))
            if is_index or catalog.constraint_state(connection, *self.table, name) is not None:
                raise InvalidObject(
                    f"op.{self.verb}: {use.name} of {self.shown} needs the name {name} for its copy, and something "
                    "else has it",
                    hint=f"give {name} another name, at least until the contraction",
                )

    def look(self, connection: Connection) -> None:
        """What goes with the column, and how it is said of the twin."""
        found = self.state(connection, self.target.column)
        self.type = self.target.type_ or found.type
        self.not_null = found.not_null
        self.uses = catalog.column_uses(connection, *self.table, self.target.column)
        names = {use.name for use in self.uses if use.kind in ("index", "p", "u")}
        root, *_ = catalog.indexed_tables(connection, *self.table)
        indexes = {each.name: each.definition for each in root.indexes if each.name in names}
        try:
            self.copies = catalog.moved(connection, self.target, self.uses, indexes)
        except DBAPIError as error:
            reason = said_first(error)
            raise InvalidObject(
                f"op.{self.verb}: an index or a CHECK of {self.shown}.{self.target.column} does not suit a column of "
                f"type {self.type}: {reason}",
                hint="drop it before, and create another after the contraction",
            ) from error

    def run(self, connection: Connection) -> None:
        """All of it, as far as it is not done."""
        if not self.is_expanded(connection):
            function, *together = self.added()
            send(connection, function)
            send(connection, ";\n".join(together))  # in one transaction: the one is not there without the other
        heaps = catalog.heaps(connection, *self.table)
        filled = fill(connection, heaps, self.twin.fill)
        count(filled, sum(each.tuples for each in heaps), f"{self.shown}.{self.target.twin}: row")
        self._refuse_chunks_in_columnstore(connection)  # none may have gone there meanwhile
        for build in self.builds():
            index_builds.build(connection, build)

    def builds(self) -> Iterator[Build]:
        """The twin's indexes."""
        for use in self.uses:
            if use.kind in ("index", "p", "u"):
                index = self.copies.indexes[str(use.name)]
                yield Build(copy_name(str(use.name)), *self.table, index.definition, index.predicate)

    def constrain(self, connection: Connection) -> None:
        """Give the twin the column's constraints."""
        for use in self.uses:
            definition = self.copies.checks[str(use.name)] if use.kind == "c" else self._foreign_key(use)
            if definition is not None:
                self._add_constraint(connection, copy_name(str(use.name)), definition, use)
        if self.not_null:
            SetNotNull(NotNull(self.target.table_name, self.target.twin, self.target.schema)).run(connection)

    def _foreign_key(self, use: ColumnUse) -> str | None:
        if use.kind != "f":
            return None
        here = f"FOREIGN KEY ({', '.join(map(identifier, use.columns))})"
        twin = {self.target.column: self.target.twin}
        there = f"FOREIGN KEY ({', '.join(identifier(twin.get(each, each)) for each in use.columns)})"
        return there + str(use.definition).removeprefix(here)

    def _add_constraint(self, connection: Connection, name: str, definition: str, use: ColumnUse) -> None:
        state = catalog.constraint_state(connection, *self.table, name)
        if state is None:
            not_valid = f"{definition.removesuffix(' NOT VALID')} NOT VALID"
            send(connection, f"{self.alter} ADD CONSTRAINT {identifier(name)} {not_valid}")
        if use.validated and (state is None or not state.validated):
            send(connection, f"{self.alter} VALIDATE CONSTRAINT {identifier(name)}")
