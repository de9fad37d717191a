"""What commits as it goes apart from the rest: revisions that may be run again after a failure."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from alembic.operations import MigrateOperation
from alembic.operations.ops import MigrationScript, OpContainer
from alembic.util import rev_id

from tsext.operations.operation import Operation

SECOND = "without waiting"
"""What the message of the revision that follows ends with, with what commits as it goes."""


def flat(container: OpContainer) -> Iterator[MigrateOperation]:
    """Its operations, those of the containers in it included."""
    for each in container.ops:
        if isinstance(each, OpContainer):
            yield from flat(each)
        else:
            yield each


def second(directive: MigrationScript) -> list[MigrationScript]:
    """Take out of a revision what must not stand in it with anything else; none if it has not both.

    What is committed as it goes may be run again after a failure; what stands before it in one revision may not.
    """
    ups = directive.upgrade_ops
    assert ups is not None
    if len({_commits(each) for each in flat(ups)}) < 2:
        return []
    second = copy.copy(directive)
    second.rev_id = rev_id()
    second.message = f"{directive.message}, {SECOND}" if directive.message else SECOND
    second.head, second.splice, second.branch_label, second.depends_on = directive.rev_id, False, None, None
    second.upgrade_ops, directive.upgrade_ops = _taken(ups, True), _taken(ups, False)
    return [second]


def make_repeatable(container: OpContainer) -> None:
    """Let what is committed before the end pass where it is done already: ``IF EXISTS``."""
    operations = list(flat(container))
    last = max((place for place, each in enumerate(operations) if _commits(each)), default=-1)
    for each in operations[: last + 1]:
        for name in ("if_exists", "if_not_exists"):
            if hasattr(each, name):
                setattr(each, name, True)


def _commits(operation: MigrateOperation) -> bool:
    return isinstance(operation, Operation) and not operation.transactional


def _taken(container: Any, commits: bool) -> Any:
    """A container with those operations only."""
    taken = copy.copy(container)
    taken.ops = list(_kept(container.ops, commits))
    return taken


def _kept(operations: Iterable[MigrateOperation], commits: bool) -> Iterator[MigrateOperation]:
    for each in operations:
        if isinstance(each, OpContainer):
            inner = _taken(each, commits)
            if inner.ops:
                yield inner
        elif _commits(each) is commits:
            yield each
