"""Connections and transactions of a move."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from tsext import catalog
from tsext.backfill import ledger, workers
from tsext.sql.sending import send

T = TypeVar("T")

_IDLE = 0
"""``PQTRANS_IDLE``, in both drivers."""

SETTLED = "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL row_security = off"
"""How bounds are read and written as text; and no row is left out in silence."""

_BESIDE, _REMEMBERED = "tsext_beside", "tsext_remembered"
"""Where a worker's connection has the one beside it, and what need not be asked for with each task."""


class _Beside:
    """Another connection in autocommit mode, made when it is needed, and anew after an error."""

    def __init__(self, engine: Engine, *, serial: bool) -> None:
        """
        :param serial: whether no query takes more than one core.
        """
        self.serial = serial
        url = engine.url.set(drivername="postgresql+psycopg2")  # which copies faster than psycopg does
        self.engine = engine if engine.dialect.driver == "psycopg2" else workers.engine_of(url)
        self._open = ExitStack()
        self._made: Connection | None = None

    @property
    def connection(self) -> Connection:
        """The connection."""
        if self._made is None:
            self._made = self._open.enter_context(workers.connected(self.engine))
            if self.serial:
                send(self._made, "SET max_parallel_workers_per_gather = 0")
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
    """Keep the connection beside one, once there is one: to make it takes as long as to copy some thousand rows.

    As many cores are at work as there are workers, so the server does not divide what one of them asks for any further.
    """
    info, kept = connection.info, _Beside(connection.engine, serial=True)
    info[_BESIDE], info[_REMEMBERED] = kept, {}
    try:
        yield
    finally:
        for each in (_BESIDE, _REMEMBERED):
            info.pop(each, None)  # it is empty, if the connection was lost
        kept.close()


def remembered(connection: Connection, key: Hashable, ask: Callable[[], T]) -> T:
    """What the server has answered to a worker before, as long as it works."""
    known: dict[Hashable, T] = connection.info.get(_REMEMBERED, {})
    if key not in known:
        known[key] = ask()
    return known[key]


@contextmanager
def beside(connection: Connection) -> Iterator[Connection]:
    """Another connection of psycopg2, in autocommit mode; the same one, where one is all there can be."""
    if catalog.takes_one_client(connection):
        yield connection
        return
    kept: _Beside | None = connection.info.get(_BESIDE)
    another = kept or _Beside(connection.engine, serial=False)
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
