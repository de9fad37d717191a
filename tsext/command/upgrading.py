"""Upgrading and downgrading, to a revision or to a number."""

from __future__ import annotations

from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from tsext import history
from tsext.command.reaching import look_at, x_arguments
from tsext.errors import HistoryError
from tsext.history import numbers
from tsext.settings import Settings


def upgrade(config: Config, revision: str = "head", **options: Any) -> None:
    """``alembic.command.upgrade``, one at a time in this process."""
    with history.in_process:
        command.upgrade(config, revision, **options)


def downgrade(config: Config, revision: str, **options: Any) -> None:
    """``alembic.command.downgrade``, one at a time in this process."""
    with history.in_process:
        command.downgrade(config, revision, **options)


def migrate(config: Config, target: str = "latest", sql: bool = False) -> None:
    """Upgrade to a number of ``migration_history``, or to the latest revision.

    :raises HistoryError: if no revision has that number, or the database is beyond it.
    """
    if target == "latest":
        upgrade(config, "heads", sql=sql)
        return
    wanted = _revision_with(config, target)
    if not sql and wanted in _applied_beyond(config, target):
        raise HistoryError(
            f"the database is beyond {target} already", hint=f"go back with: tsext rollback --target={target}"
        )
    upgrade(config, wanted, sql=sql)


def rollback(config: Config, target: str) -> None:
    """Downgrade to a number of ``migration_history``; 0 is the empty database.

    :raises HistoryError: if no revision has that number.
    """
    downgrade(config, "base" if target.strip("0") == "" else _revision_with(config, target))


def _revision_with(config: Config, target: str) -> str:
    """The id of the revision with a number; Alembic's own ids and symbols pass unchanged."""
    if not target.isdigit():
        return target
    script = ScriptDirectory.from_config(config)
    history.load(config, script, Settings.read(config, x_arguments(config)))
    ordered = numbers.in_order(script)
    fixed: dict[str, int] = {}
    if any(numbers.number_in(each.revision) is None for each in ordered):
        fixed = look_at(config, lambda at: history.fixed_numbers(at.connection))
    assigned = numbers.assign(ordered, fixed)
    wanted = numbers.named(assigned, target)
    if wanted not in assigned:
        highest = max(assigned.values(), default=0)
        raise HistoryError(
            f"no revision has the number {target}", hint=f"numbers go from 1 to {highest}; see `tsext status`"
        )
    return wanted


def _applied_beyond(config: Config, target: str) -> set[str]:
    """Applied revisions if one with a higher number than the target is applied, else none."""
    if not target.isdigit():
        return set()
    recorded = look_at(config, lambda at: history.applied(at.connection))
    if max((record.version for record in recorded), default=0) <= int(target):
        return set()
    return {record.revision for record in recorded if record.revision}
