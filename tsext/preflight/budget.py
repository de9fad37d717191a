"""The lock budget: whether the shared lock table has room for what a revision locks.

Each relation is a lock of its own, and a hypertable is locked with all its chunks. How many entries a statement takes
was counted in ``pg_locks`` on TimescaleDB 2.19 and 2.31, where PostgreSQL's own documentation says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tsext.catalog import RelationSize
from tsext.errors import Finding
from tsext.model.locks import Work
from tsext.preflight.situation import Observation, Situation, Touch

_CATALOG_OBJECTS = 8
"""At most: row type, array type, constraints … of each table that is dropped."""


def locks(situation: Situation) -> Observation:
    """Whether each revision's locks fit beside those that are held now."""
    server, sizes = situation.server, situation.sizes
    free = server.lock_budget - server.locks_held
    needs = {name: _needed(touches, sizes) for name, touches in situation.pending.items()}
    most = max(needs.values(), default=0)
    findings = tuple(_findings(situation, needs, free))
    return situation.estimated(f"{most:,} of {free:,} free ones needed at once", findings)


def _findings(situation: Situation, needs: dict[str, int], free: int) -> Iterator[Finding]:
    server = situation.server
    for revision, needed in needs.items():
        if needed > max(free, 0):
            backends = server.max_connections + server.max_prepared_transactions
            enough = -(-(needed + server.locks_held) // backends)
            yield Finding(
                "locks",
                f"revision {revision} needs some {needed:,} locks at once, for {_largest(situation, revision)}; the "
                f"server has room for {server.lock_budget:,}, of which {server.locks_held:,} are taken",
                f"set max_locks_per_transaction to {enough} or more (it is {server.max_locks_per_transaction}) and "
                "restart the server; or do it in steps, such as dropping chunks in batches before",
            )


def _needed(touches: Sequence[Touch], sizes: dict[str, RelationSize]) -> int:
    """Locks are held until the end, and none is counted twice for the same relation."""
    most: dict[str, int] = {}
    for touch in touches:
        if touch.relation in sizes:
            most[touch.relation] = max(most.get(touch.relation, 0), entries_of(touch, sizes[touch.relation]))
    return sum(most.values())


def entries_of(touch: Touch, size: RelationSize) -> int:
    """Entries of the lock table that a statement takes."""
    whole = size.relations + size.indexes + 2 * size.toasted  # a TOAST table has an index
    if touch.drops:
        return whole + _CATALOG_OBJECTS * size.relations
    if touch.all_indexes:
        return whole
    if touch.work is Work.REWRITE:
        return 3 * whole + 2 * size.relations  # the old files, the new ones, and what those are made under
    if touch.work is Work.BUILD:
        return size.relations * 3
    return size.relations + size.indexes


def _largest(situation: Situation, revision: str) -> str:
    found = {touch.relation for touch in situation.pending[revision]} & situation.sizes.keys()
    name = max(found, key=lambda each: situation.sizes[each].relations)
    return f"{name} and its {situation.sizes[name].relations - 1:,} chunks or partitions"
