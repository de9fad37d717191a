"""What commits as it goes apart from the rest: revisions that may be run again after a failure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from alembic.operations import MigrateOperation
from alembic.operations.ops import MigrationScript, OpContainer
from alembic.util import rev_id

from tsext.model import ReorderPolicy
from tsext.operations.aggregates import CreateContinuousAggregate
from tsext.operations.column_types import ContractColumnType, ExpandColumnType
from tsext.operations.indexes import CreateIndexConcurrently
from tsext.operations.operation import Operation
from tsext.operations.refresh import RefreshContinuousAggregate
from tsext.operations.reorder_policies import AddReorderPolicy, AlterReorderPolicy

SECOND = "without waiting"
"""What the message of the revision that follows ends with, with what commits as it goes."""

CONTRACT = "contract"
"""The same of the revision in which columns of other types take the place of those beside which they were."""

SWAP = "new aggregates"
"""The same of the revision that fills aggregates with another query, and gives them the names of the old ones."""


def flat(container: OpContainer) -> Iterator[MigrateOperation]:
    """Its operations, those of the containers in it included."""
    for each in container.ops:
        if isinstance(each, OpContainer):
            yield from flat(each)
        else:
            yield each


def apart(directive: MigrationScript) -> list[MigrationScript]:
    """The revisions that a revision becomes, in their order, so that no half of one is committed that cannot run again.

    What is committed as it goes may be run again after a failure; what stands before it in one revision may not.
    """
    ups = directive.upgrade_ops
    assert ups is not None
    built = {each.target.name for each in flat(ups) if isinstance(each, CreateIndexConcurrently)}

    def later(operation: MigrateOperation) -> bool:
        return _commits(operation) or _sorts_by(operation) in built

    def at_once(operation: MigrateOperation) -> bool:
        return not later(operation) and not _contracts(operation)

    swap = next((place for place, each in enumerate(ups.ops) if _swaps(each)), len(ups.ops))
    whole: list[tuple[Any, str]] = [
        (_only(at_once, _with(ups, ups.ops[:swap])), ""),
        (_only(at_once, _with(ups, ups.ops[swap:])), SWAP),
        (_with(ups, sorted(_only(later, ups).ops, key=_expands)), SECOND),
        (_only(_contracts, ups), CONTRACT),
    ]
    parts = [(container, ending) for container, ending in whole if container.ops] or whole[:1]
    directive.upgrade_ops = parts[0][0]
    made = [directive]
    for container, ending in parts[1:]:
        made.append(_following(made[-1], container, f"{directive.message}, {ending}" if directive.message else ending))
    return made


def _following(before: MigrationScript, container: Any, message: str) -> MigrationScript:
    after = copy.copy(before)
    after.rev_id, after.message, after.upgrade_ops = rev_id(), message, container
    after.head, after.splice, after.branch_label, after.depends_on = before.rev_id, False, None, None
    return after


def make_repeatable(container: OpContainer) -> None:
    """Let what is committed before the end pass where it is done already: ``IF EXISTS``."""
    operations = list(flat(container))
    last = max((place for place, each in enumerate(operations) if _commits(each)), default=-1)
    for each in operations[: last + 1]:
        for name in ("if_exists", "if_not_exists"):
            if hasattr(each, name):
                setattr(each, name, True)


def _commits(operation: MigrateOperation) -> bool:
    """Whether it commits as it goes, and can stand apart; an aggregate is filled before it is renamed."""
    apart = isinstance(operation, Operation) and not operation.transactional
    return apart and not isinstance(operation, RefreshContinuousAggregate)


def _swaps(operation: MigrateOperation) -> bool:
    """Whether it begins what puts aggregates into the place of others, and can be run again until they are filled."""
    return isinstance(operation, CreateContinuousAggregate) and operation.if_not_exists


def _sorts_by(operation: MigrateOperation) -> str | None:
    """The index that a policy needs, which it therefore must follow."""
    if isinstance(operation, AddReorderPolicy) and isinstance(operation.target, ReorderPolicy):
        return operation.target.index_name
    return operation.changes.new.get("index_name") if isinstance(operation, AlterReorderPolicy) else None


def _expands(operation: MigrateOperation) -> bool:
    """Whether it copies what goes with a column, and so comes after all that adds to it."""
    return isinstance(operation, ExpandColumnType)


def _contracts(operation: MigrateOperation) -> bool:
    """Whether it comes after what was expanded, in a revision of its own."""
    return isinstance(operation, ContractColumnType)


def _only(wanted: Callable[[MigrateOperation], bool], container: Any) -> Any:
    """A container with some of its operations, without the containers that are empty then."""
    return _with(container, _kept(wanted, container.ops))


def _kept(
    wanted: Callable[[MigrateOperation], bool], operations: Iterable[MigrateOperation]
) -> Iterator[MigrateOperation]:
    for each in operations:
        if isinstance(each, OpContainer):
            inner = _only(wanted, each)
            if inner.ops:
                yield inner
        elif wanted(each):
            yield each


def _with(container: Any, operations: Iterable[MigrateOperation]) -> Any:
    taken = copy.copy(container)
    taken.ops = list(operations)
    return taken
