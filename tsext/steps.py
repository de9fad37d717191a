"""The steps of a run, as Alembic has them listed; each concern of a run wraps the function that lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from sqlalchemy import Connection

Steps = Callable[..., Iterator[MigrationStep]]
"""A function as Alembic takes it for ``fn``: called with heads and context, it yields the steps to run."""


def seen_first(steps_of: Steps, look: Callable[[Connection, list[RevisionStep]], None]) -> Steps:
    """The same steps; ``look`` is shown the revisions among them before the first of them runs.

    It is not called where there are none, nor where only a script is written.
    """

    def seen(heads: Any, context: MigrationContext) -> Iterator[MigrationStep]:
        steps = list(steps_of(heads, context))
        revisions = [step for step in steps if isinstance(step, RevisionStep)]
        if revisions and not context.as_sql:
            assert context.connection is not None
            look(context.connection, revisions)
        yield from steps

    return seen
