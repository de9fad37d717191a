"""A connection that for a while can only read, and not for long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Connection

_NAMES = ("default_transaction_read_only", "statement_timeout")


@contextmanager
def reading(connection: Connection, timeout: timedelta) -> Iterator[None]:
    """Each transaction in the block is read-only, even if one is committed; commits what is open before.

    :param timeout: of each statement.
    """
    query = f"SELECT {', '.join(f'current_setting({name!r})' for name in _NAMES)}"
    before = tuple(connection.exec_driver_sql(query).one())
    _set(connection, ("on", str(round(timeout.total_seconds() * 1000))))
    try:
        yield
    finally:
        connection.rollback()
        _set(connection, before)


def _set(connection: Connection, values: tuple[str, ...]) -> None:
    # SET, unlike a transaction's own settings, holds for the transactions that follow
    for name, value in zip(_NAMES, values, strict=True):
        connection.exec_driver_sql("SELECT set_config(%(name)s, %(value)s, false)", {"name": name, "value": value})
    connection.commit()
