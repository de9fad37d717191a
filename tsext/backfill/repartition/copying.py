"""Copying rows from one table to another in PostgreSQL's binary format, through a pipe, without looking at them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

import psycopg2
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from tsext import catalog
from tsext.backfill.repartition.sessions import beside, transaction
from tsext.sql.sending import BLOCK, ask, copy_in


@dataclass(frozen=True)
class Copied:
    """What was copied."""

    rows: int
    bytes: int
    """0 where the server copied by itself."""


def copy(
    connection: Connection, queries: Iterable[tuple[str, str]], columns: str, *, freeze: bool = False
) -> list[Copied]:
    """Copy what each query gives into a table, in the transaction that is open on the connection.

    The queries run on another connection, and so see what is committed now. Where the server takes one client at a
    time, it copies by itself, which takes longer and writes more WAL.

    :param queries: each with the table that its rows go to.
    :param freeze: whether the tables were truncated in this very subtransaction, and rows need not be frozen later.
    """
    if catalog.takes_one_client(connection):
        return [_inserted(connection, query, target, columns) for query, target in queries]
    how = f"FORMAT binary{', FREEZE' if freeze else ''}"
    with beside(connection) as another, transaction(another):
        source: Any = another.connection.dbapi_connection
        return [
            pipe(
                source, f"COPY ({query}) TO STDOUT (FORMAT binary)",
                connection, f"COPY {target} ({columns}) FROM STDIN ({how})",
            )
            for query, target in queries
        ]  # fmt: skip


def _inserted(connection: Connection, query: str, target: str, columns: str) -> Copied:
    with ask(connection, f"INSERT INTO {target} ({columns}) OVERRIDING SYSTEM VALUE {query}") as result:
        return Copied(result.rowcount, 0)


def pipe(source: Any, read: str, connection: Connection, write: str) -> Copied:
    """Let what one connection of psycopg2 reads be written on another connection, by ``COPY`` on both.

    :param read: ``COPY … TO STDOUT``.
    :param write: ``COPY … FROM STDIN``.
    """
    outlet, inlet = os.pipe()
    _widen(inlet)
    failed: list[BaseException] = []

    def read_on() -> None:
        try:
            with os.fdopen(inlet, "wb", BLOCK) as into, source.cursor() as cursor:
                cursor.copy_expert(read, into, BLOCK)
        except BaseException as error:  # whatever it is, the writer gets too few rows
            failed.append(error)

    thread = threading.Thread(target=read_on, name="tsext-backfill-read", daemon=True)
    with os.fdopen(outlet, "rb", 0) as file:
        counted = _Counted(file)
        thread.start()
        try:
            rows = copy_in(connection, write, counted)
        except BaseException:
            with suppress(psycopg2.Error):
                source.cancel()
            file.close()  # so that the reader does not wait for us
            thread.join()
            if failed and not isinstance(failed[0], BrokenPipeError | psycopg2.extensions.QueryCanceledError):
                raise _as_sqlalchemy_has_it(failed[0], read) from None
            raise
        thread.join()
    if failed:
        raise _as_sqlalchemy_has_it(failed[0], read)
    return Copied(rows, counted.bytes)


def _widen(pipe: int) -> None:
    """Let a pipe take what each side handles at a time, so that they wait for each other seldom; where that can be."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 2 * BLOCK)


def _as_sqlalchemy_has_it(error: BaseException, statement: str) -> BaseException:
    """An error of the driver as SQLAlchemy tells it, by which a worker knows what may pass."""
    return OperationalError(statement, None, error) if isinstance(error, psycopg2.Error) else error


class _Counted:
    """A file that counts what is read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.bytes = 0

    def read(self, size: int = BLOCK) -> bytes:
        block = self.file.read(size)
        self.bytes += len(block)
        return block
