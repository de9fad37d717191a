"""Noting what changes: statement triggers that append the ranges of what a statement has written to a log.

The log is only appended to, so that writers never wait for each other. With transition tables a statement costs one
row for each stretch that it has written, whatever the number of its rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tsext.backfill.repartition.move import CAPTURE, RANGES, Flow
from tsext.errors import RevisionFailed
from tsext.sql.quoting import literal
from tsext.sql.sending import ask, send, sqlstate

_NOT_SUPPORTED = "0A000"
"""SQLSTATE of feature_not_supported, as with transition tables of a DELETE on a columnstore."""

FEW = 100
"""Rows of a statement that are noted one by one, and by their keys where they have some; of more, the ranges are."""

MOST_ROWS = 200_000
"""Rows that are brought over one by one at most; of more, all that have the same place are."""

_ROWS_AT_ONCE = 500
"""Rows that are replaced by one statement."""

_BODY = """
BEGIN
    {events}
    ELSE
        INSERT INTO {log} VALUES (NULL, NULL);
    END IF;
    RETURN NULL;
END"""

_EVENT = """IF TG_OP = '{event}' THEN
        IF (SELECT count(*) <= {few} FROM (SELECT FROM {table} LIMIT {few} + 1) AS rows) THEN
            INSERT INTO {log} SELECT DISTINCT at, at, key FROM ({rows}) AS rows;
        ELSE
            INSERT INTO {log} SELECT min(at), max(at) FROM ({rows}) AS rows GROUP BY {bin};
        END IF;"""

_TABLES = {
    "INSERT": ["tsext_after"],
    "DELETE": ["tsext_before"],
    "UPDATE": ["tsext_after", "tsext_before"],
}
"""Where the rows are that a statement has written; as many in each of them."""

_ROW_BODY = """
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO {log} VALUES (OLD.{column}, OLD.{column}, {old});
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO {log} VALUES (NEW.{column}, NEW.{column}, {new});
    END IF;
    RETURN NULL;
