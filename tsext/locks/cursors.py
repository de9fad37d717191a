"""Cursors, of either driver, that leave it to another object how a statement is sent and how long it may wait."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from sqlalchemy import Connection


class Asks(Protocol):
    """Decides how the statements of the cursors are sent."""

    def execute(self, send: Callable[[], Any], query: Any, cursor: Any) -> Any:
        """Called instead of executing a statement, which ``send`` does."""

    def prepare(self, query: Any, cursor: Any) -> None:
        """Called before rows are copied."""


def plain(dbapi: Any) -> Any:
    """The class of a connection's cursors, of either driver."""
    if dbapi.cursor_factory is not None:
        return dbapi.cursor_factory
    from psycopg2.extensions import cursor  # only psycopg2 has no factory by default

    return cursor


def asking(asks: Asks, base: Any) -> Any:
    """A class of cursors that leave the sending to ``asks``.

    For the drivers' own ``cursor_factory``, so that no statement escapes, not even one on a cursor that a revision
    takes from the driver itself.
    """

    class AskingCursor(base):  # type: ignore[misc]  # the driver's, known only when it runs
        """A cursor of the driver."""

        tsext_asks = asks

        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            return asks.execute(partial(super().execute, query, *arguments, **options), query, self)

        def executemany(self, query: Any, *arguments: Any, **options: Any) -> Any:
            return asks.execute(partial(super().executemany, query, *arguments, **options), query, self)

    if hasattr(base, "copy_expert"):  # psycopg2

        def copy_expert(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
            asks.prepare(query, self)
            return base.copy_expert(self, query, *arguments, **options)

        AskingCursor.copy_expert = copy_expert
    else:

        def copy(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
            asks.prepare(query, self)
            return base.copy(self, query, *arguments, **options)

        AskingCursor.copy = copy
    return AskingCursor


def asks_of(connection: Connection) -> Any:
    """Who asks for the locks of a connection's statements; None if nobody does."""
    return getattr(getattr(connection.connection.dbapi_connection, "cursor_factory", None), "tsext_asks", None)


def acquires(connection: Connection) -> bool:
    """Whether the cursors of a connection are such ones, so that nobody else need set a ``lock_timeout``."""
    return asks_of(connection) is not None
