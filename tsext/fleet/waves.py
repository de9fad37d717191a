"""Who comes first, and how much may go wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tsext.fleet.limits import Limits
from tsext.fleet.targets import Target


@dataclass(frozen=True)
class Wave:
    """Targets that are begun one after the other, so many at once."""

    what: str
    """What messages call one of its targets: ``canary`` or ``target``."""
    targets: tuple[Target, ...]
    allowed: int
    """How many of the whole run may fail before no more are begun."""


@dataclass(frozen=True)
class Plan:
    """The canaries, of which none may fail, and then the others."""

    canaries: Wave
    others: Wave


def planned(targets: Sequence[Target], limits: Limits) -> Plan:
    """Split the targets; each wave keeps the order of the file."""
    first = [target for target in targets if target.canary]
    if limits.canaries is not None:
        rest = [target for target in targets if not target.canary]
        first = [*first, *rest][: limits.canaries]
    names = {target.name for target in first}
    others = tuple(target for target in targets if target.name not in names)
    canaries = tuple(target for target in targets if target.name in names)
    return Plan(Wave("canary", canaries, 0), Wave("target", others, limits.allowed(len(targets))))