END"""

_REFERENCING = {
    "insert": "NEW TABLE AS tsext_after",
    "update": "OLD TABLE AS tsext_before NEW TABLE AS tsext_after",
    "delete": "OLD TABLE AS tsext_before",
}

_EVENTS = (*_REFERENCING, "truncate")


@dataclass(frozen=True)
class Capture:
    """What notes the changes of the source of a flow."""

    flow: Flow

    @property
    def function(self) -> str:
        """Of the statement triggers, as it stands in SQL."""
        return f"{self.flow.home}.tsext_note_statement"

    @property
    def row_function(self) -> str:
        """Of the row triggers, where there can be no others."""
        return f"{self.flow.home}.tsext_note_row"

    @property
    def log(self) -> list[str]:
        """What makes the log, and the functions that append to it, whoever writes."""
        flow = self.flow
        rows = {"log": flow.log, "column": flow.column, "old": key_of(flow, "OLD."), "new": key_of(flow, "NEW.")}
        return [
            f"CREATE TABLE IF NOT EXISTS {flow.log} (lower {flow.type}, upper {flow.type}, key text[])",
            _function(self.function, _BODY.format(log=flow.log, events="\n    ELS".join(self._events()))),
            _function(self.row_function, _ROW_BODY.format(**rows)),
        ]

    def _events(self) -> Iterator[str]:
        """What notes a statement."""
        flow = self.flow
        for event, tables in _TABLES.items():
            parts = (f"SELECT {flow.column} AS at, {key_of(flow)} AS key FROM {each}" for each in tables)
            rows = " UNION ALL ".join(parts)
            few = FEW if flow.keys else 0  # without a key, each would be a range of its own to bring over
            yield _EVENT.format(event=event, few=few, table=tables[0], log=flow.log, rows=rows, bin=self._bin)

    @property
    def _bin(self) -> str:
        """What is closer than this is noted as one range."""
        if self.flow.type in ("bigint", "integer", "smallint"):
            return f"at / {self.flow.bin}"
        return "at" if self.flow.type == "date" else "date_trunc('minute', at)"

    def lock(self, mode: str) -> str:
        """``LOCK TABLE``; not the chunks of a hypertable, on which autovacuum may be at work."""
        return f"LOCK TABLE ONLY {self.flow.source} IN {mode} MODE"

    def statement_trigger(self, event: str) -> str:
        """``CREATE TRIGGER`` for each statement."""
        referencing = f"REFERENCING {_REFERENCING[event]} " if event in _REFERENCING else ""
        return (
            f"CREATE TRIGGER {CAPTURE}_{event} AFTER {event.upper()} ON {self.flow.source} "
            f"{referencing}FOR EACH STATEMENT EXECUTE FUNCTION {self.function}()"
        )

    def row_trigger(self, event: str) -> str:
        """``CREATE TRIGGER`` for each row."""
        return (
            f"CREATE TRIGGER {CAPTURE}_{event} AFTER {event.upper()} ON {self.flow.source} "
            f"FOR EACH ROW EXECUTE FUNCTION {self.row_function}()"
        )

    def install(self, connection: Connection) -> None:
        """Create the triggers, in the transaction that is open."""
        if not _tried(connection, self.triggers):
            for event in _EVENTS:
                if not _tried(connection, self.statement_trigger(event)):
                    send(connection, self.row_trigger(event))

    @property
    def triggers(self) -> str:
        """All of them, as statements that are sent as one; for each statement."""
        return "; ".join(map(self.statement_trigger, _EVENTS))

    @property
    def removal(self) -> list[str]:
        """``DROP TRIGGER`` of all."""
        return [f"DROP TRIGGER IF EXISTS {CAPTURE}_{event} ON {self.flow.source}" for event in _EVENTS]

    def is_installed(self, connection: Connection) -> bool:
        """Whether all that is written is noted."""
        query = (
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass(%(t)s) "
            "AND starts_with(tgname::text, %(ours)s) AND tgenabled <> 'D'"
        )
        found = connection.exec_driver_sql(query, {"t": self.flow.source, "ours": CAPTURE}).scalar_one()
        return int(found) == len(_EVENTS)


def _tried(connection: Connection, statements: str) -> bool:
    """Send statements; whether the server can do that."""
    send(connection, "SAVEPOINT tsext_trigger")
    try:
        send(connection, statements)
    except DBAPIError as error:
        if sqlstate(error) != _NOT_SUPPORTED:
            raise
        send(connection, "ROLLBACK TO SAVEPOINT tsext_trigger")
        return False
    send(connection, "RELEASE SAVEPOINT tsext_trigger")
    return True


def key_of(flow: Flow, row: str = "") -> str:
    """What a row is known by among those of the same place, as an array of texts.

    :param row: before the names of columns.
    """
    return f"ARRAY[{', '.join(f'{row}{name}::text' for name, _ in flow.keys)}]" if flow.keys else "NULL::text[]"


def _function(name: str, body: str) -> str:
    return (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
        f"SET search_path = pg_catalog, pg_temp AS $tsext${body}\n$tsext$"
    )


# --- what is noted


@dataclass(frozen=True)
class Dirty:
    """A range in which something has changed; or some rows, of which something has."""

    lower: str | None
    """As text; None: without a beginning."""
    upper: str | None
    upper_included: bool = True
    gap: float = 0.0
    """How far it is from the one before, in seconds or in the unit of the column."""
    rows: tuple[tuple[str, ...], ...] = ()
    """The value of the column and of the keys of each row, as text, if it is not the whole range."""

    def within(self, flow: Flow) -> str:
        """The condition for its rows."""
        condition = flow.within(self.lower, self.upper, "<=" if self.upper_included else "<")
        if not self.rows:
            return condition
        names, types = zip((flow.column, flow.type), *flow.keys, strict=True)
        typed = ", ".join(f"{literal(value)}::{type_}" for value, type_ in zip(self.rows[0], types, strict=True))
        rows = (f"({', '.join(map(literal, row))})" for row in self.rows[1:])
        return f"{condition} AND ({', '.join(names)}) IN (VALUES {', '.join([f'({typed})', *rows])})"


def look(connection: Connection, flow: Flow, where: str) -> list[Dirty]:
    """What is noted, as ranges and rows of which no two have a row in common.

    :param where: a condition about the log.
    """
    ranges = list(_merged(connection, flow, f"{where} AND key IS NULL"))
    return [*ranges, *_grouped(_rows(connection, flow, where))] if flow.keys else ranges


def take(connection: Connection, flow: Flow, most: int) -> list[Dirty]:
    """Take from the log what is noted, and merge it; what is written meanwhile stays for the next time.

    :param connection: in a transaction of which all sees the database as it was at one moment.
    :param most: how many ranges to make of it at most; those that are nearest to each other are made one.
    """
    ranges, rows = list(_merged(connection, flow)), []
    if flow.keys:
        some, rows = list(_merged(connection, flow, "key IS NULL")), _rows(connection, flow)
        ranges, rows = (some, rows) if len(some) <= most and len(rows) <= MOST_ROWS else (ranges, [])
    send(connection, f"DELETE FROM {flow.log}")
    return [*_fewer(ranges, most), *_grouped(rows)]


def _merged(connection: Connection, flow: Flow, where: str = "true") -> Iterator[Dirty]:
    """The ranges that are noted."""
    range_ = RANGES[flow.type]
    gap = "lower(r) - lag(upper(r)) OVER (ORDER BY r)"
    if range_ in ("tstzrange", "tsrange"):
        gap = f"extract(epoch FROM {gap})"
    query = (
        f"SELECT lower(r)::text, upper(r)::text, upper_inc(r), coalesce({gap}, 0)::float8 "
        f"FROM (SELECT unnest(range_agg({range_}(lower, upper, '[]'))) FROM {flow.log} WHERE {where}) AS ranges (r) "
        "ORDER BY r"
    )
    for row in ask(connection, query):
        yield Dirty(*row)


def _rows(connection: Connection, flow: Flow, where: str = "true") -> list[tuple[str, ...]]:
    """The rows that are noted, but for those in ranges that are; one more than may be at most."""
    query = (
        f"SELECT lower::text, key FROM (SELECT DISTINCT lower, key FROM {flow.log} WHERE {where} "
        f"AND key IS NOT NULL AND NOT {noted(flow, 'lower', 'key IS NULL')}) AS rows "
        f"ORDER BY rows.lower, key LIMIT {MOST_ROWS + 1}"
    )
    found = ask(connection, query)
    return [(at, *key) for at, key in found]


def noted(flow: Flow, column: str, where: str) -> str:
    """The condition that a value is in one of the ranges that are noted."""
    ranges = f"range_agg({RANGES[flow.type]}(lower, upper, '[]'))"
    return f"{column}::{flow.element} <@ (SELECT coalesce({ranges}, '{{}}') FROM {flow.log} WHERE {where})"


def _grouped(rows: list[tuple[str, ...]]) -> Iterator[Dirty]:
    """Rows, some at a time."""
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[first : first + _ROWS_AT_ONCE]
        yield Dirty(some[0][0], some[-1][0], rows=tuple(some))


def _fewer(dirty: list[Dirty], most: int) -> list[Dirty]:
    """Ranges, as many as may be: the widest gaps between them remain."""
    if len(dirty) <= most:
        return dirty
    widest = sorted(range(1, len(dirty)), key=lambda place: dirty[place].gap)[-(most - 1) :]
    bounds = [0, *sorted(widest), len(dirty)]
    return [
        Dirty(dirty[first].lower, dirty[last - 1].upper, dirty[last - 1].upper_included)
        for first, last in pairwise(bounds)
    ]


def note(connection: Connection, flow: Flow, lower: str | None, upper: str | None) -> None:
    """Have a range copied again."""
    bounds = ", ".join(f"{literal(each)}::{flow.type}" for each in (lower, upper))
    send(connection, f"INSERT INTO {flow.log} VALUES ({bounds})")


def refuse_lost(connection: Connection, capture: Capture) -> None:
    """Refuse to go on if not all changes were noted.

    :raises RevisionFailed: with what to do.
    """
    if not capture.is_installed(connection):
        raise RevisionFailed(
            f"the triggers {CAPTURE}_… of {capture.flow.source} are gone or disabled, so changes may be missing",
            hint="cancel the backfill, and declare it anew",
        )
