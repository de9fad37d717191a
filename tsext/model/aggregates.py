"""Continuous aggregates, and their indexes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, InitVar, dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import MetaData, TableClause, column, table
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql import ClauseElement, Select

from tsext.errors import InvalidObject
from tsext.model.features import Feature, License
from tsext.model.hypertables import Hypertable
from tsext.model.intervals import Interval, interval
from tsext.model.objects import INFO_KEY, Object, TableObject, check_name, objects_in

CONTINUOUS_AGGREGATES = Feature(
    "continuous aggregates",
    license=License.TIMESCALE,
    alternative="use a server under the Timescale licence, or a plain view: op.execute('CREATE VIEW …')",
)
AGGREGATE_CHUNK_INTERVAL = Feature(
    "the chunk_interval of continuous aggregates",
    (2, 20),
    License.TIMESCALE,
    "leave chunk_interval out: the server takes ten times that of the hypertable",
)
AGGREGATE_COLUMNS = Feature(
    "adding columns to continuous aggregates",
    (2, 28),
    License.TIMESCALE,
    "change the declared query: autogenerate then writes a new aggregate beside the old, and a swap of their names",
)
FORCED_REFRESH = Feature(
    "a forced refresh of continuous aggregates", (2, 18), License.TIMESCALE, "leave force out, or update TimescaleDB"
)

_DIRECTIONS = (" DESC", " ASC", " NULLS FIRST", " NULLS LAST")


@dataclass(frozen=True)
class AggregateIndex(Object):
    """An index of a continuous aggregate, which TimescaleDB puts on what it has materialised.

    :param name: needed, because what the server would choose has a number of this database in it.
    :param columns: names of columns, each with its direction if it is not ascending: ``"bucket DESC"``, or
        ``sa.desc("bucket")``; or expressions in parentheses, as SQL has them: ``"(lower(symbol)) DESC"``.
    :param using: the method.
    :param where: the condition of a partial index, as SQL. Expressions and conditions are compared as the server
        prints them.
    :raises InvalidObject: without a name or a column.
    """

    name: str
    columns: tuple[str, ...]
    using: str = "btree"
    where: str | None = None

    def __post_init__(self) -> None:
        check_name("name of an index of a continuous aggregate", self.name)
        given: Any = self.columns
        columns = (given,) if isinstance(given, str | ClauseElement) else tuple(given)
        object.__setattr__(self, "columns", tuple(str(each).removesuffix(" ASC") for each in columns))
        if self.where is not None and not self.where.strip():
            raise InvalidObject(f"index {self.name} has an empty condition", hint="leave where out, or give SQL")
        names = [name for name, _ in self.parts]
        if not names or len(set(names)) < len(names):
            raise InvalidObject(
                f"index {self.name} has {'one column twice' if names else 'no columns'}",
                hint='write AggregateIndex("ix", ["symbol"])',
            )

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """Each column or expression, and its direction as it follows the column in SQL."""
        return tuple(map(_parts, self.columns))

    @property
    def expressions(self) -> tuple[str, ...]:
        """What is SQL, and can be written in more than one way: expressions, and the condition."""
        return (*filter(is_expression, (name for name, _ in self.parts)), *([self.where] if self.where else ()))

    @property
    def form(self) -> AggregateIndex:
        """The same without that."""
        parts = enumerate(self.parts)
        columns = (f"({place}){way}" if is_expression(name) else name + way for place, (name, way) in parts)
        return replace(self, columns=tuple(columns), where="true" if self.where else None)


def is_expression(column: str) -> bool:
    """Whether what is indexed is no column, but an expression."""
    return column.startswith("(") and column.endswith(")")


def _parts(indexed: str) -> tuple[str, str]:
    name = indexed
    while any(name.upper().endswith(direction) for direction in _DIRECTIONS):
        name = next(name[: -len(each)] for each in _DIRECTIONS if name.upper().endswith(each))
    return name, indexed[len(name) :]


@dataclass(frozen=True)
class ContinuousAggregate(Object):
    """A continuous aggregate: a view whose groups by time are kept materialised.

    With ``metadata=`` it is declared there, as a table is; ``metadata.info["timescaledb"] = [ContinuousAggregate(…)]``
    says the same.

    :param name: of the view.
    :param query: SQL text, or a ``select(…)``, whose values are written into the text.
    :param schema: of the view; None: the metadata's.
    :param materialized_only: False: what is not yet materialised is computed when read (a real-time aggregate). None
        takes the server's default, and is not compared.
    :param create_group_indexes: whether TimescaleDB indexes each column of GROUP BY; it decides at creation, and is
        not compared.
    :param chunk_interval: length of the chunks of what is materialised: ``timedelta`` or text. None takes the
        server's default, and is not compared.
    :param indexes: its own. None: not compared.
    :param objects: what belongs to it: policies, the columnstore.
    :raises InvalidObject: for what cannot be.
    """

    of_metadata = True

    name: str
    query: str
    _: KW_ONLY
    schema: str | None = None
    materialized_only: bool | None = None
    create_group_indexes: bool | None = None
    chunk_interval: Interval | None = None
    indexes: tuple[AggregateIndex, ...] | None = ()
    objects: tuple[TableObject, ...] = ()
    metadata: InitVar[MetaData | None] = None

    def __post_init__(self, metadata: MetaData | None) -> None:
        check_name("name of a continuous aggregate", self.name)
        selected: Any = self.query
        object.__setattr__(self, "_selected", selected if isinstance(selected, Select) else None)
        object.__setattr__(self, "query", _text(self.name, selected))
        if self.chunk_interval is not None:
            object.__setattr__(self, "chunk_interval", _chunk_interval(self.name, self.chunk_interval))
        if self.indexes is not None:
            object.__setattr__(self, "indexes", _all(self.name, self.indexes, AggregateIndex))
        object.__setattr__(self, "objects", _all(self.name, self.objects, TableObject))
        self._check_twice()
        if metadata is not None:
            if self.schema is None:
                object.__setattr__(self, "schema", metadata.schema)
            metadata.info[INFO_KEY] = [*objects_in(metadata), self]

    def _check_twice(self) -> None:
        kinds = [type(each).__name__ for each in self.objects if not each.several]
        names = [f"index {each.name}" for each in self.indexes or ()]
        for each in (*kinds, *names):
            if each == Hypertable.__name__:
                raise InvalidObject(
                    f"continuous aggregate {self.name} declares a Hypertable",
                    hint="leave it out: TimescaleDB makes one; chunk_interval= is the length of its chunks",
                )
            if (kinds + names).count(each) > 1:
                raise InvalidObject(f"continuous aggregate {self.name} declares {each} twice", hint="keep one of them")

    @property
    def key(self) -> tuple[str | None, str]:
        """Schema and name, by which declared and found aggregates are matched."""
        return self.schema, self.name

    @cached_property
    def table(self) -> TableClause:
        """To select from; it has those columns that have names, if the query is a ``select(…)``."""
        selected: Any = getattr(self, "_selected", None)
        columns = [] if selected is None else [each for each in selected.selected_columns if each.key]
        return table(self.name, *(column(each.key, each.type) for each in columns), schema=self.schema)


def aggregates_of(metadata: MetaData) -> list[ContinuousAggregate]:
    """What a metadata declares, in order.

    :raises InvalidObject: if its info holds anything else, or one name twice.
    """
    aggregates = [each for each in objects_in(metadata) if isinstance(each, ContinuousAggregate)]
    keys = [each.key for each in aggregates]
    if twice := [each.name for each in aggregates if keys.count(each.key) > 1]:
        raise InvalidObject(f"continuous aggregate {twice[0]} is declared twice", hint="keep one of them")
    return aggregates


def _text(name: str, query: object) -> str:
    if isinstance(query, ClauseElement):
        # a paramstyle with % signs would double those of the query
        dialect = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]  # SQLAlchemy does not say its types
        dialect._backslash_escapes = False
        query = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    text = query.strip().rstrip(";").rstrip() if isinstance(query, str) else ""
    if not text:
        raise InvalidObject(
            f"the query of continuous aggregate {name} is {query!r}", hint="give a SELECT, as text or as select(…)"
        )
    return text


def _chunk_interval(name: str, given: Interval) -> timedelta:
    length = interval(given)
    if not isinstance(length, timedelta):
        raise InvalidObject(
            f"chunk_interval of continuous aggregate {name} is {given!r}",
            hint="TimescaleDB would take an integer for seconds; write timedelta(days=30), and over integer time leave "
            "it out",
        )
    return length


def _all(name: str, given: Any, kind: type[Any]) -> tuple[Any, ...]:
    objects = tuple(given) if isinstance(given, Iterable) else (given,)
    for each in objects:
        if not isinstance(each, kind):
            raise InvalidObject(
                f"continuous aggregate {name} has {each!r}",
                hint='write indexes=[AggregateIndex("ix_name", ["column"])]'
                if kind is AggregateIndex
                else "give to objects= what belongs to an aggregate, such as policies",
            )
    return objects
