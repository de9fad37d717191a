"""The server: its limits, who is at work on it, and what it keeps for others."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from tsext.catalog.asking import rows, text
from tsext.sql.quoting import literal


class Replica(NamedTuple):
    """A standby or subscriber that is connected."""

    name: str
    state: str
    seconds: float | None
    """How far it is behind; None while nothing is written, or where it does not tell."""
    bytes: int | None
    """WAL it has yet to replay."""


class Slot(NamedTuple):
    """A replication slot, for which WAL is kept."""

    name: str
    active: bool
    wal_status: str | None
    """As ``pg_replication_slots`` has it; ``lost`` holds nothing back any more."""
    bytes: int | None
    """WAL kept for it; None if it keeps none."""


class Transaction(NamedTuple):
    """A transaction of another session of this database."""

    pid: int
    application: str
    role: str
    state: str
    query: str
    seconds: float
    """Since it began."""


class PreparedTransaction(NamedTuple):
    """A transaction of this database that was prepared, and holds its locks until someone ends it."""

    gid: str
    role: str
    seconds: float
    """Since it was prepared."""


class Server(NamedTuple):
    """What of a server decides whether a run can succeed."""

    standby: bool
    read_only: bool
    sees_sessions: bool
    """Whether this role sees what sessions of other roles do, and how replicas fare."""
    max_locks_per_transaction: int
    max_connections: int
    max_prepared_transactions: int
    locks_held: int
    """Locks in the shared table now, of all sessions."""
    data_directory: str | None
    """None if this role may not know."""
    system_identifier: int
    max_wal_size: int
    """In bytes, as all sizes."""
    maintenance_work_mem: int
    logs_all: bool
    """Whether a new relation file goes to WAL, as replicas need."""
    archives: bool
    """Whether WAL is archived."""
    replicas: tuple[Replica, ...]
    slots: tuple[Slot, ...]
    transactions: tuple[Transaction, ...]
    """Those older than was asked for, oldest first."""
    prepared: tuple[PreparedTransaction, ...]
    """Those older than was asked for, oldest first."""

    @property
    def lock_budget(self) -> int:
        """How many locks PostgreSQL promises to have room for, over all sessions."""
        return self.max_locks_per_transaction * (self.max_connections + self.max_prepared_transactions)


def server(connection: Connection, older_than: timedelta = timedelta()) -> Server:
    """The server as it is now; one query.

    :param older_than: which transactions matter.
    """
    row = rows(connection, "server", seconds=older_than.total_seconds())[0]._mapping
    lists = {"replicas": Replica, "slots": Slot, "transactions": Transaction, "prepared": PreparedTransaction}
    found = {name: tuple(kind(**each) for each in json.loads(row[name])) for name, kind in lists.items()}
    return Server(**{**row, **found})


def database_bytes(connection: Connection) -> int:
    """What all databases that this role may enter occupy, in bytes."""
    return int(rows(connection, "database_bytes")[0].bytes)


def output_of(connection: Connection, command: str) -> list[str]:
    """The lines that a program prints which the server runs; the role needs ``pg_execute_server_program``.

    :param command: run by the server's shell, in its data directory.
    """
    create, copy, read = text("output_of").replace("{command}", literal(command)).split(";\n")
    with connection.begin_nested() as savepoint:
        connection.exec_driver_sql(create)
        connection.exec_driver_sql(copy)
        lines = list(connection.exec_driver_sql(read).scalars())
        savepoint.rollback()
    return lines


_ONE_CLIENT = "tsext_one_client"
"""Where a connection has the answer."""


def takes_one_client(connection: Connection) -> bool:
    """Whether the server takes one client at a time, as the WebAssembly build does; asked once of a connection."""
    known = connection.info
    if _ONE_CLIENT not in known:
        known[_ONE_CLIENT] = bool(connection.exec_driver_sql("SELECT pg_backend_pid() = 0").scalar())
    return bool(known[_ONE_CLIENT])
