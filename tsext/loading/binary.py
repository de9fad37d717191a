"""Sending what a file of Parquet or Arrow holds in PostgreSQL's binary format, as far as its types are the table's.

That spares both sides to make text of it and to read that. Where the server might make something else of the text, such
as of a float of half the size, or of a time without a zone, it is sent as text.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from sqlalchemy import Connection

from tsext import catalog
from tsext.loading.sources import Written

OPTIONS = "(FORMAT binary)"
"""What follows ``COPY … FROM STDIN``."""

_HEADER, _TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"

_NULL = b"\xff\xff\xff\xff"
"""The length of a null."""

_DAY = 86_400_000_000
"""In microseconds."""

_EPOCH, _FIRST = 10_957, -719_162
"""Days since 1970, where pyarrow begins to count: of 2000, where PostgreSQL does; and of the year 1, before which years
are written in other ways."""


class NotAlike(Exception):
    """The server might make something else of a text."""


@dataclass(frozen=True)
class _Kind:
    """How values of a type are sent."""

    arrow: str
    """What pyarrow calls the type, or what it is cast to without loss."""
    code: str = ""
    """Of :mod:`array` for what they are sent as; empty: as they are."""
    day: int = 0
    """Of times: how many of what they are counted in make a day."""


_KINDS = {
    "text": _Kind("string"),
    "character varying": _Kind("string"),
    "smallint": _Kind("int16", "h"),
    "integer": _Kind("int32", "i"),
    "bigint": _Kind("int64", "q"),
    "real": _Kind("float", "i"),
    "double precision": _Kind("double", "q"),
    "date": _Kind("date32[day]", "i", day=1),
    "timestamp without time zone": _Kind("timestamp", "q", day=_DAY),
    "timestamp with time zone": _Kind("timestamp", "q", day=_DAY),
}
"""By the names of types, without what is in parentheses."""


class Encoded(Written):
    """Rows as the server takes them; who reads them gets :class:`NotAlike` where they have to be sent as text."""

    refused = False
    """Whether that was so."""

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        try:
            return super().read(size)
        except NotAlike:
            self.refused = True
            raise


@dataclass
class Encoding:
    """How the rows of a table are sent.

    :param types: of its columns, as the server names them.
    """

    types: Sequence[str]
    _arrow: Any = field(default_factory=lambda: import_module("pyarrow"))
    _compute: Any = field(default_factory=lambda: import_module("pyarrow.compute"))
    _offsets: dict[int, Any] = field(default_factory=dict)
    """By the size of values, where each of them begins: the longest of these lists, of which others are beginnings."""

    def open(self, tables: Iterator[Any]) -> Encoded:
        """All rows of some of pyarrow's tables, as a file."""
        return Encoded(self._blocks(tables))

    def _blocks(self, tables: Iterator[Any]) -> Iterator[bytes]:
        yield _HEADER
        for each in tables:
            yield self._rows(each)
        yield _TRAILER

    def _rows(self, table: Any) -> bytes:
        parts: list[Any] = [len(self.types).to_bytes(2, "big")]
        for column, type_ in zip(table.columns, self.types, strict=True):
            for each in self._parts(column.combine_chunks(), type_):
                if isinstance(each, bytes) and isinstance(parts[-1], bytes):
                    parts[-1] += each
                else:
                    parts.append(each)
        joined = self._joined(parts, table.num_rows)
        _, offsets, data = joined.buffers()
        ends = memoryview(offsets).cast("i")
        return bytes(memoryview(data)[ends[joined.offset] : ends[joined.offset + table.num_rows]])

    def _joined(self, parts: Sequence[Any], rows: int) -> Any:
        """Bytes that are the same in all rows, and arrays of bytes, one behind the other."""
        binary = self._arrow.binary()
        if all(isinstance(each, bytes) for each in parts):
            return self._arrow.array([b"".join(parts)] * rows, binary)
        scalars = [self._arrow.scalar(each, binary) if isinstance(each, bytes) else each for each in [*parts, b""]]
        return self._compute.binary_join_element_wise(*scalars, null_handling="replace", null_replacement="")

    def _parts(self, values: Any, type_: str) -> list[Any]:
        """What the fields of a column are joined of."""
        kind = _KINDS[type_]
        found = self._as(values, type_, kind)
        if kind.code:
            parts = [array(kind.code).itemsize.to_bytes(4, "big"), self._numbers(found, kind.code)]
        else:
            parts = [self._numbers(self._compute.binary_length(found), "i"), found]
        if not values.null_count:
            return parts
        null = self._arrow.scalar(_NULL, self._arrow.binary())
        return [self._compute.if_else(values.is_null(), null, self._joined(parts, len(values)))]

    def _as(self, values: Any, type_: str, kind: _Kind) -> Any:
        """The same values as what is sent of them."""
        arrow, is_ = self._arrow, self._arrow.types
        given = values.type
        if is_.is_dictionary(given):
            return self._as(values.cast(given.value_type), type_, kind)
        try:
            if kind.arrow == "string" and (is_.is_string(given) or is_.is_large_string(given)):
                return values.cast(arrow.binary())
            if kind.arrow.startswith("int") and is_.is_integer(given):
                return values.cast(kind.arrow)
            if kind.arrow == "timestamp" and is_.is_timestamp(given) and (given.tz is not None) == ("with " in type_):
                return self._since_2000(values.cast(arrow.timestamp("us", given.tz)).view(arrow.int64()), kind.day)
        except arrow.ArrowInvalid as error:  # what does not fit
            raise NotAlike from error
        if str(given) != kind.arrow:
            raise NotAlike
        return self._since_2000(values.view(arrow.int32()), kind.day) if kind.day else values

    def _since_2000(self, counted: Any, day: int) -> Any:
        if (self._compute.min(counted).as_py() or 0) < _FIRST * day:
            raise NotAlike
        return self._compute.subtract(counted, self._arrow.scalar(_EPOCH * day, counted.type))

    def _numbers(self, values: Any, code: str) -> Any:
        """Numbers in the order of bytes of the network, each as bytes."""
        arrow, rows = self._arrow, len(values)
        swapped = array(code)
        size = swapped.itemsize
        swapped.frombytes(memoryview(values.buffers()[1])[values.offset * size : (values.offset + rows) * size])
        if sys.byteorder == "little":
            swapped.byteswap()
        offsets = self._offsets.get(size)
        if offsets is None or len(memoryview(offsets)) < 4 * (rows + 1):
            offsets = self._offsets[size] = arrow.py_buffer(array("i", range(0, (rows + 1) * size, size)))
        return arrow.Array.from_buffers(arrow.binary(), rows, [None, offsets, arrow.py_buffer(swapped)])


def encoding(connection: Connection, relation: str, columns: Sequence[str]) -> Encoding | None:
    """How rows of some columns are sent as binary; None, if one has a type of which that is not known.

    :param relation: as it stands in SQL.
    """
    known = catalog.loadable_columns(connection, relation)
    types = [known[each].partition("(")[0] for each in columns]
    client = connection.exec_driver_sql("SELECT current_setting('client_encoding')").scalar()
    return Encoding(types) if client == "UTF8" and set(types) <= _KINDS.keys() else None
