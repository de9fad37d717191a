"""Reaching the server, and what decides how a run proceeds."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from tsext.errors import ConnectionRefused, Finding, PreflightFailed
from tsext.history.roles import Who
from tsext.sql.sending import said

STANDBY = Finding("server", "the server is a read-only standby", "connect to the primary; a standby cannot be migrated")
READ_ONLY = Finding(
    "server",
    "transactions of this role are read-only here",
    "connect with a role that may write, or check default_transaction_read_only",
)


class ServerState(NamedTuple):
    """What of the server decides how a run proceeds."""

    single_client: bool
    """Whether the server serves one client at a time (the WebAssembly build): advisory locks mean nothing there."""
    search_path: str
    """Of the connection, before any revision sets another."""
    who: Who
    """At work on it, before any revision sets another role."""


def connect(engine: Engine) -> Connection:
    """A connection to the database.

    :raises ConnectionRefused: with the cure for the usual reasons.
    """
    try:
        return engine.connect()
    except OperationalError as error:
        reason = said(error)
        raise ConnectionRefused(
            f"cannot connect to {engine.url.render_as_string()}: {reason}", hint=_cure(reason)
        ) from error


def check(connection: Connection) -> ServerState:
    """Look at the server, and have it end what we ask of it soon after we are gone; leaves no transaction open.

    :raises PreflightFailed: if it is a standby or read-only.
    """
    row = connection.exec_driver_sql(
        "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', pg_backend_pid(), "
        "current_setting('search_path'), session_user::text, current_setting('role')"
    ).one()
    connection.rollback()
    standby, read_only, pid, search_path, *who = row
    if standby or read_only:
        refusal = STANDBY if standby else READ_ONLY
        raise PreflightFailed(refusal.message, hint=refusal.hint)
    if pid != 0:
        # so that the server ends our statement soon after we have been killed
        connection.exec_driver_sql("SET client_connection_check_interval = '1s'")
        connection.commit()
    return ServerState(single_client=pid == 0, search_path=search_path, who=Who(*who))


def _cure(reason: str) -> str:
    cures = {
        "password authentication failed": "check user and password in TSEXT_DATABASE_URL or sqlalchemy.url",
        "no password supplied": "put the password into the URL, or into ~/.pgpass",
        "does not exist": "create the database (createdb), or correct its name in the URL",
        "Connection refused": "start the server, or correct host and port in the URL; without a URL, tsext "
        "uses a local development server (tsext localdb start)",
        "could not translate host name": "correct the host in the URL",
        "too many clients": "close connections, or raise max_connections",
        "starting up": "wait until the server has started",
    }
    return next((cure for part, cure in cures.items() if part in reason), "check TSEXT_DATABASE_URL and the server")
