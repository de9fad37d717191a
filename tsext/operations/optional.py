"""The setting ``timescaledb = optional``: where there is no TimescaleDB, its operations are left out, visibly."""

from __future__ import annotations

import logging

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext.settings import Settings

log = logging.getLogger("alembic.tsext")

SKIPPED = "tsext_skipped"
"""Option of the migration context: the list that what is left out is added to, to be recorded with the revision."""


def is_left_out(connection: Connection, settings: Settings) -> bool:
    """Whether operations of TimescaleDB are left out: they may be, and the server does not have it at all."""
    from tsext import catalog  # the seam reads SKIPPED, and has seldom more to do

    if settings.timescaledb != "optional":
        return False
    return catalog.timescaledb(connection) is None and not catalog.available(connection, "timescaledb")


def leaves_out(operations: Operations, what: str) -> bool:
    """Whether an operation of TimescaleDB is left out here; then it is logged, and recorded with the revision.

    :param what: the operation, for both.
    """
    context = operations.migration_context
    if context.as_sql or not is_left_out(operations.get_bind(), Settings.of(context)):
        return False
    log.warning("no TimescaleDB here, and the setting timescaledb is optional: left out op.%s", what)
    context.opts.get(SKIPPED, []).append(what)
    return True
