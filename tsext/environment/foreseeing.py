"""What the pending revisions would do, read without running them, in the light of the catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from alembic.script import Script
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext.errors import PreflightFailed
from tsext.settings import Settings
from tsext.sql.sending import LOCK_NOT_AVAILABLE, sqlstate

if TYPE_CHECKING:
    from tsext.preflight.situation import Pending
    from tsext.review import Reading
    from tsext.safety import Facts


@dataclass(frozen=True)
class Foreseen:
    """The readings of revisions, and what is known of the database that they are for."""

    readings: Sequence[Reading]
    facts: Facts = field(repr=False)

    @cached_property
    def touched(self) -> Pending:
        """What each revision locks and works on."""
        from tsext.preflight.touching import touches

        return {each.name: touches([sent.statement for sent in each.sent], self.facts) for each in self.readings}

    @cached_property
    def facts_and_functions(self) -> Facts:
        """The same facts, the functions that the revisions create known as well."""
        from tsext import safety

        return safety.with_functions(self.facts, [sent.statement for each in self.readings for sent in each.sent])

    @cached_property
    def tables(self) -> frozenset[str]:
        """What there is in the database, as readings name it."""
        from tsext.safety.names import Name

        schema = self.facts.search_path[0]
        relations = self.facts.database.relations if self.facts.database is not None else {}
        return frozenset(str(Name(None if each[0] == schema else each[0], each[1])) for each in relations)

    def tables_of(self, revision: str) -> Collection[str] | None:
        """The tables that a revision locks, among those that there are; None if that cannot be told."""
        if revision in self.unread:
            return None
        return {touch.relation for touch in self.touched.get(revision, ())} & self.tables

    @property
    def unread(self) -> list[str]:
        """The revisions that asked the database for something, and so cannot be read beyond that."""
        return [each.name for each in self.readings if each.stop is not None]


def foreseen(connection: Connection, pending: Collection[tuple[Script, bool]], settings: Settings) -> Foreseen | None:
    """Read revisions; None if there are none, or the database holds nothing that they could hurt.

    :param pending: each revision, and whether it is to be downgraded.
    """
    from tsext import catalog  # a run with nothing to do needs none of it

    if not pending or not catalog.holds_tables(connection):
        return None
    from tsext import review, safety  # bring the grammar

    readings = [review.read(script, settings, downgrade=downgrade) for script, downgrade in pending]
    return Foreseen(readings, safety.facts(connection))


@contextmanager
def looking(connection: Connection) -> Iterator[None]:
    """Ask for sizes, which wait for whoever has locked a table against everything; not for long.

    :raises PreflightFailed: if somebody has, for more than five seconds.
    """
    with connection.begin_nested() as savepoint:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
        try:
            yield
        except DBAPIError as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise
            raise PreflightFailed(
                "what is pending cannot be judged: somebody holds a table locked against everything",
                hint="wait for it, or end it: SELECT pid, relation::regclass FROM pg_locks "
                "WHERE mode = 'AccessExclusiveLock' AND granted",
            ) from error
        savepoint.rollback()  # and with it the limit
