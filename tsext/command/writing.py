"""Writing revision files: new ones, merges, new numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations.ops import MigrationScript
from alembic.script import Script, ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from tsext import environment, history
from tsext.command.reaching import applied_revisions, url_of, x_arguments
from tsext.history import numbers, renumbering
from tsext.operations.files import ExecuteFileOp, ExecuteRollbackFileOp
from tsext.preflight import connect
from tsext.settings import Settings


def revision(
    config: Config, message: str | None = None, rev_id: str | None = None, **options: Any
) -> Script | list[Script | None] | None:
    """Write a revision whose body is a SQL file: the ``.py``, ``NNN_slug.sql`` and ``rollback/NNN_rollback.sql``."""
    settings = Settings.read(config)
    script = ScriptDirectory.from_config(config)
    history.load(config, script, settings)
    name = rev_id or numbers.revision_id(numbers.next_number(script), message)
    forth, back = f"{name}.sql", f"{numbers.key_of(name)}_rollback.sql"

    def run_the_files(context: MigrationContext, current: Any, directives: list[MigrationScript]) -> None:
        for directive in directives:
            assert directive.upgrade_ops and directive.downgrade_ops
            directive.upgrade_ops.ops = [ExecuteFileOp(forth)]
            directive.downgrade_ops.ops = [ExecuteRollbackFileOp(back)]

    with history.in_process:
        written = command.revision(config, message, rev_id=name, process_revision_directives=run_the_files, **options)
    _scaffold(settings.sql_location / forth, f"-- {message or name}\n")
    _scaffold(settings.sql_location / "rollback" / back, f"-- Undoes {forth}\n")
    return written


def merge(config: Config, revisions: str | list[str], message: str | None = None, **options: Any) -> Script | None:
    """``alembic.command.merge``, which names the merge after its message; Alembic's own function hides the message.

    :param options: anything else that takes.
    """
    script, settings = ScriptDirectory.from_config(config), Settings.read(config, x_arguments(config))
    history.load(config, script, settings)
    if numbers.numbers_new_revisions(script, settings.revision_ids):
        options.setdefault("rev_id", numbers.revision_id(numbers.next_number(script), message or "merge"))
    with history.in_process:
        config.attributes[environment.REV_ID] = options.get("rev_id")
        try:
            return command.merge(config, revisions, message=message, **options)
        finally:
            del config.attributes[environment.REV_ID]


def renumber(config: Config) -> list[tuple[str, str]]:
    """Give revisions that clash with others, or come late, the next free numbers.

    :returns: (old id, new id) of each.
    :raises HistoryError: if one that would have to change is applied.
    """
    settings = Settings.read(config, x_arguments(config))
    with connect(create_engine(url_of(settings), poolclass=NullPool)) as connection:
        applied, heads = applied_revisions(config, connection)
    script = ScriptDirectory.from_config(config)
    return renumbering.renumber(script, settings.sql_location, applied, () if applied else heads)


def _scaffold(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(text, encoding="utf-8")
