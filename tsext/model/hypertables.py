"""Hypertables and their dimensions, and whether a table can be one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, PrimaryKeyConstraint, Table, UniqueConstraint, types
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from tsext.errors import InvalidObject
from tsext.model.intervals import Interval, interval
from tsext.model.objects import Object, TableObject, check_name

MOST_PARTITIONS = 32767


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
        check_name("column of a dimension", self.column)
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
class Hypertable(TableObject):
    """A hypertable, partitioned by ranges of ``column``.

    A model declares it among ``__table_args__``, as a constraint, or in the table's info:
    ``{"info": {"timescaledb": Hypertable(column="time")}}``.

    :param column: the primary dimension, by its name in the database: of type timestamptz, timestamp, date, or an
        integer type, or a UUIDv7.
    :param chunk_time_interval: length of a chunk; text is made a ``timedelta``. None takes the server's default, and
        is not compared.
    :param dimensions: further dimensions, in their order. None: not compared.
    :param partitioning_func: function that makes a time of a column of another type.
    :param integer_now_func: function that tells the time now, in the unit of an integer column; policies need it.
        None: not compared.
    :param chunk_skipping: further columns whose least and greatest value is kept for each compressed chunk, so that
        queries skip chunks. None: not compared.
    :param tablespaces: where new chunks go, by turns. None: not compared.
    :raises InvalidObject: for an interval that is not positive or has months, or a column named twice.
    """

    column: str
    chunk_time_interval: Interval | None = None
    dimensions: tuple[Dimension, ...] | None = ()
    partitioning_func: str | None = None
    integer_now_func: str | None = None
    chunk_skipping: tuple[str, ...] | None = None
    tablespaces: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_name("column of a hypertable", self.column)
        if self.integer_now_func is not None:
            check_name("integer_now_func of a hypertable", self.integer_now_func)
        if self.chunk_skipping is not None:
            skipping = tuple(sorted(_names("column of chunk_skipping", self.chunk_skipping)))
            object.__setattr__(self, "chunk_skipping", skipping)
        if self.tablespaces is not None:
            object.__setattr__(self, "tablespaces", _names("tablespace", self.tablespaces))
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


def _names(what: str, given: Any) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    for name in names:
        check_name(what, name)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidObject(f"{what} {', '.join(twice)} is given twice", hint="keep one of them")
    return names


def _checked_dimensions(given: Any) -> tuple[Dimension, ...]:
    dimensions = tuple(given) if isinstance(given, list | tuple | set) else (given,)
    for each in dimensions:
        if not isinstance(each, Dimension):
            raise InvalidObject(
                f"{each!r} is not a dimension", hint='write dimensions=[Dimension("device", number_partitions=4)]'
            )
    return dimensions


def partitions(number: object) -> int:
    """A number of partitions that TimescaleDB would take.

    :raises InvalidObject: unless it is an integer from 1 to 32767.
    """
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MOST_PARTITIONS:
        raise InvalidObject(f"number_partitions is {number!r}", hint=f"use an integer from 1 to {MOST_PARTITIONS}")
    return number


# --- whether a table can be a hypertable


@dataclass(frozen=True)
class TableFacts:
    """What of a table decides how it can be partitioned; from metadata or from the catalog."""

    name: str
    """With the schema, for messages."""
    columns: Mapping[str, str]
    """Kind of each column: ``integer``, ``time``, ``date``, ``uuid``, ``generated``, or empty for any other."""
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
        for column in hypertable.chunk_skipping or ():
            self.check_skipping(column)
        if hypertable.integer_now_func is not None and self.columns[hypertable.column] != "integer":
            raise InvalidObject(
                f"hypertable {self.name} has an integer_now_func, but {hypertable.column} is not of an integer type",
                hint="remove it: of a date or a time, TimescaleDB knows what is now",
            )

    def _check_keys(self, dimensions: set[str]) -> None:
        for name, columns in self.keys:
            if lacking := sorted(dimensions - columns):
                raise InvalidObject(
                    f"{name} of hypertable {self.name} lacks {', '.join(lacking)}",
                    hint=f"a unique key of a hypertable contains every column it is partitioned by: add "
                    f"{', '.join(lacking)} to {name}, or drop it",
                )

    def check_skipping(self, column: str) -> None:
        """Refuse a column by which chunks cannot be skipped.

        :raises InvalidObject: naming the column and the cure.
        """
        kind = self.columns.get(column)
        if kind is None:
            raise InvalidObject(
                f"{self.name} has no column {column} to skip chunks by",
                hint=f"its columns are {', '.join(self.columns)}",
            )
        if kind not in ("integer", "time", "date", "generated"):
            raise InvalidObject(
                f"chunks of {self.name} cannot be skipped by {column}",
                hint="choose a column that is an integer, a date or a time",
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
        if kind in ("time", "date", "uuid") and isinstance(length, int):
            is_ = "a UUID, which holds a time" if kind == "uuid" else "a date or a time"
            raise InvalidObject(f"{of} is {length!r}, but the column is {is_}", hint="write timedelta(days=7)")
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
    kinds = ((types.Integer, "integer"), (types.DateTime, "time"), (types.Date, "date"), (types.Uuid, "uuid"))
    return next((kind for class_, kind in kinds if isinstance(type_, class_)), "")
