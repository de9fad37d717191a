"""Files of Parquet and Arrow, read by pyarrow, an extra, and sent to the server as CSV, in which all types are text.

Rows of which all columns have the types of the table's are sent in binary: see :mod:`tsext.loading.binary`.

A part is a range of rows; it is made of whole row groups, or record batches, as far as they are not too large, since
those are read as a whole.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from tsext.errors import LoadError
from tsext.loading.formats import Format
from tsext.loading.sources import Mark, Outline, Range, Sample, Stamp, Written

LARGEST = 1_000_000
"""Rows of a part."""

SAMPLES = 256
"""About so many rows are looked at, from all over the file."""

_BATCH = 16_384
"""Rows that are written as CSV at a time."""


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise LoadError(
            "pyarrow, which reads Parquet and Arrow, is not installed",
            hint='install it wherever workers run: pip install "tsext[arrow]"; or write the file as CSV',
        ) from error


class _Groups:
    """What a file consists of: row groups, or record batches."""

    def __init__(self, path: Path) -> None:
        self.pyarrow = _module("pyarrow")
        self._batches: Any = None
        """Of a file of Arrow."""
        try:
            if path.suffix.lower() == ".parquet":
                self._parquet = _module("pyarrow.parquet").ParquetFile(path)
                self.schema = self._parquet.schema_arrow
                metadata = self._parquet.metadata
                counts = [metadata.row_group(each).num_rows for each in range(metadata.num_row_groups)]
            else:
                self._batches = _module("pyarrow.ipc").open_file(self.pyarrow.memory_map(str(path)))
                self.schema = self._batches.schema
                counts = [self._batches.get_batch(each).num_rows for each in range(self._batches.num_record_batches)]
        except (self.pyarrow.ArrowInvalid, OSError) as error:
            raise LoadError(
                f"{path} cannot be read: {error}", hint="is it whole, and is its name that of what it holds?"
            ) from error
        self.begins: list[int] = [0, *accumulate(counts)]
        """Number of the first row of each, from 0 on, and how many rows there are."""
        self._last: tuple[int, Any] = (-1, None)
        """The one that was read last, of which more may be wanted."""

    def rows(self, begin: int, end: int) -> Iterator[Any]:
        """Record batches with the rows of a range, a group at a time."""
        for number, (first, stop) in enumerate(pairwise(self.begins)):
            if first < end and begin < stop:
                group = self._read(number)
                low, high = max(begin - first, 0), min(end, stop) - first
                for at in range(low, high, _BATCH):
                    yield group.slice(at, min(_BATCH, high - at))

    def _read(self, number: int) -> Any:
        last, group = self._last
        if last != number:
            group = self._parquet.read_row_group(number) if self._batches is None else self._batch(number)
            self._last = number, group
        return group

    def _batch(self, number: int) -> Any:
        return self.pyarrow.Table.from_batches([self._batches.get_batch(number)])


@lru_cache(maxsize=8)
def _groups(path: Path, _: Stamp) -> _Groups:
    """Opened once for each state of a file."""
    return _Groups(path)


@dataclass(frozen=True)
class ArrowPart:
    """Rows of a file that stand one after the other."""

    path: Path
    begin: int
    """Number of its first row, from 0 on."""
    end: int

    @property
    def line(self) -> int:
        """Number of its first row; the first of the file is 1."""
        return self.begin + 1

    @property
    def copy_options(self) -> str:
        """What follows ``COPY … FROM STDIN``."""
        return Format().options()

    @property
    def size(self) -> int:
        """Its share of the file, in bytes."""
        stamp = Stamp.of(self.path)
        return stamp.size * (self.end - self.begin) // max(1, _groups(self.path, stamp).begins[-1])

    def open(self) -> Written:
        """Its rows as CSV."""
        groups = _groups(self.path, Stamp.of(self.path))
        return Written(_csv(groups, each) for each in groups.rows(self.begin, self.end))

    def tables(self) -> Iterator[Any]:
        """Its rows as tables of pyarrow."""
        return _groups(self.path, Stamp.of(self.path)).rows(self.begin, self.end)

    def text(self) -> bytes:
        """The same at once."""
        with self.open() as written:
            return b"".join(iter(lambda: written.read(_BATCH), b"")).rstrip(b"\n")

    def divided(self, line: int | None) -> Sequence[ArrowPart]:
        """Halves; the line that the server names is not that of a row, as a value may have several."""
        middle = (self.begin + self.end) // 2
        if middle == self.begin:
            return []
        return [ArrowPart(self.path, self.begin, middle), ArrowPart(self.path, middle, self.end)]


def _csv(groups: _Groups, rows: Any) -> bytes:
    """Rows as CSV: a text always in quotes, a null without them."""
    written, writer = io.BytesIO(), _module("pyarrow.csv")
    writer.write_csv(_plain(groups, rows), written, writer.WriteOptions(include_header=False))
    return written.getvalue()


def _plain(groups: _Groups, rows: Any) -> Any:
    """The same without dictionaries."""
    is_dictionary = groups.pyarrow.types.is_dictionary
    for number, field in enumerate(rows.schema):
        if is_dictionary(field.type):
            rows = rows.set_column(number, field.name, rows.column(number).cast(field.type.value_type))
    return rows


@dataclass(frozen=True)
class ArrowFile:
    """A file of Parquet (``.parquet``) or Arrow."""

    path: Path

    def part(self, which: Range) -> ArrowPart:
        """What a task is about."""
        return ArrowPart(self.path, which.begin, which.end)

    def outline(self) -> Outline:
        """What its metadata tell.

        :raises LoadError: if it cannot be loaded.
        """
        stamp = Stamp.of(self.path)
        groups = _groups(self.path, stamp)
        self._refuse_types(groups)
        return Outline(stamp, list(groups.schema.names), Range(0, groups.begins[-1], 1, 0), LARGEST)

    def marks(self, within: Range) -> Iterator[Mark]:
        """Row groups, in pieces if they are large.

        :param within: which begins where one of them does.
        """
        groups = _groups(self.path, Stamp.of(self.path))
        step = max(1, groups.begins[-1] // SAMPLES)
        for first, stop in pairwise(groups.begins):
            for begin in range(max(first, within.begin), min(stop, within.end), LARGEST):
                end = min(begin + LARGEST, stop, within.end)
                parts = [ArrowPart(self.path, row, row + 1) for row in sorted({*range(begin, end, step), end - 1})]
                samples = [Sample(each, each.text()) for each in parts]
                yield Mark(Range(begin, end, begin + 1, end - begin), samples)

    def _refuse_types(self, groups: _Groups) -> None:
        for field in groups.schema:
            if not _has_text(groups.pyarrow.types, field.type):
                raise LoadError(
                    f"column {field.name} of {self.path} is of type {field.type}, of which there is no text to load",
                    hint="write it in another type: a text as the server prints it, or one column for each value in it",
                )

    def values(self, record: bytes) -> list[str | None]:
        """What a row holds."""
        return [each or None for each in next(csv.reader([record.decode()]), [])]


def _has_text(types: Any, of: Any) -> bool:
    """Whether the server reads what pyarrow writes as CSV."""
    value = of.value_type if types.is_dictionary(of) else of
    others = ("nested", "duration", "interval", "binary", "large_binary", "fixed_size_binary")
    return not any(getattr(types, f"is_{each}")(value) for each in others)
