"""Copying a table from another database, range by range, and comparing both: the kind ``transfer``.

Workers pipe binary ``COPY`` from there to here. The copy of a range and the note that it is done are committed
together. Then each range is compared by its hash on both sides; one that differs, since others write there, is deleted
and copied anew, and compared again.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from tsext import catalog
from tsext.backfill import hashing, ledger
from tsext.backfill.hashing import Digest, Value
from tsext.backfill.ledger import Backfill, NewTask, Outcome, Task
from tsext.backfill.repartition.copying import Copied, pipe
from tsext.errors import Finding, LoadError
from tsext.loading import chunks
from tsext.loading.formats import Format
from tsext.loading.planning import named
from tsext.loading.rejects import query
from tsext.loading.sources import Sample, Written
from tsext.sql.quoting import identifier, literal
from tsext.sql.sending import send, sqlstate

log = logging.getLogger("alembic.tsext")

KIND, COPY, COMPARE = "transfer", "copy", "compare"
"""The kind, and the tasks' steps."""

LARGEST = 1_000_000
"""Rows of a range, as far as statistics tell where it can be divided."""

ROUNDS = 5
"""How often in a row a range is copied anew that differs."""

_CHECK_VIOLATION = "23514"

SETTLED = {"time_zone": "UTC", "date_style": "ISO, YMD", "interval_style": "postgres"}
"""How bounds are read and written, on both sides."""

passwords: dict[str, str] = {}
"""By URL without it, for workers in this process: neither the ledger nor anybody's list of processes has any."""


@dataclass(frozen=True)
class Spec:
    """What is copied from where."""

    url: str
    """Without a password."""
    source: str
    """The table there, as it stands in SQL; so is what it is copied by."""
    columns: list[str]
    column: str
    """By whose ranges it is copied."""
    type: str
    reading: dict[str, str] = field(default_factory=lambda: SETTLED)

    @classmethod
    def of(cls, backfill: Backfill) -> Spec:
        """What stands in the ledger."""
        return cls(**backfill.spec)

    def as_json(self) -> dict[str, Any]:
        """For the ledger."""
        return asdict(self)

    def values(self, record: bytes) -> list[str | None]:
        """What a record of CSV holds."""
        return [each or None for each in next(csv.reader([record.decode()]), [])]

    def within(self, lower: str | None, upper: str | None) -> str:
        """The condition for a range; None: without an end."""
        bounds = [(">=", lower), ("<", upper)]
        parts = [f"{identifier(self.column)} {op} {literal(at)}::{self.type}" for op, at in bounds if at is not None]
        return " AND ".join(parts) or "true"

    @property
    def names(self) -> str:
        """The columns."""
        return ", ".join(map(identifier, self.columns))


@lru_cache(maxsize=8)
def _engine(url: str, password: str | None) -> Engine:
    """One that keeps the connections of workers, which are as many as they are."""
    options = "-c TimeZone=UTC -c DateStyle=ISO,YMD -c IntervalStyle=postgres -c row_security=off"
    arguments = {"application_name": "tsext-backfill", "options": f"{options} -c client_connection_check_interval=1s"}
    known = make_url(url).set(drivername="postgresql+psycopg2", password=password)
    return create_engine(known, pool_size=100, pool_pre_ping=True, connect_args=arguments)


@contextmanager
def source_of(url: str) -> Iterator[Connection]:
    """A connection to the other database, in autocommit mode; by psycopg2, which is the faster one at this.

    :raises DBAPIError: if there is none to be had; a worker tries again, as if it had lost its own.
    """
    engine = _engine(url, passwords.get(url))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def leave(url: str) -> None:
    """Close the connections that nobody uses any more."""
    _engine(url, passwords.get(url)).dispose()


def prepare(connection: Connection, backfill: Backfill) -> None:
    """Plan the ranges, unless that is done, and make the chunks that are missing for one row of each."""
    if ledger.tasks(connection, backfill):  # of other chunks, which may be there by now, others would be made
        return
    spec = Spec.of(backfill)
    with source_of(spec.url) as source:
        bounds = [None, *_bounds(source, spec), None]
        ranges = list(pairwise(bounds))
        if not catalog.takes_one_client(connection):
            samples = [sample for each in ranges for sample in _sample(source, spec, each)]
            chunks.place(connection, named(connection, backfill), spec, samples)
    tasks = [NewTask(COPY, backfill.source, *each) for each in ranges]
    with ledger.transaction(connection):
        ledger.plan(connection, backfill, tasks)


