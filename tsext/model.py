"""Objects: what TimescaleDB adds to a schema, as frozen values; the same type whether declared or found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint, event, types
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.schema import SchemaItem

from tsext.errors import InvalidObject

INFO_KEY = "timescaledb"
"""Key of ``Table.info`` under which a model declares its hypertable."""

Interval = timedelta | int | str
"""Length of a chunk: ``timedelta``, text such as ``"12 hours"``, or, for an integer column, an integer."""

MOST_PARTITIONS = 32767


@dataclass(frozen=True)
class Object:
    """A noun: something a schema has, beyond what SQLAlchemy's metadata can say."""


@dataclass(frozen=True)
class Extension(Object):
    """An extension of PostgreSQL."""

    name: str
    schema: str | None = None
    version: str | None = None
    """None: the default version, and not compared."""

    def __post_init__(self) -> None:
        _check_name("extension", self.name)


@dataclass(frozen=True)
class Dimension(Object):
    """A further dimension of a hypertable: by hash with ``number_partitions``, by range with ``chunk_time_interval``.

    :param column: the column, by its name in the database.
    :param number_partitions: 1 to 32767.
    :param chunk_time_interval: length of a partition; text is made a ``timedelta``.
    :param partitioning_func: function that makes the value to partition by; None takes the server's.
    :raises InvalidObject: unless exactly one of the two is given, and makes sense.
    """

    column: str
    number_partitions: int | None = None
    chunk_time_interval: Interval | None = None
    partitioning_func: str | None = None

    def __post_init__(self) -> None:
        _check_name("column of a dimension", self.column)
        if (self.number_partitions is None) == (self.chunk_time_interval is None):
            raise InvalidObject(
                f"dimension {self.column!r} needs either number_partitions or chunk_time_interval",
                hint="number_partitions=4 partitions by hash, chunk_time_interval=timedelta(days=7) by range",
            )
        if self.number_partitions is not None:
            partitions(self.number_partitions)
        if self.chunk_time_interval is not None:
            object.__setattr__(self, "chunk_time_interval", interval(self.chunk_time_interval))


@dataclass(frozen=True)
class Hypertable(Object, SchemaItem):
    """A hypertable, partitioned by ranges of ``column``.

    A model declares it among ``__table_args__``, as a constraint, or in the table's info:
    ``{"info": {"timescaledb": Hypertable(column="time")}}``. Name and schema are then the table's.

    :param column: the primary dimension, by its name in the database: of type timestamptz, timestamp, date, or an
        integer type.
    :param chunk_time_interval: length of a chunk; text is made a ``timedelta``. None takes the server's default, and
        is not compared.
    :param dimensions: further dimensions, in their order. None: not compared.
    :param partitioning_func: function that makes a time of a column of another type.
    :raises InvalidObject: for an interval that is not positive or has months, or a column named twice.
    """

    __visit_name__ = "hypertable"

    column: str
    chunk_time_interval: Interval | None = None
    dimensions: tuple[Dimension, ...] | None = ()
    name: str = ""
    schema: str | None = None
    partitioning_func: str | None = None

    def __post_init__(self) -> None:
        _check_name("column of a hypertable", self.column)
        if self.chunk_time_interval is not None:
            object.__setattr__(self, "chunk_time_interval", interval(self.chunk_time_interval))
        if self.dimensions is None:
            return
        object.__setattr__(self, "dimensions", _checked_dimensions(self.dimensions))
        columns = [self.column, *(dimension.column for dimension in self.dimensions)]
        if twice := {column for column in columns if columns.count(column) > 1}:
            raise InvalidObject(
                f"hypertable {self.name!r} names {', '.join(sorted(twice))} in two dimensions",
                hint="each dimension needs a column of its own",
            )

    @property
    def key(self) -> tuple[str | None, str]:
        """Schema and name, by which declared and found hypertables are matched."""
        return self.schema, self.name

    @property
    def intervals(self) -> dict[str, Interval | None]:
        """Length of chunks by column, of the dimensions by range."""
        ranges = [each for each in self.dimensions or () if each.number_partitions is None]
        return {self.column: self.chunk_time_interval, **{each.column: each.chunk_time_interval for each in ranges}}

    @property
    def functions(self) -> dict[str, str]:
        """Partitioning function by column, of the dimensions that have one."""
        given = {self.column: self.partitioning_func}
        given |= {each.column: each.partitioning_func for each in self.dimensions or ()}
        return {column: function for column, function in given.items() if function is not None}

    @property
    def partitions(self) -> dict[str, int]:
        """Number of partitions by column, of the dimensions by hash."""
        return {each.column: each.number_partitions for each in self.dimensions or () if each.number_partitions}


