"""Records that the server refused: kept in the database, in the transaction of their neighbours, then in a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from tsext.errors import LoadError
from tsext.sql.stored import stored

_LOCK = int.from_bytes(b"tslr")

_LONGEST = 2**20
"""Bytes that are kept of a record: that of a quote which nothing closes goes on to the end of the file."""

HEADER = b"line,sqlstate,reason,record\n"


@dataclass(frozen=True)
class Reject:
    """A record that was refused, and why."""

    line: int
    """Number of its first line in the file; of a file that has no lines, of its row."""
    sqlstate: str
    reason: str
    record: bytes
    """As it stands in the file."""

    @property
    def csv(self) -> bytes:
        """As a line of the file of rejects."""
        fields = (str(self.line).encode(), self.sqlstate.encode(), self.reason.encode(), self.record)
        return b",".join(map(_quoted, fields)) + b"\n"


def _quoted(field: bytes) -> bytes:
    return b'"' + field.replace(b'"', b'""') + b'"' if set(field) & set(b'",\r\n') or not field else field


query = partial(stored, __file__)
"""What ``queries/<name>.sql`` says."""


def add(connection: Connection, backfill: int, found: Sequence[Reject], most: int | None) -> None:
    """Keep them, in the transaction that is open.

    :param most: how many there may be, with those of other workers; None: any number.
    :raises LoadError: if there would be more.
    """
    if not found:
        return
    # one transaction at a time, so that all of them together stay below the limit
    keys = {"lock": _LOCK, "backfill": backfill}
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%(lock)s, %(backfill)s::int)", keys)
    refuse_more(count(connection, backfill) + len(found), most, found[0])
    given = [
        {"line": each.line, "sqlstate": each.sqlstate, "reason": each.reason.replace("\0", ""), "record": kept.hex()}
        for each in found
        for kept in [each.record[:_LONGEST]]
    ]
    connection.exec_driver_sql(query("reject"), {"backfill": backfill, "rejects": json.dumps(given)})


def count(connection: Connection, backfill: int) -> int:
    """How many records of a load are rejected."""
    return int(connection.exec_driver_sql(query("reject_count"), {"backfill": backfill}).scalar_one())


def refuse_more(number: int, most: int | None, one: Reject) -> None:
    """Refuse to go on if too many are rejected.

    :raises LoadError: naming one of them.
    """
    if most is not None and number > most:
        raise LoadError(
            f"more than {most} records are rejected; line {one.line}: {one.reason}",
            hint="if the file is like this, run the same command with a larger --max-rejects; if it is read in a wrong "
            "way, give other options, and another --load-name",
        )


def rejected(connection: Connection, backfill: int) -> list[Reject]:
    """All of a load, in the order of the file."""
    rows = connection.exec_driver_sql(query("rejected"), {"backfill": backfill})
    return [Reject(row.line, row.sqlstate, row.reason, bytes(row.record)) for row in rows]


def refresh(connection: Connection, backfill: int, spec: dict[str, object]) -> None:
    """Note where a file is now, and how much of it may be rejected."""
    connection.exec_driver_sql(query("refresh"), {"backfill": backfill, "changed": json.dumps(spec)})


def write(path: Path, found: Sequence[Reject]) -> None:
    """The file of rejects: a CSV file of line, SQLSTATE, reason and record."""
    with path.open("wb") as file:
        file.write(HEADER)
        for each in found:
            file.write(each.csv)