def perform(connection: Connection, backfill: Backfill, task: Task) -> Outcome:
    """Copy a range, or compare it, in the transaction that is open."""
    spec = Spec.of(backfill)
    connection.exec_driver_sql(query("session"), spec.reading)
    send(connection, "SET LOCAL row_security = off")
    with source_of(spec.url) as source:
        if task.step == COPY:
            copied = _copy(connection, source, backfill, task)
            return Outcome(copied.rows, copied.bytes)
        theirs, ours = _digests(connection, source, backfill, task)
        if theirs == ours:
            return Outcome(0, source_hash=f"{theirs.rows}:{theirs.hash}", target_hash=f"{ours.rows}:{ours.hash}")
        return _copy_again(connection, source, backfill, task)


def complete(connection: Connection, backfill: Backfill) -> bool:
    """All is copied: compare it; all is compared: it is done."""
    copied = [each for each in ledger.tasks(connection, backfill) if each.step == COPY]
    given = [NewTask(COMPARE, backfill.source, each.lower, each.upper) for each in copied]
    with ledger.transaction(connection):
        return not ledger.plan(connection, backfill, given)


def verify(connection: Connection, backfill: Backfill) -> list[Finding]:
    """Compare all of both tables, as they are now."""
    spec, findings = Spec.of(backfill), []
    with ledger.transaction(connection), source_of(spec.url) as source:
        connection.exec_driver_sql(query("session"), spec.reading)
        for task in ledger.tasks(connection, backfill):
            if task.step == COPY:
                where, values = spec.within(task.lower, task.upper), values_of(source, spec)
                theirs = hashing.digest(source, spec.source, values, [where])
                ours = hashing.digest(connection, backfill.source, values, [where])
                if theirs != ours:
                    fact = f"{spec.source} and {backfill.source} differ where {where}: "
                    counts = f"{theirs.rows} rows there, {ours.rows} here"
                    cure = "have what differs copied anew: the same command once more"
                    findings.append(Finding("rows-differ", fact + counts, cure))
    return findings


# --- one range


def _copy(connection: Connection, source: Connection, backfill: Backfill, task: Task) -> Copied:
    spec = Spec.of(backfill)
    where = spec.within(task.lower, task.upper)
    read = f"COPY (SELECT {spec.names} FROM {spec.source} WHERE {where}) TO STDOUT (FORMAT binary)"
    chunk = _chunk(connection, backfill, task)
    if chunk is not None:
        send(connection, "SAVEPOINT tsext_copy")
        try:
            return _piped(source, read, connection, f"COPY {chunk} ({spec.names}) FROM STDIN (FORMAT binary)")
        except DBAPIError as error:
            if sqlstate(error) != _CHECK_VIOLATION:
                raise
            send(connection, "ROLLBACK TO SAVEPOINT tsext_copy")
    return _piped(source, read, connection, f"COPY {backfill.source} ({spec.names}) FROM STDIN (FORMAT binary)")


def _piped(source: Connection, read: str, connection: Connection, write: str) -> Copied:
    try:
        return pipe(source.connection.dbapi_connection, read, connection, write)
    except psycopg2.Error as error:  # of the source, where SQLAlchemy is not asked
        raise OperationalError(read, None, error) from error


def _chunk(connection: Connection, backfill: Backfill, task: Task) -> str | None:
    """The one that the range is part of, if rows may be copied straight into it."""
    spec, table = Spec.of(backfill), named(connection, backfill)
    found = catalog.hypertable(connection, table.name, table.schema)
    if found is None or found.column != spec.column or task.lower is None or task.upper is None:
        return None
    lower, upper = catalog.internal_times(connection, [task.lower, task.upper], spec.type)
    for each in catalog.chunk_spans(connection, *table):
        if lower is not None and upper is not None and each.begin <= lower and upper <= each.end:
            return each.chunk if chunks.is_fillable(connection, table, spec.columns, each.chunk) else None
    return None


