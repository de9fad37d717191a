"""What is moved where: all that the parts of a move have in common, made of what the ledger holds of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill.hashing import Value
from tsext.backfill.jobs import TableJobs
from tsext.backfill.ledger import Backfill
from tsext.errors import BackfillError
from tsext.model import COLUMNSTORE
from tsext.sql.quoting import identifier, literal, qualified, short

KIND = "repartition"

CAPTURE = "zz_tsext_changes"
"""How the names of the triggers begin that note what changes; after the table's own, in the order of names."""

NEW, OLD = "tsext_new", "tsext_old"
"""How the names of the schemas begin in which the new and the old table are, before and after the swap.

In a schema of its own, a table has the very indexes, constraints and sequences by name that it is to have in the end,
and to move it takes an instant however many chunks it has.
"""

RANGES = {
    "timestamp with time zone": "tstzrange",
    "timestamp without time zone": "tsrange",
    "date": "daterange",
    "bigint": "int8range",
    "integer": "int4range",
    "smallint": "int4range",
}
"""Types of columns by whose ranges rows can be moved, and the types of their ranges."""

_WITH_LENGTH = {"varchar": "character varying", "bpchar": "bpchar", "bit": '"bit"', "varbit": "bit varying"}
"""Types that have a length, by their names in ``pg_type``, as they stand in SQL without it."""

KEYS = frozenset(["int2", "int4", "int8", "oid", "bool", "text", "varchar", "bpchar", "uuid", "name"])
"""Types of columns by which a row is told from others: those whose values any session writes as the same text."""


@dataclass(frozen=True)
class Spec:
    """What is to be moved into what shape, as the ledger keeps it."""

    schema: str
    table: str
    column: str
    """By ranges of which rows are moved."""
    type: str
    """Of that column: a key of :data:`RANGES`."""
    shape: tuple[str, ...] = ()
    """The statements that make a hypertable of the new table; none, if it is to be a plain one."""
    columnstore: str = ""
    """The statement that turns on the columnstore of the new table; empty, if it is to have none."""
    aggregates: tuple[Mapping[str, Any], ...] = ()
    """How its continuous aggregates are made anew; see :mod:`tsext.backfill.repartition.aggregates`."""
    aligned: bool = False
    """Whether each range of the column is in one chunk of the new table, so that it can be copied straight into it."""
    types: Mapping[str, str] = field(default_factory=dict)
    """New types by column."""
    using: Mapping[str, str] = field(default_factory=dict)
    """Expressions over the old columns from which those get their values; a cast, where there is none."""
    back: Mapping[str, str] = field(default_factory=dict)
    """Expressions over the new columns for the way back."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Defaults that those columns had."""
    bin: int = 1
    """Of an integer column: how far apart changes may be that are noted as one range."""
    undoes: bool = False
    """Whether it is the way back of another move, whose old table is gone."""

    def as_json(self) -> dict[str, Any]:
        """For the ledger."""
        return {**asdict(self), "shape": list(self.shape), "aggregates": list(self.aggregates)}

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Spec:
        """From the ledger."""
        several = {name: tuple(given.get(name, ())) for name in ("shape", "aggregates")}
        return cls(**{**given, **several})


@dataclass(frozen=True)
class Carried:
    """A column of the one table, and what it is in the other."""

    name: str
    value: str
    """Over the columns of the table that it comes from."""
    stored: bool
    """Whether it is written; what is generated is only compared."""
    hashed: Value

    @property
    def source(self) -> Value:
        """What is hashed of the table that it comes from."""
        return Value(self.value, self.hashed.type, self.hashed.kind, self.hashed.element, self.hashed.built_in)


@dataclass(frozen=True)
class Flow:
    """Rows that go from one table to another, which is to have the same."""

    source: str
    """As it stands in SQL, and so are all of these."""
    target: str
    home: str
    """The schema in which the changes of the source are noted."""
    column: str
    """Quoted."""
    type: str
    carried: tuple[Carried, ...]
    bin: int = 1
    columnstore: bool = False
    """Whether chunks of the target may be in the columnstore."""
    keys: tuple[tuple[str, str], ...] = ()
    """Quoted, and with their types: the columns that with the first one tell a row from all others; none, if they are
    not known, or cannot be noted."""

    @property
    def element(self) -> str:
        """The type that ranges of the column are made of."""
        return "integer" if self.type == "smallint" else self.type

    @property
    def log(self) -> str:
        """The table of changes."""
        return f"{self.home}.tsext_changes"

    @property
    def columns(self) -> str:
        """Those that are written."""
        return ", ".join(identifier(each.name) for each in self.carried if each.stored)

    @property
    def values(self) -> str:
        """What is written into them."""
        return ", ".join(each.value for each in self.carried if each.stored)

    def rows(self, where: str) -> str:
        """The query for rows as the target has them."""
        return f"SELECT {self.values} FROM {self.source} AS rows WHERE {where}"

    def within(self, lower: str | None, upper: str | None, end: str = "<") -> str:
        """The condition for a range of the column.

        :param lower: None: without a beginning.
        :param end: ``<=`` if the upper bound is part of it.
        """
        bounds = [(">=", lower), (end, upper)]
        parts = [f"{self.column} {op} {literal(bound)}::{self.type}" for op, bound in bounds if bound is not None]
        return " AND ".join(parts) or "true"


