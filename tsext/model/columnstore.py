"""The columnstore: how a hypertable, or a continuous aggregate, stores the chunks that are converted to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from tsext.errors import InvalidObject
from tsext.model.features import Feature, License
from tsext.model.hypertables import TableFacts
from tsext.model.intervals import Interval, interval
from tsext.model.objects import TableObject, check_name

COLUMNSTORE = Feature("the columnstore", license=License.TIMESCALE, alternative="remove it: rows stay in the rowstore")
SPARSE_INDEXES = Feature(
    "sparse indexes of the columnstore",
    since=(2, 22),
    license=License.TIMESCALE,
    alternative="leave index out: TimescaleDB then chooses by itself",
)
UNSET_COLUMNS = Feature(
    "columns of the columnstore that are left to TimescaleDB again",
    since=(2, 22),
    license=License.TIMESCALE,
    alternative="give the columns, or [] for none, instead of None",
)

_QUOTE = '"'
_NULLS_FIRST = {
    f"{direction} {nulls}".strip(): (direction == "DESC", nulls == "NULLS FIRST" if nulls else direction == "DESC")
    for direction in ("", "ASC", "DESC")
    for nulls in ("", "NULLS FIRST", "NULLS LAST")
}
"""What may follow a column: whether that is descending, and whether nulls come first."""
_DIRECTIONS = {word for words in _NULLS_FIRST for word in words.split()}


@dataclass(frozen=True)
class Ordering:
    """One column that rows are ordered by."""

    column: str
    descending: bool = False
    nulls_first: bool = False

    @classmethod
    def read(cls, text: str) -> Self:
        """From ``time DESC NULLS LAST``; the column as the database has it, or in double quotes, as SQL has it.

        :raises InvalidObject: if that is no direction.
        """
        column, direction = _directed(text.strip())
        if direction not in _NULLS_FIRST:
            raise InvalidObject(
                f"orderby {text!r} ends in {direction}, which is no direction",
                hint="write a column, then ASC or DESC, then NULLS FIRST or NULLS LAST; a column whose name looks like "
                "that stands in double quotes",
            )
        return cls(column, *_NULLS_FIRST[direction])

    @property
    def direction(self) -> str:
        """What follows the column; nothing where it is PostgreSQL's default."""
        nulls = "" if self.nulls_first == self.descending else f" NULLS {'FIRST' if self.nulls_first else 'LAST'}"
        return f"{' DESC' if self.descending else ''}{nulls}"

    def __str__(self) -> str:
        bare = self.column.strip()
        plain = not bare.startswith(_QUOTE) and _directed(bare) == (self.column, "")
        return (self.column if plain else _quoted(self.column)) + self.direction


@dataclass(frozen=True)
class SparseIndex:
    """What is kept of each batch of rows, to skip it: ``bloom(device)``."""

    kind: str
    columns: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Self:
        """From ``bloom(device)``.

        :raises InvalidObject: if it is something else.
        """
        kind, _, rest = text.strip().partition("(")
        if not kind.strip().isidentifier() or not rest[:-1].strip() or not rest.endswith(")"):
            raise InvalidObject(f"index {text!r} cannot be read", hint='write index=["bloom(device)", "minmax(value)"]')
        return cls(kind.strip().lower(), tuple(map(_name, _split(rest[:-1]))))

    def __str__(self) -> str:
        columns = (each if each.isidentifier() else _quoted(each) for each in self.columns)
        return f"{self.kind}({', '.join(columns)})"


