"""The connection a command works on, and the lock that lets it be the only one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from tsext import history, preflight
from tsext.errors import PreflightFailed
from tsext.settings import Settings

log = logging.getLogger("alembic.tsext")


@contextmanager
def connected(config: Config, settings: Settings) -> Iterator[Connection]:
    """A connection to the database: the application's own if it handed one over, else a new one."""
    shared = config.attributes.get("connection")
    if shared is not None:
        if shared.in_transaction():
            raise PreflightFailed(
                "the connection in config.attributes is inside a transaction, so Alembic would roll "
                "everything back in the end",
                hint="commit or roll it back before you hand it over",
            )
        _refuse_driver(shared)
        try:
            yield shared
        finally:
            shared.rollback()  # handed back as it came, outside a transaction
        return
    engine = _engine(settings)
    try:
        with preflight.connect(engine) as connection:
            _refuse_driver(connection)
            yield connection
    finally:
        engine.dispose()


def upgrade_lock(
    connection: Connection, settings: Settings, state: preflight.ServerState
) -> AbstractContextManager[None]:
    """The upgrade lock of the connection's database; none where the server takes one client at a time."""
    if state.single_client:
        log.info("this server takes one client at a time: going on without the upgrade lock")
        return nullcontext()
    return history.upgrade_lock(connection.engine, settings.upgrade_lock_timeout)


def _engine(settings: Settings) -> Engine:
    url: URL | str | None = settings.database_url
    if url is None:
        from tsext import localdb  # most runs have a URL

        url = localdb.ensure(settings.localdb_version).url
        log.info("no database URL is set: using the local development server %s", url)
    return create_engine(url, poolclass=NullPool, connect_args={"application_name": "tsext"})


def _refuse_driver(connection: Connection) -> None:
    driver = connection.dialect.driver
    if not driver.startswith("psycopg"):
        raise PreflightFailed(
            f"the connection uses the driver {driver}, with which tsext cannot migrate",
            hint="let tsext connect by itself: set TSEXT_DATABASE_URL or sqlalchemy.url to "
            "postgresql+psycopg2://… or postgresql+psycopg://…",
        )
