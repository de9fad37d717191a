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
"""Option of a context that is made only to learn the name of the version table: clashing numbers are not refused."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without the lines that Alembic logs for every context (``Context impl PostgresqlImpl.``)."""

    def loud(record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO

    logger = logging.getLogger("alembic.runtime.migration")
    logger.addFilter(loud)
    try:
        yield
    finally:
        logger.removeFilter(loud)


def version_table(config: Config, script: ScriptDirectory) -> dict[str, Any]:
    """The options by which ``env.py`` names the version table; it is run offline, and migrates nothing."""
    found: dict[str, Any] = {}

    def instead(_: Any, context: MigrationContext) -> list[Any]:
        found.update(version_table=context.version_table, version_table_schema=context.version_table_schema)
        return []

    options = {"fn": instead, "as_sql": True, "output_buffer": io.StringIO(), NUMBERS_MAY_CLASH: True}
    with in_process, quiet(), EnvironmentContext(config, script, **options):
        script.run_env()
    return found
