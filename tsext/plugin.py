"""The entry point ``alembic.plugins``; imports nothing itself, because Alembic loads it while half imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alembic.runtime.plugins import Plugin
    from alembic.util import PriorityDispatchResult


def setup(plugin: Plugin) -> None:
    """Register operations, renderers and the comparator."""
    from alembic.util import DispatchPriority

    from tsext import operations  # noqa: F401  (registers its verbs)

    plugin.add_autogenerate_comparator(
        compare_timescaledb, "schema", "tsext", qualifier="postgresql", priority=DispatchPriority.LAST
    )


def compare_timescaledb(context: Any, upgrade_ops: Any, schemas: set[str | None]) -> PriorityDispatchResult:
    """Compare what TimescaleDB adds; only autogenerate pays for loading that."""
    from alembic.util import PriorityDispatchResult

    from tsext.autogenerate import compare

    compare.compare(context, upgrade_ops)
    return PriorityDispatchResult.CONTINUE
