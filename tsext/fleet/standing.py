"""Where a target stands, without running the project: one connection, a few queries, some hundredths of a second."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tsext import history
from tsext.errors import ConnectionRefused, Finding
from tsext.fleet.project import Read
from tsext.fleet.targets import Target
from tsext.fleet.urls import hidden
from tsext.history import quiet
from tsext.preflight import connect
from tsext.sql.sending import said

_CONNECT_TIMEOUT = 10
"""Seconds, unless the URL says otherwise."""

_DRIFT = {"checksum-mismatch", "file-renamed"}
"""What is found of revisions whose files have changed since they were applied."""


_NEWER = ("revision-deleted", "database-ahead")


class Position(StrEnum):
    """What a target is to the revisions of the project; the worst that holds."""

    AT_HEAD = "at head"
    BEHIND = "behind"
    DRIFT = "drift"
    """Files have changed since they were applied there."""
    AHEAD = "ahead"
    """Something is applied there that the project does not have."""
    CLASH = "clash"
    """History, ``alembic_version`` and files disagree otherwise."""
    UNREACHABLE = "unreachable"

    @property
    def is_sound(self) -> bool:
        """Whether an upgrade can deal with it."""
        return self in (Position.AT_HEAD, Position.BEHIND)


@dataclass(frozen=True)
class Standing:
    """Where one target stands, as was found by looking at it."""

    target: Target
    position: Position
    revisions: tuple[str, ...] = ()
    """What ``alembic_version`` says; none: nothing is applied."""
    applied: frozenset[str] = frozenset()
    """All revisions of the project that are applied."""
    pending: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    since: timedelta | None = None
    """Since the newest revision was applied, by the clock of the server."""

    @property
    def told(self) -> str:
        """All that is wrong with it."""
        return "; ".join(each.message for each in self.findings)


def look(target: Target, at: Read) -> Standing:
    """Where a target stands; reads only, and never raises for what is wrong with it."""
    try:
        with connect(_engine(target.url)) as connection:
            return _standing(connection, target, at)
    except ConnectionRefused as error:
        fact, hint = error.message, error.hint
    except DBAPIError as error:
        fact, hint = said(error), "see the log of the server"
    finding = Finding("unreachable", hidden(fact, target.url), hint)
    return Standing(target, Position.UNREACHABLE, findings=(finding,))


def _engine(url: URL) -> Engine:
    options = {"application_name": "tsext fleet", "connect_timeout": _CONNECT_TIMEOUT}
    given = {name: value for name, value in options.items() if name not in url.query}
    return create_engine(url, poolclass=NullPool, connect_args=given)


def _standing(connection: Connection, target: Target, at: Read) -> Standing:
    connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    connection.exec_driver_sql("SET LOCAL statement_timeout = '30s'")
    with quiet():
        heads = MigrationContext.configure(connection, opts=at.version_table).get_current_heads()
    records = history.applied(connection)
    findings = tuple(history.verify(at.project, records, heads, history.fixed_numbers(connection)))
    known = {each.revision for each in at.project.ordered}
    recorded = {record.revision for record in records if record.revision}
    applied = frozenset({each.revision for each in at.project.behind(heads)} | recorded & known)
    position = _position(set(heads) - known, {finding.rule for finding in findings}, known - applied)
    if position is Position.AHEAD:  # then alembic_version tells nothing of the project's own revisions
        findings = tuple(finding for finding in findings if finding.rule in _NEWER)
    newest = max((record.applied_at for record in records), default=None)
    now = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
    return Standing(
        target,
        position,
        revisions=tuple(sorted(heads)),
        applied=applied,
        pending=tuple(each.revision for each in at.project.ordered if each.revision not in applied),
        findings=findings,
        since=None if newest is None else now - newest,
    )


def _position(unknown: Set[str], rules: Set[str], pending: Set[str]) -> Position:
    """:param unknown: revisions that ``alembic_version`` has and the project has not."""
    if unknown and "revision-renamed" not in rules:
        return Position.AHEAD
    if rules - _DRIFT:
        return Position.CLASH
    if rules:
        return Position.DRIFT
    return Position.BEHIND if pending else Position.AT_HEAD
