"""The throttle: when the server does not fare well, a backfill waits, and says why."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from tsext import catalog
from tsext.backfill.ledger import Backfill
from tsext.errors import Finding
from tsext.locks.guard_rails import Rails, beyond
from tsext.settings import Settings
from tsext.sql.sending import ask, said_first

PREFIX = "backfill_"
"""How the settings begin that are limits."""

NOT_LIMITS = ("backfill_in_upgrade", "backfill_workers")
"""Settings that look like limits, but are the upgrade's."""

INTERVAL = 1.0
"""Seconds between two looks."""


def limits_of(backfill: Backfill) -> Settings:
    """Settings with the limits that hold for a backfill now."""
    return Settings().given({f"{PREFIX}{name}": text for name, text in backfill.limits.items()})


class Throttle:
    """Looks at the server's health from time to time."""

    def __init__(self) -> None:
        self._looked_at = 0.0
        self._found: list[Finding] = []
        self._wal: tuple[float, int] | None = None
        """When how much WAL had been written."""

    def reasons(self, connection: Connection, backfill: Backfill) -> list[Finding]:
        """Why to wait now, or a moment ago.

        :param connection: in autocommit mode.
        """
        now = time.monotonic()
        if now - self._looked_at > INTERVAL:
            self._looked_at = now
            limits = limits_of(backfill)
            self._found = [
                *self._server(connection, limits),
                *self._wal_rate(connection, limits),
                *_vacuum(connection, backfill, limits),
                *_own_query(connection, limits),
            ]
        return self._found

    def _server(self, connection: Connection, limits: Settings) -> Iterator[Finding]:
        age = limits.backfill_transaction_age
        server = catalog.server(connection, older_than=age or timedelta(days=1000))
        rails = Rails(limits.backfill_replica_lag, limits.backfill_free_disk, limits.backfill_archive_backlog)
        yield from beyond(connection, rails, server)
        for slot in server.slots if limits.backfill_slot_wal is not None else ():
            if slot.wal_status == "unreserved" or (slot.bytes or 0) > (limits.backfill_slot_wal or 0):
                told = f"slot {slot.name} keeps {slot.bytes or 0} bytes of WAL, more than slot_wal"
                yield Finding("slot", told, "see to whoever is to read it, or drop it")
        if age is not None:
            yield from _long(server)

    def _wal_rate(self, connection: Connection, limits: Settings) -> Iterator[Finding]:
        if limits.backfill_wal_rate is None:
            return
        query = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
        now, written = time.monotonic(), int(connection.exec_driver_sql(query).scalar_one())
        before, self._wal = self._wal, (now, written)
        if before is not None and now > before[0]:
            rate = int((written - before[1]) / (now - before[0]))
            if rate > limits.backfill_wal_rate:
                told = f"the server writes {rate} bytes of WAL in a second, more than wal_rate"
                yield Finding("wal-rate", told, "wait, or raise the limit")


def _long(server: catalog.Server) -> Iterator[Finding]:
    for each in server.transactions[:1]:
        told = f"the transaction of pid {each.pid} ({each.application!r}) is {each.seconds:.0f} s old"
        yield Finding("long-transaction", f"{told}, more than transaction_age", "end it, or raise the limit")
    for prepared in server.prepared[:1]:
        told = f"the prepared transaction {prepared.gid!r} is {prepared.seconds:.0f} s old, more than transaction_age"
        yield Finding("long-transaction", told, "COMMIT PREPARED or ROLLBACK PREPARED, or raise the limit")


def _vacuum(connection: Connection, backfill: Backfill, limits: Settings) -> Iterator[Finding]:
    # not the target: what we have just filled is what autovacuum looks at there
    vacuumed = catalog.vacuumed(connection, backfill.source) if limits.backfill_vacuum == "wait" else None
    if vacuumed:
        yield Finding("vacuum", f"{vacuumed} is being vacuumed", "wait, or set vacuum=ignore")


def _own_query(connection: Connection, limits: Settings) -> Iterator[Finding]:
    """What the user's own query says; one that fails is a reason, too: it was to protect something."""
    if not limits.backfill_query:
        return
    try:
        row = ask(connection, limits.backfill_query).first()
    except SQLAlchemyError as error:
        said = said_first(error)
        yield Finding("query", f"the query of the limits fails: {said}", "correct it: tsext backfill limits")
        return
    if row is not None and row[0] is not None and row[0] > 0:
        yield Finding("query", f"the query of the limits returns {row[0]}", "wait, or change it: tsext backfill limits")
