"""The comparator: each kind of object in turn, from what others depend on to what depends on others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsext.autogenerate import aggregates, columnstore, exclusions, hypertables, jobs, neighbours, policies
from tsext.autogenerate.comparison import Comparison

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import ops

_KINDS = (hypertables, exclusions, aggregates, columnstore, policies, jobs)
"""Additions are made in this order, removals in the opposite one."""


def compare(context: AutogenContext, upgrade_ops: ops.UpgradeOps) -> None:
    """Complete Alembic's operations with what TimescaleDB adds, and take its noise out of them.

    :raises InvalidObject: if a declaration cannot be fulfilled.
    """
    if context.connection is None:
        return
    comparison = Comparison(context, upgrade_ops)
    neighbours.compare(comparison)
    for kind in _KINDS:
        kind.compare(comparison)
    comparison.finish()