def _checked_dimensions(given: Any) -> tuple[Dimension, ...]:
    dimensions = tuple(given) if isinstance(given, list | tuple | set) else (given,)
    for each in dimensions:
        if not isinstance(each, Dimension):
            raise InvalidObject(
                f"{each!r} is not a dimension", hint='write dimensions=[Dimension("device", number_partitions=4)]'
            )
    return dimensions


def _check_name(what: str, name: object) -> None:
    if not isinstance(name, str) or not name:
        raise InvalidObject(f"the {what} is {name!r}", hint="give its name, as a string")


def partitions(number: object) -> int:
    """A number of partitions that TimescaleDB would take.

    :raises InvalidObject: unless it is an integer from 1 to 32767.
    """
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MOST_PARTITIONS:
        raise InvalidObject(f"number_partitions is {number!r}", hint=f"use an integer from 1 to {MOST_PARTITIONS}")
    return number


# --- intervals


_UNITS = {
    "weeks": "w week weeks",
    "days": "d day days",
    "hours": "h hr hrs hour hours",
    "minutes": "m min mins minute minutes",
    "seconds": "s sec secs second seconds",
    "milliseconds": "ms msec msecs msecond mseconds millisecond milliseconds",
    "microseconds": "us usec usecs usecond useconds microsecond microseconds",
}
_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words.split()}
_CALENDAR = re.compile(r"y|yrs?|years?|mons?|months?|decades?|c|cent|century|centuries|mil|mils|millennium|millennia")
_PART = re.compile(r"(?P<clock>\d+:\d\d(?::\d\d(?:\.\d+)?)?)|(?P<count>\d+(?:\.\d+)?)\s*(?P<unit>[a-zµ]+)")


def interval(given: object) -> timedelta | int:
    """The length of chunks as a value that can be compared; text is made a ``timedelta``.

    :param given: ``timedelta``, an integer, or text as PostgreSQL reads it: ``"1 day 06:00"``, ``"P1D"``.
    :raises InvalidObject: if it is not positive, has no fixed length, or cannot be read.
    """
    length = _duration(given) if isinstance(given, str) else given
    if isinstance(length, bool) or not isinstance(length, timedelta | int):
        raise InvalidObject(
            f"chunk_time_interval is {given!r}",
            hint='write timedelta(days=7) or "7 days"; for an integer column an integer',
        )
    if length <= type(length)():  # type: ignore[operator]
        raise InvalidObject(f"chunk_time_interval {given!r} is not positive", hint="write timedelta(days=7)")
    return length


def _duration(text: str) -> timedelta:
    words = text.strip().lower()
    if words.startswith("p"):
        date, _, time = words[1:].partition("t")
        words = f"{date.replace('m', 'month')} {time}"
    parts = list(_PART.finditer(words))
    if any(_CALENDAR.fullmatch(part["unit"] or "") for part in parts):
        raise InvalidObject(
            f"chunk_time_interval {text!r} has no fixed length",
            hint='TimescaleDB stores microseconds; write days, for example timedelta(days=30) or "30 days"',
        )
    if not parts or _PART.sub("", words).strip(" ,@") or not all(_known(part) for part in parts):
        raise InvalidObject(
            f"chunk_time_interval {text!r} cannot be read",
            hint='write timedelta(days=7), or a number and a unit: "7 days", "12 hours"',
        )
    return sum(map(_length, parts), timedelta())


def _known(part: re.Match[str]) -> bool:
    return part["clock"] is not None or part["unit"] in _UNIT_OF


def _length(part: re.Match[str]) -> timedelta:
    if part["clock"] is None:
        return timedelta(**{_UNIT_OF[part["unit"]]: float(part["count"])})
    hours, minutes, seconds = (*part["clock"].split(":"), "0")[:3]
    return timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))


def microseconds(length: Interval) -> int:
    """A length as TimescaleDB stores it; an integer is that already."""
    value = interval(length)
    return value // timedelta(microseconds=1) if isinstance(value, timedelta) else value


# --- whether a table can be a hypertable


