"""A revision that fails: what is recorded of it, and what its author is told."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import replace
from typing import NoReturn

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from tsext.errors import RevisionFailed, TsextError
from tsext.history import Recorder, records
from tsext.sql.sending import said

log = logging.getLogger("alembic.tsext")


def fail(connection: Connection, recorder: Recorder, error: Exception, *, single_client: bool) -> NoReturn:
    """Record the failure where it can outlive the rollback, and tell what remains of the revision.

    :raises RevisionFailed: or the error itself, if no revision was at work.
    """
    entry = recorder.failed_entry()
    if entry is None:
        raise error
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    reason, cure = _reason_and_cure(error)
    if not lost:
        connection.rollback()
    _record(connection if single_client else None, connection.engine, replace(entry, error=reason))
    direction = "downgrade of revision" if entry.kind == "downgrade" else "revision"
    raise RevisionFailed(
        f"{direction} {entry.revision} failed: {reason}",
        hint=_hint(cure, _what_remains(recorder, lost)),
        findings=error.findings if isinstance(error, TsextError) else (),
    ) from error


def _record(own: Connection | None, engine: Engine, failure: records.Entry) -> None:
    try:
        with nullcontext(own) if own is not None else engine.connect() as other:
            records.write(other, failure)
            other.commit()
    except DBAPIError as error:
        log.warning("the failure could not be recorded: %s", said(error))


def _reason_and_cure(error: Exception) -> tuple[str, str]:
    """What an error says, and its own cure."""
    if isinstance(error, TsextError):
        return error.message, error.hint
    if isinstance(error, ValueError) and "run_async" in str(error):  # Alembic's, where a project used asyncpg
        return said(error), "tsext connects synchronously: let the revision use op.get_bind() instead of op.run_async"
    return said(error), ""


def _hint(cure: str, remains: str) -> str:
    """
    :param cure: what the error itself says to do; empty if it does not.
    :param remains: what remains of the revision.
    """
    if cure:
        return f"{cure}; {remains}; run the same command again"
    return f"{remains}; mend the cause and run the same command again"


def _what_remains(recorder: Recorder, lost: bool) -> str:
    if recorder.committed:
        return (
            "what it has committed itself stays, while the history is as it was before: make that repeatable "
            "(DROP … IF EXISTS first)"
        )
    connection = "the connection was lost; " if lost else ""
    earlier = "earlier revisions stay applied"
    if lost and not recorder.flush:
        earlier += ", but for the newest if the server crashed before they were on disk"
    return f"{connection}nothing of it remains and {earlier}"
