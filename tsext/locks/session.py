"""The driver's connection, beneath SQLAlchemy's: where its transaction stands, and what its ``lock_timeout`` is."""

from __future__ import annotations

from contextlib import suppress
from enum import Enum, auto
from typing import Any

from tsext.locks.statements import Statement

IDLE = 0
"""``PQTRANS_IDLE``, in both drivers."""

SAVEPOINT = "tsext_lock"


class Place(Enum):
    """Where a statement stands, and so what must be undone before it can be sent again."""

    ALONE = auto()
    """In no transaction: nothing."""
    FIRST = auto()
    """Nothing was done before it in its transaction, which is begun anew."""
    SAVEPOINT = auto()
    """What went before it is kept: it has a savepoint."""
    AMID = auto()
    """What went before it would be lost: it cannot be sent again by itself."""


class Session:
    """One connection of psycopg2 or psycopg."""

    def __init__(self, dbapi: Any, cursor: Any) -> None:
        """
        :param cursor: makes a cursor that does not ask for locks as ours do.
        """
        self.dbapi = dbapi
        self.cursor = cursor
        self.base = 0
        """``lock_timeout`` of the session, in milliseconds, as we have set it for the run."""
        self.session = 0
        """``lock_timeout`` of the session now, in milliseconds."""
        self.current: int | None = 0
        """``lock_timeout`` in force now, a transaction's own included, in milliseconds; None if that is not known."""
        self.authors: str = ""
        """For what the revision has set a ``lock_timeout`` of its own: ``transaction``, ``session``, or nothing."""

    @property
    def autocommit(self) -> bool:
        """Whether each statement is a transaction of its own."""
        return bool(self.dbapi.autocommit)

    @property
    def is_idle(self) -> bool:
        """Whether the next statement begins a transaction."""
        return bool(self.dbapi.info.transaction_status == IDLE)

    def run(self, statement: str) -> Any:
        """Execute, and give the first value, if there is one."""
        with self.cursor(self.dbapi) as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None

    def rollback(self) -> None:
        """Undo the transaction; SQLAlchemy goes on as if in the same one."""
        self.dbapi.rollback()
        self.began()

    # --- lock_timeout

    def install(self, seconds: float) -> str:
        """Set the timeout of the whole session; returns the one that it had."""
        self.base = self.session = self.current = _milliseconds(seconds)
        before = self.run("SELECT current_setting('lock_timeout')")
        self._set_session(f"{self.base}ms")
        return str(before)

    def restore(self, before: str) -> None:
        """Give the session its own timeout back, unless the connection is lost."""
        with suppress(Exception):
            self.dbapi.rollback()
            self._set_session(before)

    def reset(self) -> None:
        """At the beginning of a step: what the one before it has set no longer holds."""
        if self.authors == "session" or self.session != self.base:
            self._set_session(f"{self.base}ms")
            self.session = self.base
        self.authors = ""
        self.current = self.session

    def began(self) -> None:
        """The next statement begins a transaction."""
        if self.authors != "session":
            self.authors = ""
            self.current = self.session

    def limit(self, seconds: float) -> None:
        """Set the timeout for the next statement, unless the revision has set its own."""
        wanted = _milliseconds(seconds)
        if self.authors or wanted == self.current:
            return
        if self.autocommit and self.is_idle:
            self.run(f"SET lock_timeout = {wanted}")
            self.session = wanted
        else:
            self.run(f"SET LOCAL lock_timeout = {wanted}")
        self.current = wanted

    def limited(self, statement: Statement, seconds: float) -> str:
        """The text of a statement in the transaction that is open, with its timeout before it if it needs another."""
        wanted = _milliseconds(seconds)
        if self.authors or wanted == self.current:
            return statement.text
        self.current = wanted
        return f"SET LOCAL lock_timeout = {wanted}; {statement.text}"

    def notice(self, statement: Statement) -> None:
        """A statement that may change the timeout itself."""
        text = statement.text.lower()
        if "lock_timeout" in text:
            self.authors = "transaction" if "local" in text or "true" in text else "session"
        else:
            self.current = None

    def _set_session(self, value: str) -> None:
        self.run(f"SET lock_timeout = '{value}'")
        self.dbapi.commit()

    def ask_vacuum(self, relation: str) -> None:
        """Stand in the queue for long enough that autovacuum gives way, with a lock that others do not wait for."""
        self.run("ROLLBACK; BEGIN")
        try:
            self.run(
                "SELECT set_config('lock_timeout', (setting::int + 1000)::text, true) "
                "FROM pg_settings WHERE name = 'deadlock_timeout'"
            )
            with suppress(Exception):  # then it is still in the way
                self.run(f"LOCK TABLE {relation} IN SHARE UPDATE EXCLUSIVE MODE")
        finally:
            self.run("ROLLBACK")
            self.began()

    # --- places

    def enter(self, place: Place) -> None:
        """Before a statement is sent for the first time."""
        if place is Place.SAVEPOINT:
            self.run(f"SAVEPOINT {SAVEPOINT}")

    def undo(self, place: Place) -> None:
        """After it was refused."""
        if place is Place.FIRST:
            self.rollback()
        elif place is Place.SAVEPOINT:
            self.run(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
            self.current = None

    def leave(self, place: Place) -> None:
        """After it has succeeded."""
        if place is Place.SAVEPOINT:
            self.run(f"RELEASE SAVEPOINT {SAVEPOINT}")


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
