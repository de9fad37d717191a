"""Objects: what TimescaleDB adds to a schema, as frozen values; the same type whether declared or found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import MetaData, Table, UniqueConstraint

from tsext.errors import InvalidObject

INFO_KEY = "timescaledb"
"""Key of ``Table.info`` under which a model declares its hypertable."""

Interval = timedelta | int | str
"""A chunk interval: ``timedelta``, text that PostgreSQL reads, or an integer for integer columns."""

_UNITS = {"microsecond": 1, "millisecond": 1000, "second": 10**6, "minute": 60 * 10**6, "hour": 3600 * 10**6}
_UNITS |= {"day": 24 * _UNITS["hour"], "week": 7 * 24 * _UNITS["hour"]}


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


@dataclass(frozen=True)
class Dimension(Object):
    """A further dimension of a hypertable: by hash with ``number_partitions``, by range with ``chunk_time_interval``.

    :raises InvalidObject: unless exactly one of the two is given.
    """

    column: str
    number_partitions: int | None = None
    chunk_time_interval: Interval | None = None

    def __post_init__(self) -> None:
        if (self.number_partitions is None) == (self.chunk_time_interval is None):
            raise InvalidObject(
                f"dimension {self.column!r} needs either number_partitions or chunk_time_interval",
                hint="number_partitions=4 partitions by hash, chunk_time_interval=timedelta(days=7) by range",
            )
        if self.number_partitions is not None and not 1 <= self.number_partitions <= 32767:
            raise InvalidObject(
                f"dimension {self.column!r} has number_partitions={self.number_partitions}",
                hint="use 1 to 32767",
            )
        if self.chunk_time_interval is not None:
            check_interval(self.chunk_time_interval)


@dataclass(frozen=True)
class Hypertable(Object):
    """A hypertable, partitioned by ranges of ``column``.

    In a model: ``__table_args__ = ({"info": {"timescaledb": Hypertable(column="time")}},)``; name and schema are
    then the table's. What is not given is not compared.

    :param column: the primary dimension: timestamptz, timestamp, date or an integer type.
    :param chunk_time_interval: length of a chunk; None takes the server's default.
    :param dimensions: further dimensions, in their order.
    :raises InvalidObject: for an interval of no length or in months, or a column named twice.
    """

    column: str
    chunk_time_interval: Interval | None = None
    dimensions: tuple[Dimension, ...] = ()
    name: str = ""
    schema: str | None = None

    def __post_init__(self) -> None:
        if self.chunk_time_interval is not None:
            check_interval(self.chunk_time_interval)
        object.__setattr__(self, "dimensions", tuple(self.dimensions))
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


def check_interval(interval: Interval) -> None:
    """Refuse an interval TimescaleDB would refuse, or store as something else.

    :raises InvalidObject: if it is not positive, or has months or years.
    """
    if isinstance(interval, str) and re.search(r"mon|year|decade|centur|millenni", interval, re.IGNORECASE):
        raise InvalidObject(
            f"chunk_time_interval {interval!r} has no fixed length",
            hint="TimescaleDB stores microseconds; write days, for example '30 days'",
        )
    length = microseconds(interval)
    if isinstance(interval, bool) or (length is not None and length <= 0):
        raise InvalidObject(f"chunk_time_interval {interval!r} is not positive", hint="write timedelta(days=7)")


def microseconds(interval: Interval) -> int | None:
    """Length in microseconds (of an integer: as it is), to compare; None for text only the server can read."""
    if isinstance(interval, timedelta):
        return round(interval / timedelta(microseconds=1))
    if isinstance(interval, int):
        return interval
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]+)", interval.lower())
    if not parts or re.sub(r"(\d+(?:\.\d+)?)\s*([a-z]+)|\s", "", interval.lower()):
        return None
    units = [_UNITS.get(unit.removesuffix("s"), 0) for _, unit in parts]
    return round(sum(float(n) * unit for (n, _), unit in zip(parts, units, strict=True))) if all(units) else None


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
        _check_columns(table, hypertable)
        yield table, hypertable


def _check_columns(table: Table, hypertable: Hypertable) -> None:
    columns = {hypertable.column, *(dimension.column for dimension in hypertable.dimensions)}
    if missing := columns - {column.name for column in table.columns}:
        raise InvalidObject(
            f"hypertable {table.fullname} is partitioned by {', '.join(sorted(missing))}, which it does not have",
            hint=f"its columns are {', '.join(column.name for column in table.columns)}",
        )
    keys = [table.primary_key, *(each for each in table.constraints if isinstance(each, UniqueConstraint))]
    unique = [
        (str(key.name or "primary key"), {column.name for column in key.columns}) for key in keys if len(key.columns)
    ]
    unique += [(str(index.name), {column.name for column in index.columns}) for index in table.indexes if index.unique]
    for name, has in unique:
        if lacking := columns - has:
            raise InvalidObject(
                f"{name} of hypertable {table.fullname} lacks {', '.join(sorted(lacking))}",
                hint="a unique key of a hypertable contains every column it is partitioned by",
            )
