"""What is said so that two tables change places: the names, and all that others know the one in place by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill.repartition import aggregates, details
from tsext.backfill.repartition.capture import Capture
from tsext.backfill.repartition.move import Flow, Move, table_of
from tsext.sql.quoting import identifier, literal, qualified

EXCLUSIVE = "AccessExclusiveLock"


@dataclass(frozen=True)
class Swap:
    """A swap, in either direction."""

    move: Move
    flow: Flow
    """From the table in place to the one that takes it."""
    other: str
    """Schema of the one that takes it."""
    leaves_for: str
    """Schema for the one in place."""

    @property
    def place(self) -> str:
        """Schema of the table in place."""
        return self.move.spec.schema

    @property
    def is_forth(self) -> bool:
        """Whether it is the new table that takes the place."""
        return self.other == self.move.place

    def locks(self, connection: Connection) -> dict[str, str]:
        """What it locks, and how: also the tables at the other ends of foreign keys, and continuous aggregates."""
        current = table_of(connection, self.move.spec.table, self.place)
        views = (each.relation for each in aggregates.aggregates(self.move))
        return dict.fromkeys((*current.referring, *current.referred, *views, self.move.table), EXCLUSIVE)

    @property
    def noting_back(self) -> Capture:
        """What notes, afterwards, the changes of the table that has taken the place."""
        return Capture(replace(self.flow, home=identifier(self.leaves_for)))

    def statements(
        self, current: catalog.MovedTable, more: catalog.TableDetails, views: Sequence[str]
    ) -> Iterator[str]:
        """All that exchanges the two tables."""
        name, other = self.move.spec.table, qualified(self.move.spec.table, self.other)
        yield from Capture(self.flow).removal
        for table, key in _foreign_keys(current):
            yield f"ALTER TABLE {table} DROP CONSTRAINT {identifier(key.name)}"
        for trigger in current.triggers:
            yield f"DROP TRIGGER {identifier(trigger.name)} ON {current}"
        serial = [each for each in current.columns if each.sequence and not each.identity]
        for column in serial:
            yield f"ALTER SEQUENCE {column.sequence} OWNED BY NONE"
        if current.force_row_security:
            yield f"ALTER TABLE {current} NO FORCE ROW LEVEL SECURITY"
        yield f"CREATE SCHEMA IF NOT EXISTS {identifier(self.leaves_for)}"
        yield f"ALTER TABLE {current} SET SCHEMA {identifier(self.leaves_for)}"
        yield f"ALTER TABLE {other} SET SCHEMA {identifier(self.place)}"
        yield from aggregates.exchange(self.move, self.other, self.leaves_for)
        yield from details.exchange(more, self.other, self.leaves_for)
        for column in serial:
            yield f"ALTER SEQUENCE {column.sequence} OWNED BY {current}.{identifier(column.name)}"
        for column in current.columns:
            if column.identity:
                yield self._identity(column.name)
        yield from details.published(more, qualified(name, self.leaves_for), str(current))
        yield from views
        yield from details.rules(more)
        yield from self._again(current)
        if left_over := list(self.validations(current)):
            yield f"COMMENT ON SCHEMA {identifier(self.leaves_for)} IS {literal(json.dumps(left_over))}"

    def _again(self, current: catalog.MovedTable) -> Iterator[str]:
        """What the table that has left had, said of the one in its place."""
        for table, key in _foreign_keys(current):
            not_valid = f"{key.definition.removesuffix(' NOT VALID')} NOT VALID"
            yield f"ALTER TABLE {table} ADD CONSTRAINT {identifier(key.name)} {not_valid}"
            if key.comment is not None:
                yield f"COMMENT ON CONSTRAINT {identifier(key.name)} ON {table} IS {literal(key.comment)}"
        for trigger in current.triggers:
            yield trigger.definition
            if trigger.enabled != "O":
                how = {"D": "DISABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}[trigger.enabled]
                yield f"ALTER TABLE {current} {how} TRIGGER {identifier(trigger.name)}"
            if trigger.comment is not None:
                yield f"COMMENT ON TRIGGER {identifier(trigger.name)} ON {current} IS {literal(trigger.comment)}"
        if current.force_row_security:
            yield f"ALTER TABLE {current} FORCE ROW LEVEL SECURITY"

    def _identity(self, column: str) -> str:
        """The sequence of an identity column goes on where the other one's stands."""
        table = self.move.spec.table
        of = [
            f"pg_catalog.pg_get_serial_sequence({literal(qualified(table, schema))}, {literal(column)})::regclass"
            for schema in (self.place, self.leaves_for)
        ]
        return (
            f"SELECT pg_catalog.setval({of[0]}, coalesce(pg_catalog.pg_sequence_last_value({of[1]}), 1), "
            f"pg_catalog.pg_sequence_last_value({of[1]}) IS NOT NULL)"
        )

    def validations(self, current: catalog.MovedTable) -> Iterator[str]:
        """What makes sure, afterwards, that foreign keys hold; nobody who reads or writes waits for it."""
        for table, key in _foreign_keys(current):
            if key.valid:
                yield f"ALTER TABLE {table} VALIDATE CONSTRAINT {identifier(key.name)}"


def _foreign_keys(table: catalog.MovedTable) -> Iterator[tuple[str, catalog.MovedConstraint | catalog.ReferringKey]]:
    """Those of a table, then those of others that refer to it; each after the table that it is of."""
    yield from ((str(table), each) for each in table.constraints if each.kind == "f")
    yield from ((each.table, each) for each in table.referencing)


def view_again(connection: Connection, view: str) -> str:
    """What has a view read the table that has its name then; its name, privileges and so on stay."""
    definition, options = catalog.view_query(connection, view)
    given = f" WITH ({', '.join(options)})" if options else ""
    return f"CREATE OR REPLACE VIEW {view}{given} AS {definition.rstrip().rstrip(';')}"