@dataclass(frozen=True)
class Move:
    """A move, with the names of all that belongs to it."""

    spec: Spec
    declared: datetime

    @classmethod
    def of(cls, backfill: Backfill) -> Move:
        """From the ledger."""
        return cls(Spec.of(backfill.spec), backfill.declared_at)

    @property
    def place(self) -> str:
        """The schema of the new table, until the swap; of the changes of the old one, too."""
        return place_of(self.spec)

    @property
    def kept(self) -> str:
        """The schema of the old table, after the swap; of the changes of the new one, too."""
        return short(OLD, f"{self.declared:%Y%m%d}", self.spec.schema, self.spec.table)

    @property
    def table(self) -> str:
        """The table, as everybody knows it."""
        return qualified(self.spec.table, self.spec.schema)

    @property
    def shadow(self) -> str:
        """The new table, until the swap."""
        return qualified(self.spec.table, self.place)

    @property
    def old(self) -> str:
        """The old table, after the swap."""
        return qualified(self.spec.table, self.kept)

    @property
    def jobs(self) -> TableJobs:
        """Those that do not run while rows are moved."""
        return TableJobs(self.spec.table, self.spec.schema)

    def is_swapped(self, connection: Connection) -> bool:
        """Whether the new table has taken the place of the old one."""
        return _is_there(connection, self.old)

    def is_begun(self, connection: Connection) -> bool:
        """Whether the new table is there, beside the old one."""
        return _is_there(connection, self.shadow)

    def forth(self, connection: Connection) -> Flow:
        """From the old table to the new one, before the swap."""
        return self._flow(connection, self.spec.schema, self.place, self.place, self.spec.using)

    def back(self, connection: Connection) -> Flow:
        """From the new table to the old one, after the swap."""
        return self._flow(connection, self.spec.schema, self.kept, self.kept, self.spec.back)

    def _flow(self, connection: Connection, source: str, target: str, home: str, using: Mapping[str, str]) -> Flow:
        spec = self.spec
        theirs = table_of(connection, spec.table, source)
        carried = []
        for each in table_of(connection, spec.table, target).columns:
            before = theirs.column(each.name)
            value = using.get(each.name, identifier(each.name))
            if before is None or before.type != each.type or each.name in using:
                value = converted(value, each)
            hashed = Value(identifier(each.name), each.base, each.kind, each.element, each.schema == "pg_catalog")
            carried.append(Carried(each.name, value, not each.generated, hashed))
        at, type_ = identifier(spec.column), spec.type
        names = qualified(spec.table, source), qualified(spec.table, target), identifier(home)
        columnstore = has_columnstore(connection, spec.table, target)
        keys = () if columnstore else tuple(_keys(theirs, carried, spec))
        return Flow(*names, at, type_, tuple(carried), spec.bin, columnstore, keys)


def converted(expression: str, column: catalog.MovedColumn) -> str:
    """The cast to a column's type, without its length: that would cut off in silence what storing refuses as longer."""
    bare = _WITH_LENGTH.get(column.element or column.base) if column.schema == "pg_catalog" else None
    if bare is None:
        return f"CAST({expression} AS {column.type})"
    return f"CAST({expression} AS {bare}{'[]' if column.element else ''})"


def _keys(table: catalog.MovedTable, carried: Sequence[Carried], spec: Spec) -> Iterator[tuple[str, str]]:
    """The columns of the first key that tells all rows apart, but for the one that they are moved by."""
    same = {
        each.name: (identifier(each.name), each.hashed.type)
        for each in carried
        if each.name not in spec.types and each.hashed.built_in and each.hashed.type in KEYS
    }
    may_be_null = {each.name for each in table.columns if not each.not_null}
    for constraint in table.constraints:
        others = set(constraint.columns or ()) - {spec.column}
        if constraint.kind in ("p", "u") and others and others <= same.keys() - may_be_null:
            yield from (same[each] for each in sorted(others))
            return


def place_of(spec: Spec) -> str:
    """The schema of the new table, until the swap."""
    return short(NEW, spec.schema, spec.table)


def table_of(connection: Connection, name: str, schema: str) -> catalog.MovedTable:
    """A table of a move.

    :raises BackfillError: if it is gone.
    """
    found = catalog.moved_table(connection, name, schema, CAPTURE)
    if found is None:
        raise BackfillError(
            f"table {schema}.{name} is gone", hint="cancel the backfill: somebody has dropped or renamed the table"
        )
    return found


def has_columnstore(connection: Connection, name: str, schema: str) -> bool:
    """Whether a table of a move has the columnstore."""
    server = catalog.timescaledb(connection)
    return bool(server and server.has(COLUMNSTORE)) and catalog.columnstore(connection, name, schema) is not None


def _is_there(connection: Connection, table: str) -> bool:
    return bool(connection.exec_driver_sql("SELECT to_regclass(%(t)s) IS NOT NULL", {"t": table}).scalar())
