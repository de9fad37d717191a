"""Loading a part of a file: the ``COPY`` of a task, and what becomes of records that the server refuses.

The kind ``load`` of :mod:`tsext.backfill.kinds`.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext.backfill.ledger import Backfill, Outcome, Task
from tsext.errors import LoadError
from tsext.loading import binary, chunks, planning, program, rejects
from tsext.loading.formats import Format, copy_statement
from tsext.loading.rejects import Reject
from tsext.loading.sources import Part, Range
from tsext.loading.spec import Spec, refuse_changed
from tsext.sql.quoting import identifier
from tsext.sql.sending import copy_in, said_first, send, sqlstate

_OF_A_RECORD = ("22", "23", "44", "54", "P0")
"""Classes of SQLSTATE that are a matter of what a record holds: what is no number, a key that is there, a trigger's
refusal …; a COPY that fails by any other fails as a whole."""

_UNIQUE_VIOLATION, _CHECK_VIOLATION, _INSUFFICIENT_PRIVILEGE = "23505", "23514", "42501"

_TRUSTED = 4
"""How often in a row the line that an error names may be where a part is divided, until it is halved."""


def perform(connection: Connection, backfill: Backfill, task: Task) -> Outcome:
    """Load what a task is about, in the transaction that is open.

    :raises LoadError: if the file is not the one that was declared, or too much of it is rejected.
    """
    if task.step == planning.STEP:
        return planning.perform(connection, backfill, task)
    refuse_changed(connection, backfill)
    spec, table = Spec.of(backfill), planning.named(connection, backfill)
    if task.step == program.STEP:
        return Outcome(program.run(spec, backfill.name, table, connection.engine.url), spec.size)
    connection.exec_driver_sql(rejects.query("session"), spec.reading)
    connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")  # so that it is known which record violates one
    # rows and the note that they are loaded are lost together, or neither; the state at the end is flushed behind them
    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
    part = spec.source().part(Range.read(task.lower or "", task.upper or ""))
    chunk = task.relation if task.relation != backfill.source else None
    if chunk is not None and not chunks.is_fillable(connection, table, spec.columns, chunk):
        chunk = None
    copying = Copying(connection, backfill.source, spec, chunk)
    if spec.kind != "arrow" or not copying.load_as_binary(part):
        copying.load(part)
    refuse_changed(connection, backfill)
    rejects.add(connection, backfill.id, copying.rejects, spec.max_rejects)
    seen = copying.rows + copying.skipped + len(copying.rejects)
    return Outcome(copying.rows, part.size, seen=seen)


@dataclass
class Copying:
    """Loads parts of a file, and what of them is refused, put apart."""

    connection: Connection
    relation: str
    """As it stands in SQL."""
    spec: Spec
    chunk: str | None = None
    """Into which all is copied straight, as long as it belongs there."""
    rows: int = 0
    """Loaded."""
    skipped: int = 0
    """Left out, since there was a row with the same key."""
    rejects: list[Reject] = field(default_factory=list)
    _beside: bool = False
    """Whether rows have to go through a table of their own, since some are there already."""

    def load(self, part: Part) -> None:
        """Load it, or if need be parts of it, in the order of the file."""
        left = [(part, 0)]
        while left:
            part, depth = left.pop()
            error = self._try(part)
            if error is None:
                continue
            if sqlstate(error) == _UNIQUE_VIOLATION and self.spec.on_conflict_do_nothing and not self._beside:
                self._beside = True
                left.append((part, depth))
                continue
            pieces = part.divided(_line(error) if depth < _TRUSTED else None)
            if not pieces:
                self._reject(part, error)
            left += [(each, depth + 1 if number == 0 else 0) for number, each in reversed(list(enumerate(pieces)))]

    def load_as_binary(self, part: Any) -> bool:
        """Load rows of an Arrow file as they are, if they can be sent so, and none is refused; whether that was done.

        :param part: a :class:`tsext.loading.arrow_files.ArrowPart`, to be loaded in another way if not.
        """
        encoding = binary.encoding(self.connection, self.relation, self.spec.columns)
        if encoding is None:
            return False
        into = copy_statement(self.chunk or self.relation, self.spec.columns, binary.OPTIONS)
        send(self.connection, "SAVEPOINT tsext_binary")
        with encoding.open(part.tables()) as data:
            try:
                self.rows = copy_in(self.connection, into, data)
            except (DBAPIError, binary.NotAlike) as error:
                if not data.refused and not sqlstate(error).startswith(_OF_A_RECORD):
                    raise
                send(self.connection, "ROLLBACK TO SAVEPOINT tsext_binary")
                return False
        send(self.connection, "RELEASE SAVEPOINT tsext_binary")
        return True

    def _reject(self, part: Part, error: Exception) -> None:
        self.rejects.append(Reject(part.line, sqlstate(error), _reason(error), part.text()))
        rejects.refuse_more(len(self.rejects), self.spec.max_rejects, self.rejects[0])

    def _try(self, part: Part) -> Exception | None:
        """Load a part whole, or nothing of it: the error then, if it is a matter of a record."""
        self.connection.exec_driver_sql("SAVEPOINT tsext_load")
        try:
            into = self.chunk or self.relation
            rows, skipped = self._spread(part) if self._beside else (self._copy(into, part), 0)
        except DBAPIError as error:
            if not sqlstate(error).startswith(_OF_A_RECORD):
                raise
            self.connection.exec_driver_sql("ROLLBACK TO SAVEPOINT tsext_load")
            self.connection.exec_driver_sql("RELEASE SAVEPOINT tsext_load")
            if self.chunk is not None and sqlstate(error) == _CHECK_VIOLATION:
                self.chunk = None  # it may belong into another one
                return self._try(part)
            return error.orig if isinstance(error.orig, Exception) else error
        self.connection.exec_driver_sql("RELEASE SAVEPOINT tsext_load")
        self.rows += rows
        self.skipped += skipped
        return None

    def _spread(self, part: Part) -> tuple[int, int]:
        """By way of another table, from which rows go on whose key is not there: how many do, and how many do not."""
        columns = ", ".join(map(identifier, self.spec.columns))
        send(
            self.connection,
            "CREATE TEMPORARY TABLE IF NOT EXISTS tsext_loading ON COMMIT DROP AS "
            f"SELECT {columns} FROM {self.relation} WITH NO DATA",
        )
        self.connection.exec_driver_sql("TRUNCATE pg_temp.tsext_loading")
        copied = self._copy("pg_temp.tsext_loading", part)
        inserted = send(
            self.connection,
            f"INSERT INTO {self.relation} ({columns}) OVERRIDING SYSTEM VALUE "
            f"SELECT {columns} FROM pg_temp.tsext_loading ON CONFLICT DO NOTHING",
        )
        return inserted, copied - inserted

    def _copy(self, relation: str, part: Part) -> int:
        statement = copy_statement(relation, self.spec.columns, part.copy_options)
        with part.open() as data:
            return copy_in(self.connection, statement, data)


def refuse_options(connection: Connection, given: Format) -> None:
    """Have the server look at the options of ``COPY``: for one of them it would refuse every record.

    :param connection: in autocommit mode.
    :raises LoadError: with what it says.
    """
    send(connection, "BEGIN")
    try:
        send(connection, "CREATE TEMPORARY TABLE tsext_options (record TEXT)")
        copy_in(connection, copy_statement("pg_temp.tsext_options", ["record"], given.options()), io.BytesIO())
    except DBAPIError as error:
        if sqlstate(error) != _INSUFFICIENT_PRIVILEGE:  # to make tables: then it is found out later
            raise LoadError(
                f"the server cannot read records so: {said_first(error)}",
                hint="correct --delimiter, --null, --quote, --escape or --encoding",
            ) from error
    finally:
        send(connection, "ROLLBACK")


# --- what the server says


_PLACE = re.compile(r"^COPY .+?, \w+ (\d+)(?:, \w+ ([^:]+))?", re.MULTILINE)
"""In the context of an error, in most languages."""


def _line(error: Any) -> int | None:
    """Line of the part that the server was at: that of the record, or of one behind it; None if it does not tell."""
    found = _PLACE.search(error.diag.context or "")
    return int(found[1]) if found else None


def _reason(error: Any) -> str:
    """What the server says, with the column or the key."""
    said = str(error.diag.message_primary or error)
    if sqlstate(error).startswith("235") and error.diag.message_detail:
        return f"{said}: {error.diag.message_detail}"
    place = _PLACE.search(error.diag.context or "")
    return f"{said}, column {place[2]}" if place and place[2] else said
