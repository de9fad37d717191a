"""What the pending revisions would do, read without running them, in the light of the catalog."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from alembic.script import Script
from sqlalchemy import Connection

from tsext.settings import Settings

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