@dataclass(frozen=True)
class Columnstore(TableObject):
    """The settings of a columnstore; what is None is left to TimescaleDB, and not compared.

    A model declares it beside the ``Hypertable``. Sequences hold columns by their names in the database; a text is a
    list as TimescaleDB has it, in which a column may stand in double quotes.

    :param segmentby: columns whose rows with equal values are stored together, for example ``["device"]``. ``[]``:
        explicitly none.
    :param orderby: columns by which rows are ordered within, each with a direction if need be: ``["time DESC"]``.
        TimescaleDB adds the time column, if it is not among them.
    :param index: sparse indexes, ``["bloom(device)"]`` or ``{"bloom": ["device"]}``. ``[]``: explicitly none.
    :param compress_chunk_interval: ``timedelta`` or text, into which chunks are rolled up when they are converted; for
        an integer column, an integer.
    :raises InvalidObject: for what makes no sense.
    """

    segmentby: Sequence[str] | None = None
    orderby: Sequence[str] | None = None
    index: Sequence[str] | Mapping[str, Any] | None = None
    compress_chunk_interval: Interval | None = None

    def __post_init__(self) -> None:
        if self.segmentby is not None:
            object.__setattr__(self, "segmentby", _distinct("segmentby", _names(self.segmentby)))
        if self.orderby is not None:
            object.__setattr__(self, "orderby", _checked_orderby(self.orderby))
        if self.index is not None:
            object.__setattr__(self, "index", _checked_index(self.index))
        if self.compress_chunk_interval is not None:
            length = interval(self.compress_chunk_interval, "compress_chunk_interval")
            object.__setattr__(self, "compress_chunk_interval", length)
        self._check_overlap()

    def _check_overlap(self) -> None:
        segments, ordered = set(self.segmentby or ()), {each.column for each in self.ordering}
        if both := sorted(segments & ordered):
            raise InvalidObject(
                f"columnstore {self.name!r} has {', '.join(both)} both in segmentby and in orderby",
                hint="rows of one segment have one value of it: leave it out of orderby",
            )
        for each in self.sparse_indexes:
            column = each.columns[0] if len(each.columns) == 1 else None
            if column in segments:
                raise InvalidObject(
                    f"columnstore {self.name!r} has a sparse index on {column}, by which it is segmented",
                    hint=f"remove {each}: batches of other segments are skipped anyway",
                )
            if column in ordered and each.kind == "bloom":
                raise InvalidObject(
                    f"columnstore {self.name!r} has a bloom index on {column}, by which it is ordered",
                    hint=f"remove {each}: TimescaleDB makes a minmax index of every column in orderby",
                )

    @property
    def ordering(self) -> tuple[Ordering, ...]:
        """What ``orderby`` says."""
        return tuple(map(Ordering.read, self.orderby or ()))

    @property
    def sparse_indexes(self) -> tuple[SparseIndex, ...]:
        """What ``index`` says."""
        return tuple(map(SparseIndex.read, self.index or ()))

    @property
    def columns(self) -> list[str]:
        """All columns it names."""
        indexed = [column for each in self.sparse_indexes for column in each.columns]
        return [*(self.segmentby or ()), *(each.column for each in self.ordering), *indexed]

    def completed(self, column: str) -> tuple[Ordering, ...]:
        """The ordering with what TimescaleDB adds to it.

        :param column: the one that the hypertable is partitioned by.
        """
        if not self.ordering or column in {*(self.segmentby or ()), *(each.column for each in self.ordering)}:
            return self.ordering
        return (*self.ordering, Ordering(column, descending=True, nulls_first=True))

    def check(self, facts: TableFacts, column: str | None) -> None:
        """Refuse what TimescaleDB would refuse.

        :param column: the one that the hypertable is partitioned by, if that is known.
        :raises InvalidObject: naming the table, what is in the way, and the cure.
        """
        if missing := [each for each in self.columns if each not in facts.columns]:
            raise InvalidObject(
                f"the columnstore of {facts.name} names {', '.join(missing)}, which the table does not have",
                hint=f"its columns are {', '.join(facts.columns)}",
            )
        if column in (self.segmentby or ()):
            raise InvalidObject(
                f"the columnstore of {facts.name} is segmented by {column}, by which the table is partitioned",
                hint="each segment would be a row or two: name it in orderby",
            )
        if self.index is not None and self.orderby is None:
            raise InvalidObject(
                f"the columnstore of {facts.name} has index, but no orderby, without which TimescaleDB takes none",
                hint='give orderby, too, for example orderby=["time DESC"]',
            )
        self._check_interval(facts, column)

    def _check_interval(self, facts: TableFacts, column: str | None) -> None:
        length, kind = self.compress_chunk_interval, facts.columns.get(column or "")
        if length is None or not kind or (kind == "integer") == isinstance(length, int):
            return
        raise InvalidObject(
            f"compress_chunk_interval of {facts.name} is {length!r}, but {column} is "
            f"{'of an integer type' if kind == 'integer' else 'a date or a time'}",
            hint="give " + ("an integer, in the column's own unit" if kind == "integer" else "a timedelta"),
        )


