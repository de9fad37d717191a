"""Contexts of Alembic in which nothing is migrated."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from tsext.history.lock import in_process

NUMBERS_MAY_CLASH = "tsext_numbers_may_clash"
"""What a context is asked for that is only to tell the name of the version table, whatever the revisions are."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without what Alembic says of every context."""

    def loud(record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO

    logger = logging.getLogger("alembic.runtime.migration")
    logger.addFilter(loud)
    try:
        yield
    finally:
        logger.removeFilter(loud)


def version_table(config: Config, script: ScriptDirectory) -> dict[str, Any]:
    """What ``env.py`` calls the version table, as options of a context: it is run offline, and does nothing."""
    found: dict[str, Any] = {}

    def instead(_: Any, context: MigrationContext) -> list[Any]:
        found.update(version_table=context.version_table, version_table_schema=context.version_table_schema)
        return []

    options = {"fn": instead, "as_sql": True, "output_buffer": io.StringIO(), NUMBERS_MAY_CLASH: True}
    with in_process, quiet(), EnvironmentContext(config, script, **options):
        script.run_env()
    return found
