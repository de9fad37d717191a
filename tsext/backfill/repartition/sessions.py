"""Connections and transactions of a move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine

from tsext import catalog
from tsext.backfill import ledger, workers
from tsext.sql.sending import send

_IDLE = 0
"""``PQTRANS_IDLE``, in both drivers."""

SETTLED = "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL row_security = off"
"""How bounds are read and written as text; and no row is left out in silence."""

_BESIDE = "tsext_beside"
"""Where a connection has the one beside it."""


class _Beside:
    """Another connection in autocommit mode, made when it is needed, and anew after an error."""

    def __init__(self, engine: Engine) -> None:
        url = engine.url.set(drivername="postgresql+psycopg2")  # which copies faster than psycopg does
        self.engine = engine if engine.dialect.driver == "psycopg2" else workers.engine_of(url)
        self._open = ExitStack()
        self._made: Connection | None = None

    @property
    def connection(self) -> Connection:
        """The connection."""
        if self._made is None:
            self._made = self._open.enter_context(workers.connected(self.engine))
        return self._made

    def drop(self) -> None:
        """Close it, in whatever state it is."""
        if self._made is not None:
            self._made.invalidate()
        self.close()

    def close(self) -> None:
        """Close it."""
        self._made = None
        self._open.close()


@contextmanager
def attend(connection: Connection) -> Iterator[None]:
    """Keep the connection beside one, once there is one: to make it takes as long as to copy some thousand rows."""
    info, kept = connection.info, _Beside(connection.engine)
    info[_BESIDE] = kept
    try:
        yield
    finally:
        info.pop(_BESIDE, None)  # it is empty, if the connection was lost
        kept.close()


@contextmanager
def beside(connection: Connection) -> Iterator[Connection]:
    """Another connection of psycopg2, in autocommit mode; the same one, where one is all there can be."""
    if catalog.takes_one_client(connection):
        yield connection
        return
    kept: _Beside | None = connection.info.get(_BESIDE)
    another = kept or _Beside(connection.engine)
    try:
        yield another.connection
    except BaseException:
        another.drop()
        raise
    if kept is None:
        another.close()


@contextmanager
def transaction(connection: Connection, *, snapshot: bool = False) -> Iterator[None]:
    """A transaction on a connection that is outside of one; the one that is open, if there is one.

    :param snapshot: whether all of it sees the database as it was at its first statement.
    """
    driver: Any = connection.connection.dbapi_connection
    if driver.info.transaction_status != _IDLE:
        send(connection, SETTLED)
        yield
        return
    with ledger.transaction(connection, "REPEATABLE READ" if snapshot else "READ COMMITTED"):
        send(connection, SETTLED)
        yield


def commit(connection: Connection) -> None:
    """Commit now what is not in a :func:`transaction`, which does so at its end."""
    driver: Any = connection.connection.dbapi_connection
    if not driver.autocommit:
        connection.commit()
