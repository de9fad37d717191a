"""Names of new revisions and merges: ``NNN_slug``, where the project numbers its revisions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic.operations.ops import MigrationScript
from alembic.runtime.environment import EnvironmentContext

from tsext.errors import HistoryError
from tsext.history import numbers
from tsext.settings import Settings

REV_ID = "tsext_rev_id"
"""Key of ``Config.attributes`` for the id ``tsext.command.merge`` gives; Alembic does not tell it ``env.py``."""

Directives = Callable[[Any, Any, list[MigrationScript]], None]
"""What ``process_revision_directives`` is."""


def naming(environment: EnvironmentContext, settings: Settings) -> Directives:
    """Gives every new revision its number."""

    def name(context: Any, revision: Any, directives: list[MigrationScript]) -> None:
        script = environment.script
        if not numbers.numbers_new_revisions(script, settings.revision_ids):
            return
        number = numbers.next_number(script)
        given: dict[str | None, str | None] = {}
        for directive in directives:
            old = directive.rev_id
            directive.head = given.get(directive.head, directive.head)
            if not numbers.is_generated(directive.rev_id):
                own = numbers.number_in(numbers.checked(directive.rev_id or ""))
                number = max(number, (own or 0) + 1)
                continue
            directive.rev_id = given[old] = numbers.revision_id(number, directive.message)
            number += 1

    return name


def name_merge(environment: EnvironmentContext, settings: Settings) -> None:
    """``alembic merge`` calls no hook but this environment: name the file by its template."""
    script, config = environment.script, environment.config
    if not numbers.numbers_new_revisions(script, settings.revision_ids):
        return
    if given := config.attributes.get(REV_ID) or getattr(config.cmd_opts, "rev_id", None):
        numbers.checked(given)
        return
    name = numbers.revision_id(numbers.next_number(script), getattr(config.cmd_opts, "message", None) or "merge")
    if "revision_id" not in Path(script.dir, "script.py.mako").read_text("utf-8"):
        raise HistoryError(
            "script.py.mako writes up_revision, which Alembic makes up for a merge",
            hint="write ${revision_id if revision_id is not UNDEFINED else up_revision} in its place, "
            f"or give --rev-id={name}",
        )
    script.file_template = name
    environment.context_opts["template_args"]["revision_id"] = name
