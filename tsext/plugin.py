"""The entry point ``alembic.plugins``; imports nothing itself, because Alembic loads it while half imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.runtime.plugins import Plugin


def setup(plugin: Plugin) -> None:
    """Register operations, renderers and comparators."""
    from tsext import autogenerate

    autogenerate.register(plugin)
