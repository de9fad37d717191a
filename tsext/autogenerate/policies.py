"""Policies of hypertables and continuous aggregates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from alembic.operations import ops

from tsext import catalog
from tsext.autogenerate.comparison import Comparison, in_order
from tsext.autogenerate.schedules import can_be_altered, changed
from tsext.autogenerate.splitting import flat
from tsext.errors import InvalidObject
from tsext.model import POLICIES, Policy, RefreshPolicy, ReorderPolicy
from tsext.operations.policies import AddPolicy, AlterPolicy, PolicyOperation, RemovePolicy

Change = tuple[Policy | None, Policy | None]
"""What is found, and what is wanted of it; one of them may be None."""


def compare(comparison: Comparison) -> None:
    """Remove what is not declared, before what it belongs to goes; add and change what is, after that is there.

    :raises InvalidObject: if two declared policies of one aggregate overlap.
    """
    everything = catalog.policies(comparison.connection)
    for kind in POLICIES:
        found = _by_key((each.key, each) for each in everything if type(each) is kind)
        wanted = _by_key(comparison.all_declared(kind))
        own = comparison.tables | comparison.dropped
        for key in in_order((found.keys() & own) | wanted.keys()):
            there = [] if key in comparison.replaced else found.get(key, [])
            _compare(comparison, there, wanted.get(key, []))


def _by_key(policies: Iterable[tuple[catalog.Key, Policy]]) -> dict[catalog.Key, list[Policy]]:
    grouped: dict[catalog.Key, list[Policy]] = {}
    for key, policy in policies:
        grouped.setdefault(key, []).append(policy)
    return grouped


def _compare(comparison: Comparison, found: Sequence[Policy], wanted: Sequence[Policy]) -> None:
    _refuse_overlaps(wanted)
    several = max(len(found), len(wanted)) > 1
    gone: list[ops.MigrateOperation] = []
    for before, after in matched(found, wanted):
        if _passes(comparison, before, after):
            anew = _loses_its_index(comparison, before, after)
            removed, added = steps(before, after, several=several, anew=anew)
            gone += removed
            comparison.after += added
    comparison.before[:0] = gone


def matched(found: Sequence[Policy], wanted: Sequence[Policy]) -> Iterator[Change]:
    """Which is which: the only one of each; of several, those of the same window."""
    if len(found) == len(wanted) == 1:
        yield found[0], wanted[0]
        return
    rest = list(found)
    for policy in wanted:
        same = next((each for each in rest if _window(each) == _window(policy)), None)
        if same is not None:
            rest.remove(same)
        yield same, policy
    for policy in rest:
        yield policy, None


def _window(policy: Policy) -> Any:
    return policy.window if isinstance(policy, RefreshPolicy) else None


def _refuse_overlaps(wanted: Sequence[Policy]) -> None:
    policies = [each for each in wanted if isinstance(each, RefreshPolicy)]
    for place, policy in enumerate(policies):
        for other in policies[:place]:
            if policy.overlaps(other):
                raise InvalidObject(
                    f"two policies of continuous aggregate {policy.name} overlap: from {policy.start_offset} to "
                    f"{policy.end_offset} and from {other.start_offset} to {other.end_offset} before now",
                    hint="let one end where the other starts",
                )


def _passes(comparison: Comparison, found: Policy | None, wanted: Policy | None) -> bool:
    """Whether the project's own filter lets it pass, as it is asked about tables."""
    object_ = wanted or found
    assert object_ is not None
    there = found if wanted is not None else None
    filters: Any = comparison.context.run_object_filters  # by its types, it takes SQLAlchemy's objects only
    return bool(filters(object_, object_.name, object_.word(), wanted is None, there))


def _loses_its_index(comparison: Comparison, found: Policy | None, wanted: Policy | None) -> bool:
    """Whether another index is to sort, and the old one is dropped, and so could not be given back to the policy."""
    if not isinstance(found, ReorderPolicy) or not isinstance(wanted, ReorderPolicy):
        return False
    dropped = (each for each in flat(comparison.upgrade_ops) if isinstance(each, ops.DropIndexOp))
    gone = {(each.schema, each.table_name, each.index_name) for each in dropped}
    return found.index_name != wanted.index_name and (*found.key, found.index_name) in gone


def steps(
    found: Policy | None, wanted: Policy | None, *, several: bool, anew: bool = False
) -> tuple[list[ops.MigrateOperation], list[ops.MigrateOperation]]:
    """What goes first, and what comes last.

    :param several: whether the aggregate has or gets more than one.
    :param anew: whether it is to be removed and added, whatever has changed.
    """
    if wanted is None:
        return ([] if found is None else [_removal(found, several)]), []
    if found is None:
        return [], [_addition(wanted, several)]
    changes = changes_of(found, wanted)
    if not changes:
        return [], []
    if anew or not can_be_altered(found, changes, more=found.exclusive):
        return [_removal(found, several)], [_addition(wanted, several)]
    alter: type[AlterPolicy] = PolicyOperation.verbs[f"alter_{found.word()}"]
    window = found.window if several and isinstance(found, RefreshPolicy) else None
    return [], [alter(wanted.name, changes, schema=wanted.schema, window=window)]


def _removal(found: Policy, several: bool) -> RemovePolicy:
    remove: type[RemovePolicy] = PolicyOperation.verbs[f"remove_{found.word()}"]
    window = found.window if several and isinstance(found, RefreshPolicy) else None
    return remove(found.name, schema=found.schema, window=window, removed=found.essential())


def _addition(wanted: Policy, several: bool) -> AddPolicy:
    add: type[AddPolicy] = PolicyOperation.verbs[f"add_{wanted.word()}"]
    return add(wanted, windowed=several)


def changes_of(found: Policy, wanted: Policy) -> dict[str, Any]:
    """What has changed; of two fields of which only one can be given, both count."""
    changes = changed(found, wanted, compared=(*found.exclusive, "start_offset", "end_offset"))
    before = found.config or {}
    new = {key: value for key, value in (wanted.config or {}).items() if before.get(key) != value}
    if new:
        changes |= {"config": new, "old_config": {key: before.get(key) for key in new}}
    return changes
