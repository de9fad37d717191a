"""CSV files: one quick pass that cuts them between records, and the parts it makes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tsext.errors import LoadError
from tsext.loading import formats
from tsext.loading.encodings import python_encoding
from tsext.loading.formats import Block, Boundary, Format, Records, State, records_of
from tsext.loading.sources import Mark, Outline, Range, Sample, Stamp, refuse_compressed

LARGEST, SMALLEST, PARTS = 32 * 2**20, 4 * 2**20, 16
"""A part has at most so many bytes; of a file that is not large, about so many are made, but none need be smaller."""

SAMPLES = 256
"""Of a file that is not large, about so many records are looked at; of a large one, one in each block."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class CsvPart:
    """Records of a CSV file that stand one after the other."""

    path: Path
    records: Records
    begin: Boundary
    stop: int
    plain: bool = False
    """As :meth:`tsext.loading.formats.Format.is_plain` has it."""

    @property
    def copy_options(self) -> str:
        """What follows ``COPY … FROM STDIN``."""
        return self.records.format.options(self.plain)

    @property
    def line(self) -> int:
        """Number of its first line in the file."""
        return self.begin.line

    @property
    def size(self) -> int:
        """In bytes."""
        return self.stop - self.begin.offset

    def open(self) -> _Window:
        """The bytes as they are."""
        return _Window(self.path, self.begin.offset, self.stop)

    def text(self) -> bytes:
        """The bytes, without the end of the last line."""
        with self.open() as window:
            return window.read(self.size).rstrip(b"\r\n")

    def divided(self, line: int | None) -> list[CsvPart]:
        """Around a record, or in the middle."""
        with self.path.open("rb", buffering=0) as file:
            cuts = [self._middle(file)] if line is None else list(self._around(file, self.begin.line + line - 1))
        begins = [self.begin, *(each for each in cuts if self.begin.offset < each.offset < self.stop)]
        stops = [*(each.offset for each in begins[1:]), self.stop]
        if len(begins) == 1:
            return []
        return [CsvPart(self.path, self.records, *each, self.plain) for each in zip(begins, stops, strict=True)]

    def _middle(self, file: BinaryIO) -> Boundary:
        """Where a record begins near the middle; the end, if there is only one."""
        middle, before = self.begin.offset + self.size // 2, self.begin
        for block in self.records.scan(file, self.begin, self.stop):
            if block.first is not None and block.first.offset <= middle:
                before = block.first
            if block.offset > middle:
                break
        for each in self.records.walk(file, before, self.stop):
            if each.offset > middle:
                return each if before == self.begin else before
            before = each
        return before

    def _around(self, file: BinaryIO, line: int) -> Iterator[Boundary]:
        """Where the record begins that has a line of the file, and where it ends."""
        before = self.begin
        for block in self.records.scan(file, self.begin, self.stop):
            if block.first is not None and block.first.line > line:
                break
            before = block.first or before
        for each in self.records.walk(file, before, self.stop):
            if each.line > line:
                yield from (before, each)
                return
            before = each


