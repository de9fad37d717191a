"""What other libraries for autogenerate propose: nothing of it may take away what TimescaleDB made."""

from __future__ import annotations

from typing import Any, NamedTuple

from alembic.operations import ops

from tsext import catalog
from tsext.autogenerate import is_internal
from tsext.autogenerate.comparison import Comparison

_LIBRARIES = ("alembic_utils", "alembic_pg_autogen")
"""Those that look at views, triggers, functions or extensions of the whole database."""


class _Entity(NamedTuple):
    """What one of their operations is about."""

    kind: str
    """``view``, ``trigger``, ``extension``, or anything else."""
    schema: str
    name: str


def compare(comparison: Comparison) -> None:
    """Take out their proposals to drop or replace continuous aggregates, triggers of TimescaleDB, and the extension."""
    entities = {id(op): entity for op in comparison.upgrade_ops.ops if (entity := _entity(op)) is not None}
    if not entities or comparison.timescaledb is None:
        return
    theirs = {("trigger", *each) for each in catalog.timescaledb_triggers(comparison.connection)}
    default = comparison.connection.dialect.default_schema_name or ""
    for found in catalog.continuous_aggregates(comparison.connection):
        schema, name = found.key
        theirs |= {(kind, schema or default, name) for kind in ("view", "materialized_view")}
    comparison.upgrade_ops.ops[:] = [
        op for op in comparison.upgrade_ops.ops if not _is_timescaledb(entities.get(id(op)), theirs)
    ]


def _is_timescaledb(entity: _Entity | None, theirs: set[tuple[str, str, str]]) -> bool:
    if entity is None:
        return False
    return (
        is_internal(entity.schema)
        or (entity.kind == "extension" and entity.name == "timescaledb")
        or tuple(entity) in theirs
    )


def _entity(op: ops.MigrateOperation) -> _Entity | None:
    """What an operation of theirs would drop or replace; None for one that creates, and for any other."""
    if type(op).__module__.partition(".")[0] not in _LIBRARIES or type(op).__name__.startswith("Create"):
        return None
    target: Any = getattr(op, "target", None) or getattr(op, "current", None)
    if target is None:
        return None
    if hasattr(target, "type_"):
        return _Entity(target.type_, target.schema, target.signature.strip('"'))
    kinds = {"ViewInfo": "view", "TriggerInfo": "trigger"}
    name = target.trigger_name if hasattr(target, "trigger_name") else target.name
    return _Entity(kinds.get(type(target).__name__, ""), target.schema, name)