def _checked_orderby(given: object) -> tuple[str, ...]:
    ordering = [Ordering.read(each) for each in _texts("orderby", given)]
    _distinct("orderby", [each.column for each in ordering])
    if not ordering:
        raise InvalidObject(
            "orderby is empty, but rows of the columnstore have an order", hint="leave it out, or name the time column"
        )
    return tuple(map(str, ordering))


def _checked_index(given: Any) -> tuple[str, ...]:
    if isinstance(given, Mapping):
        indexes = [each for kind, columns in given.items() for each in _of_kind(kind, columns)]
    else:
        indexes = [SparseIndex.read(each) for each in _texts("index", given)]
    for each in indexes:
        _distinct(f"index {each.kind}", each.columns)
    return tuple(sorted(_distinct("index", map(str, indexes))))


def _of_kind(kind: object, given: object) -> Iterator[SparseIndex]:
    """The indexes of one kind: on a column each, or on several where a tuple stands for a column."""
    columns = [given] if isinstance(given, str) else given
    if not isinstance(kind, str) or not isinstance(columns, list | tuple):
        raise InvalidObject(f"index {kind!r} is {given!r}", hint='write index={"bloom": ["device"]}')
    for each in columns:
        yield SparseIndex(kind, (each,) if isinstance(each, str) else tuple(_texts(f"index {kind}", each)))


def _names(given: object) -> Iterator[str]:
    """Columns of ``segmentby``."""
    yield from map(_name, _split(given)) if isinstance(given, str) else _texts("segmentby", given)


def _texts(what: str, given: object) -> Iterable[str]:
    """The items of a sequence, or of a text with commas."""
    if isinstance(given, str):
        return [each.strip() for each in _split(given)]
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
        raise InvalidObject(f"{what} is {given!r}", hint=f'write a list of strings, for example {what}=["device"]')
    return given


def _distinct(what: str, names: Iterable[str]) -> tuple[str, ...]:
    """The names, each of which is one, and there once.

    :raises InvalidObject: otherwise.
    """
    given = tuple(names)
    for each in given:
        check_name(f"column in {what}", each)
    if twice := sorted({each for each in given if given.count(each) > 1}):
        raise InvalidObject(f"{what} names {', '.join(twice)} twice", hint="keep one of them")
    return given


# --- lists of names, as SQL has them


def _split(text: str) -> list[str]:
    """A list at its commas, but not those in double quotes or parentheses."""
    pieces, depth, quoted = [""], 0, False
    for character in text if text.strip() else "":
        quoted ^= character == _QUOTE
        depth += 0 if quoted else (character == "(") - (character == ")")
        if character == "," and not quoted and not depth:
            pieces.append("")
        else:
            pieces[-1] += character
    if quoted or depth:
        raise InvalidObject(
            f"{text!r} has a {'double quote' if quoted else 'parenthesis'} without its partner",
            hint='write names with such characters in double quotes, and double those in it: "a ""b"" c"',
        )
    return pieces if text.strip() else []


def _name(text: str) -> str:
    """A name as it stands, or in double quotes."""
    if not text.strip().startswith(_QUOTE):
        return text.strip()
    name, rest = _unquoted(text.strip())
    if rest:
        raise InvalidObject(f"{text.strip()} is no name", hint="separate columns by commas")
    return name


def _directed(text: str) -> tuple[str, str]:
    """A column, and the words of a direction after it."""
    if text.startswith(_QUOTE):
        column, rest = _unquoted(text)
        return column, " ".join(rest.upper().split())
    words: list[str] = []
    while len(parts := text.rsplit(None, 1)) == 2 and parts[1].upper() in _DIRECTIONS:
        text = parts[0]
        words.insert(0, parts[1].upper())
    return text, " ".join(words)


def _unquoted(text: str) -> tuple[str, str]:
    """A name in double quotes, with which a text begins, and the rest."""
    end = _closing(text)
    return text[1:end].replace(_QUOTE * 2, _QUOTE), text[end + 1 :]


def _closing(text: str) -> int:
    """Where the double quote is that ends the name with which a text begins."""
    end = text.find(_QUOTE, 1)
    while end >= 0 and text[end : end + 2] == _QUOTE * 2:
        end = text.find(_QUOTE, end + 2)
    if end < 0:
        raise InvalidObject(f"{text!r} has a double quote without its partner", hint="close it")
    return end


def _quoted(name: str) -> str:
    return f'"{name.replace(_QUOTE, _QUOTE * 2)}"'