@dataclass(frozen=True)
class TableFacts:
    """What of a table decides how it can be partitioned; from metadata or from the catalog."""

    name: str
    """With the schema, for messages."""
    columns: Mapping[str, str]
    """Kind of each column: ``integer``, ``time``, ``date``, ``generated``, or empty for any other."""
    keys: tuple[tuple[str, frozenset[str]], ...]
    """Name and columns of whatever is unique: primary key, constraints, indexes."""

    def check(self, hypertable: Hypertable) -> None:
        """Refuse what TimescaleDB would refuse.

        :raises InvalidObject: naming the table, what is in the way, and the cure.
        """
        dimensions = {hypertable.column, *(dimension.column for dimension in hypertable.dimensions or ())}
        if missing := sorted(dimensions - set(self.columns)):
            raise InvalidObject(
                f"hypertable {self.name} is partitioned by {', '.join(missing)}, which it does not have",
                hint=f"its columns are {', '.join(self.columns)}",
            )
        for column in sorted(dimensions):
            if self.columns[column] == "generated":
                raise InvalidObject(
                    f"hypertable {self.name} is partitioned by {column}, which is a generated column",
                    hint="partition by a column that is stored as it is given",
                )
        self._check_keys(dimensions)
        for column, length in hypertable.intervals.items():
            if column not in hypertable.functions:
                self.check_interval(column, length)

    def _check_keys(self, dimensions: set[str]) -> None:
        for name, columns in self.keys:
            if lacking := sorted(dimensions - columns):
                raise InvalidObject(
                    f"{name} of hypertable {self.name} lacks {', '.join(lacking)}",
                    hint=f"a unique key of a hypertable contains every column it is partitioned by: add "
                    f"{', '.join(lacking)} to {name}, or drop it",
                )

    def check_interval(self, column: str, length: Interval | None) -> None:
        """Refuse an interval that does not fit its column.

        :raises InvalidObject: naming the column and the cure.
        """
        kind = self.columns[column]
        of = f"chunk_time_interval of {self.name}, column {column},"
        if kind == "integer" and not isinstance(length, int):
            raise InvalidObject(
                f"{of} is {length!r}, but the column is of an integer type",
                hint="give an integer, in the column's own unit: chunk_time_interval=100_000",
            )
        if kind in ("time", "date") and isinstance(length, int):
            raise InvalidObject(
                f"{of} is {length!r}, but the column is a date or a time", hint="write timedelta(days=7)"
            )
        if kind == "date" and isinstance(length, timedelta) and length % timedelta(days=1):
            raise InvalidObject(
                f"{of} is {length!r}, but the column is a date", hint="write whole days, for example timedelta(days=7)"
            )


def facts_of(table: Table) -> TableFacts:
    """What decides it, of a table in metadata."""
    unique = [each for each in table.constraints if isinstance(each, UniqueConstraint | ExcludeConstraint)]
    keys = [_key(each, "a constraint") for each in unique]
    keys += [_key(index, "an index") for index in table.indexes if index.unique]
    if isinstance(table.primary_key, PrimaryKeyConstraint) and len(table.primary_key.columns):
        keys.append(_key(table.primary_key, "the primary key"))
    columns = {column.name: _kind(column) for column in table.columns}
    return TableFacts(table.fullname, columns, tuple(sorted(keys, key=lambda key: key[0])))


def _key(item: Any, otherwise: str) -> tuple[str, frozenset[str]]:
    columns = frozenset(column.name for column in item.columns)
    return (str(item.name) if item.name else f"{otherwise} ({', '.join(sorted(columns))})"), columns


def _kind(column: Column[Any]) -> str:
    if column.computed is not None:
        return "generated"
    type_ = column.type.impl_instance if isinstance(column.type, types.TypeDecorator) else column.type
    kinds = ((types.Integer, "integer"), (types.DateTime, "time"), (types.Date, "date"))
    return next((kind for class_, kind in kinds if isinstance(type_, class_)), "")


# --- declarations


@event.listens_for(Hypertable, "after_parent_attach")
def _declare(hypertable: Hypertable, parent: object) -> None:
    """A hypertable placed among a table's arguments is the same as one in the table's info."""
    if not isinstance(parent, Table):
        raise InvalidObject(
            f"a Hypertable stands in {parent!r}", hint="place it among the arguments of the table, beside its columns"
        )
    if parent.info.setdefault(INFO_KEY, hypertable) != hypertable:
        raise InvalidObject(f"table {parent.fullname} declares two hypertables", hint="remove one of them")


def declared(metadata: MetaData) -> Iterator[tuple[Table, Hypertable]]:
    """The hypertables that the tables of a metadata declare, each with its table's name.

    :raises InvalidObject: if a declaration does not fit its table.
    """
    for table in metadata.tables.values():
        found = table.info.get(INFO_KEY)
        if found is None:
            continue
        if not isinstance(found, Hypertable):
            raise InvalidObject(
                f'table {table.fullname}: info["{INFO_KEY}"] is {found!r}', hint="declare tsext.Hypertable(…)"
            )
        hypertable = replace(found, name=table.name, schema=table.schema)
        facts_of(table).check(hypertable)
        yield table, hypertable
