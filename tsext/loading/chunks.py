"""Making the chunks that a file needs before its records are loaded, and telling which records belong to which.

Whoever makes a chunk holds a lock on the hypertable until its transaction ends, for which others that need a new chunk
wait: two workers that find no chunks load hardly faster than one. So each chunk is made in a short transaction: a
record of the file is copied, which makes the chunk that it belongs to, and deleted again. This works under any licence.
What cannot be made like this, and what the samples of the file did not tell of, the workers make as they meet it.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.backfill.ledger import transaction
from tsext.loading.formats import copy_statement
from tsext.loading.rejects import query
from tsext.loading.sources import Part, Sample
from tsext.sql.sending import copy_in, said, send, sqlstate

log = logging.getLogger("alembic.tsext")

_NO_SUCH_TABLE = ("42P01", "3F000")


@dataclass(frozen=True)
class Placed:
    """Where some records belong."""

    chunks: list[str | None]
    """Of each the chunk that it may be copied straight into; None: it has to go through the table."""
    made: int = 0
    """How many chunks were missing, and have been made."""


class Records(Protocol):
    """How records are to be read."""

    @property
    def columns(self) -> Sequence[str]:
        """In their order."""

    @property
    def reading(self) -> Mapping[str, str]:
        """Settings of the session that decide how a time is read."""

    def values(self, record: bytes) -> list[str | None]:
        """What a record holds; None for a null."""


def place(connection: Connection, table: catalog.Relation, records: Records, samples: Sequence[Sample]) -> Placed:
    """Make the chunks that are missing for some records of a file, and tell the chunks of all of them.

    :param connection: in autocommit mode.
    """
    column = _column(connection, table, records)
    times = None if column is None else _times(connection, records, column, samples)
    if times is None:
        return Placed([None] * len(samples))
    known = [(time, each.part) for time, each in zip(times, samples, strict=True) if time is not None]
    missing, made = _uncovered(known, catalog.chunk_spans(connection, *table)), 0
    while missing:
        chunk = _make(connection, str(table), records, missing[0][1])
        made += chunk is not None
        # by a record that is refused, or one whose chunk others have made meanwhile, the next one is tried
        spans = catalog.chunk_spans(connection, *table, chunk) if chunk is not None else []
        missing = _uncovered(missing[1:], spans)
    fillable = catalog.is_fillable(connection, table, records.columns)
    spans = sorted(catalog.chunk_spans(connection, *table)) if fillable else []
    return Placed([_chunk(spans, each) for each in times], made)


def _chunk(spans: Sequence[catalog.Span], time: int | None) -> str | None:
    """Which of them a time is in."""
    at = -1 if time is None else bisect_right(spans, time, key=lambda each: each.begin) - 1
    return spans[at].chunk if at >= 0 and time is not None and time < spans[at].end else None


def is_fillable(connection: Connection, table: catalog.Relation, columns: Sequence[str], chunk: str) -> bool:
    """Whether rows may still be copied straight into a chunk; if so, that stays until the transaction ends."""
    send(connection, "SAVEPOINT tsext_chunk")
    try:
        # as any INSERT does; whoever makes it other than it is now, needs a lock that has to wait for these
        send(connection, f"LOCK TABLE ONLY {table}, ONLY {chunk} IN ROW EXCLUSIVE MODE")
    except DBAPIError as error:
        if sqlstate(error) not in _NO_SUCH_TABLE:
            raise
        send(connection, "ROLLBACK TO SAVEPOINT tsext_chunk")
        return False
    send(connection, "RELEASE SAVEPOINT tsext_chunk")
    return catalog.is_fillable(connection, table, columns, chunk)


def _column(connection: Connection, table: catalog.Relation, records: Records) -> tuple[str, str] | None:
    """Name and type of the column that alone decides the chunk; None if there is none, or rows must not be tried."""
    found = catalog.hypertable(connection, table.name, table.schema)
    if found is None or found.dimensions or found.functions or found.column not in records.columns:
        return None
    if catalog.insert_triggers(connection, str(table)):
        log.info("%s has triggers, so its chunks are made while it is loaded", table)
        return None
    facts = catalog.table_facts(connection, table.name, table.schema)
    if facts is None or facts.columns.get(found.column) not in ("time", "date", "integer"):
        return None
    return found.column, catalog.loadable_columns(connection, str(table))[found.column]


def _times(
    connection: Connection, records: Records, column: tuple[str, str], samples: Sequence[Sample]
) -> list[int | None] | None:
    """The times of samples in TimescaleDB's unit, as far as they have one; None, if the server does not say."""
    name, type_ = column
    place = records.columns.index(name)
    texts = []
    for sample in samples:
        values = records.values(sample.text)
        texts.append(values[place] if place < len(values) else None)
    try:
        with transaction(connection):
            connection.exec_driver_sql(query("session"), records.reading)
            return catalog.internal_times(connection, texts, type_)
    except DBAPIError as error:
        log.info("the chunks are made while it is loaded: %s", said(error))
        return None


def _uncovered(times: Iterable[tuple[int, Part]], spans: Iterable[catalog.Span]) -> list[tuple[int, Part]]:
    """Those for which there is no chunk."""
    ordered = sorted(times, key=lambda each: each[0])
    left = []
    for span in [*sorted(spans), None]:
        while ordered and (span is None or ordered[0][0] < span.begin):
            left.append(ordered.pop(0))
        while span is not None and ordered and ordered[0][0] < span.end:
            ordered.pop(0)
    return left


def _make(connection: Connection, relation: str, records: Records, sample: Part) -> str | None:
    """The chunk of a record, as it stands in SQL; None if none was made."""
    statement = copy_statement(relation, records.columns, sample.copy_options)
    try:
        with transaction(connection):
            connection.exec_driver_sql(query("session"), records.reading)
            connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
            with sample.open() as data:
                copy_in(connection, statement, data)
            made = catalog.own_chunks(connection, relation)
            # one that this transaction has made nobody else sees, so that the row in it is that of the sample
            if len(made) != 1 or connection.exec_driver_sql(f"DELETE FROM ONLY {made[0]}").rowcount != 1:
                raise _NotMade
            return made[0]
    except _NotMade:
        return None
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        log.debug("no chunk for line %d: %s", sample.line, said(error))
        return None


class _NotMade(Exception):
    """Ends the transaction, and with it the row."""