class _Window:
    """Part of a file, as a file."""

    def __init__(self, path: Path, begin: int, stop: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._file.seek(begin)
        self._left = stop - begin

    def __enter__(self) -> _Window:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


@dataclass(frozen=True)
class CsvFile:
    """A CSV file.

    :param header: whether its first record is none, but names the columns.
    """

    path: Path
    format: Format
    header: bool

    def part(self, which: Range) -> CsvPart:
        """What a task is about."""
        with self.path.open("rb", buffering=0) as file:
            records = records_of(file, self.format)
        return CsvPart(self.path, records, Boundary(which.begin, which.line), which.end, which.plain)

    def outline(self) -> Outline:
        """Look at its beginning.

        :raises LoadError: if it cannot be loaded.
        """
        stamp = Stamp.of(self.path)
        refuse_compressed(self.path)
        with self.path.open("rb", buffering=0) as file:
            begin, columns, first = self._begin(file, records_of(file, self.format), stamp.size)
        most = min(max((stamp.size - begin.offset) // PARTS, SMALLEST), LARGEST)
        return Outline(stamp, columns, Range(begin.offset, stamp.size, begin.line, 0), most, first)

    def marks(self, within: Range) -> Iterator[Mark]:
        """Go through records quickly.

        :param within: which begins where a record does.
        """
        with self.path.open("rb", buffering=0) as file:
            records = records_of(file, self.format)
            size = min(max(self.path.stat().st_size // SAMPLES, 1024), formats.BLOCK)
            yield from _Marking(self.path, records, file).marks(within, size)

    def _begin(self, file: BinaryIO, records: Records, size: int) -> tuple[Boundary, list[str] | None, list[str]]:
        """Where its first record begins, the names in the header, and what the first record holds if there is none."""
        file.seek(0)
        marked = file.read(len(_BOM)) == _BOM and python_encoding(self.format.encoding) == "utf-8"
        begin = Boundary(len(_BOM) if marked else 0, 1)
        end = next(records.walk(file, begin, size), None)
        if end is None and self.header:
            raise LoadError(f"{self.path} is empty", hint="it should have a header; if it has none, leave out --header")
        if end is None:
            return begin, None, []
        text = CsvPart(self.path, records, begin, end.offset).text()
        if self.header:
            return end, self._names(text), []
        with suppress(csv.Error):  # the server may read it otherwise
            return begin, None, self._names(text)
        return begin, None, []

    def _names(self, record: bytes) -> list[str]:
        return [str(each).strip() for each in self.values(record)]

    def values(self, record: bytes) -> list[str | None]:
        """What a record holds, as far as Python reads it as the server does; None for a null."""
        given = self.format
        text = record.decode(python_encoding(given.encoding), "replace")
        escape = None if given.escape == given.quote else given.escape
        read = csv.reader(
            [text], delimiter=given.delimiter, quotechar=given.quote, escapechar=escape, doublequote=escape is None
        )
        return [None if each == given.null else each for each in next(read, [])]


@dataclass
class _Open:
    """What is known of a mark whose end is not."""

    begin: Boundary
    samples: list[Sample]
    plain: bool = True
    suspicious: bool = False
    """Whether there may be an end marker in it."""

    def sees(self, plain: bool, suspicious: bool) -> None:
        self.plain, self.suspicious = self.plain and plain, self.suspicious or suspicious


@dataclass(frozen=True)
class _Marking:
    """Goes through a file, from one place where a part may begin to the next."""

    path: Path
    records: Records
    file: BinaryIO

    def marks(self, within: Range, size: int) -> Iterator[Mark]:
        """A mark for each block, as far as a record begins in it.

        :param size: of a block, in bytes.
        """
        begin = Boundary(within.begin, within.line)
        held, before, line = _Open(begin, []), b"", begin.line
        for block in self.records.scan(self.file, begin, within.end, size):
            found = self.records.format.is_plain(block.data), _may_hold_end_marker(before, block.data)
            held.sees(*found)
            if block.offset == begin.offset:
                held.samples += self._sample(begin, block)
            if block.first is not None and block.first.offset > held.begin.offset:
                yield self._mark(held, block.first)
                held = _Open(block.first, self._sample(block.first, block))
                held.sees(*found)
            before, line = block.data[-1:], block.line
        if held.begin.offset < within.end:
            yield self._mark(held, Boundary(within.end, line + (before != self.records.newline)))

    def _mark(self, held: _Open, end: Boundary) -> Mark:
        begin = held.begin
        range = Range(begin.offset, end.offset, begin.line, end.line - begin.line, held.plain)
        return Mark(range, held.samples, self._end_markers(range) if held.suspicious else [])

    def _sample(self, begin: Boundary, block: Block) -> list[Sample]:
        """The record that begins there, if it ends in the block."""
        at = begin.offset - block.offset
        end = self.records.end(block.data, State(), at)
        if end < 0:
            return []
        return [Sample(CsvPart(self.path, self.records, begin, block.offset + end), block.data[at:end].rstrip(b"\r\n"))]

    def _end_markers(self, within: Range) -> list[Range]:
        """Records that are ``\\.``."""
        last, found = Boundary(within.begin, within.line), []
        for each in self.records.walk(self.file, last, within.end):
            if each.offset - last.offset <= 4 and CsvPart(self.path, self.records, last, each.offset).text() == b"\\.":
                found.append(Range(last.offset, each.offset, last.line, each.line - last.line))
            last = each
        return found


def _may_hold_end_marker(before: bytes, data: bytes) -> bool:
    """Whether there is a ``\\.`` in it, or one begins with the last byte before; a single byte is found much faster."""
    return (before == b"\\" or b"\\" in data) and b"\\." in before + data