def _digests(connection: Connection, source: Connection, backfill: Backfill, task: Task) -> tuple[Digest, Digest]:
    """Of the range there and here."""
    spec = Spec.of(backfill)
    where, values = [spec.within(task.lower, task.upper)], values_of(source, spec)
    theirs = hashing.digest(source, spec.source, values, where)
    return theirs, hashing.digest(connection, backfill.source, values, where)


def _copy_again(connection: Connection, source: Connection, backfill: Backfill, task: Task) -> Outcome:
    """Replace the range; it stays to be compared.

    :raises LoadError: if that has been done too often.
    """
    where, done = Spec.of(backfill).within(task.lower, task.upper), int(task.position or 0)
    if done >= ROUNDS:
        raise LoadError(
            f"rows where {where} have changed each of {done} times that they were copied",
            hint="keep others from writing there for a moment; then the same command goes on",
        )
    log.warning("%s differs where %s: copied anew", backfill.source, where)
    send(connection, f"DELETE FROM {backfill.source} WHERE {where}")
    copied = _copy(connection, source, backfill, task)
    return Outcome(copied.rows, copied.bytes, seen=0, position=str(done + 1))


def values_of(source: Connection, spec: Spec) -> list[Value]:
    """What is hashed of a row."""
    table = table_of(source, spec.source)
    columns = [table.column(each) for each in spec.columns]
    return [
        Value(identifier(each.name), each.base, each.kind, each.element, each.schema == "pg_catalog")
        for each in columns
        if each is not None
    ]


def table_of(connection: Connection, relation: str) -> catalog.MovedTable:
    """A table.

    :raises LoadError: if it is not there.
    """
    table = catalog.named(connection, relation)
    found = None if table is None else catalog.moved_table(connection, table.name, table.schema, "")
    if found is None:
        there = connection.engine.url.render_as_string()
        raise LoadError(f"there is no table {relation} in {there}", hint="write its name as in SQL: --from-table")
    return found


# --- ranges


def _bounds(source: Connection, spec: Spec) -> list[str]:
    """Where ranges end: those of chunks, and where statistics divide what is large."""
    schema, name = catalog.named(source, spec.source) or ("", "")
    found = [bound for each in _source_chunks(source, name, schema) for bound in (each.lower, each.upper)]
    for heap in catalog.heaps(source, name, schema):
        if heap.tuples > LARGEST:
            found += catalog.quantiles(source, heap, spec.column, -(-heap.tuples // LARGEST))
    return _ordered(source, found, spec.type)


def _source_chunks(source: Connection, name: str, schema: str) -> list[catalog.SourceChunk]:
    return catalog.source_chunks(source, name, schema) if catalog.hypertable(source, name, schema) else []


def _ordered(source: Connection, bounds: Iterable[str], type_: str) -> list[str]:
    rows = source.exec_driver_sql(query("bounds").replace("{type}", type_), {"bounds": list(bounds)})
    return [str(row.bound) for row in rows]


def _sample(source: Connection, spec: Spec, bounds: tuple[str | None, str | None]) -> Iterator[Sample]:
    """A row of a range, if there is one."""
    rows = f"SELECT {spec.names} FROM {spec.source} WHERE {spec.within(*bounds)} LIMIT 1"
    driver: Any = source.connection.dbapi_connection
    written = io.BytesIO()
    with driver.cursor() as cursor:
        cursor.copy_expert(f"COPY ({rows}) TO STDOUT {Format().options()}", written)
    if record := written.getvalue().rstrip(b"\n"):
        yield Sample(_Row(record), record)


@dataclass(frozen=True)
class _Row:
    """One record of CSV, which makes a chunk; a part of which nothing is left to divide."""

    record: bytes
    line: int = 1

    @property
    def size(self) -> int:
        return len(self.record)

    @property
    def copy_options(self) -> str:
        return Format().options()

    def open(self) -> Written:
        return Written(iter([self.record]))

    def text(self) -> bytes:
        return self.record

    def divided(self, _: int | None) -> list[_Row]:
        return []
