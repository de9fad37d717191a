"""CSV files: one quick pass that cuts them between records, and the parts it makes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from tsext.errors import LoadError
from tsext.loading import formats
from tsext.loading.formats import Block, Boundary, Format, Records, State, records_of
from tsext.loading.sources import Range, Stamp, Survey, digest, refuse_compressed

LARGEST, SMALLEST, FEWEST = 64 * 2**20, 4 * 2**20, 16
"""A part has at most so many bytes, at least so many, and of a small file about so many are made."""

SAMPLES = 256
"""Of a file that is not large, about so many records are looked at; of a large one, one in each block."""

_BOM = b"\xef\xbb\xbf"

_PYTHON = {"UTF8": "utf-8", "SQL_ASCII": "latin-1"}
"""Names of encodings that Python does not know."""


@dataclass(frozen=True)
class CsvPart:
    """Records of a CSV file that stand one after the other."""

    path: Path
    records: Records
    begin: Boundary
    stop: int

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
        return [CsvPart(self.path, self.records, *each) for each in zip(begins, stops, strict=True)]

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

    @property
    def copy_options(self) -> str:
        """What follows ``COPY … FROM STDIN`` for its parts."""
        return self.format.options()

    def part(self, which: Range) -> CsvPart:
        """What a task is about."""
        with self.path.open("rb", buffering=0) as file:
            records = records_of(file, self.format)
        return CsvPart(self.path, records, Boundary(which.begin, which.line), which.end)

    def survey(self) -> Survey:
        """Go through it once: its hash, its parts, and here and there a record.

        :raises LoadError: if it cannot be loaded.
        """
        stamp = Stamp.of(self.path)
        refuse_compressed(self.path)
        with self.path.open("rb", buffering=0) as file, ThreadPoolExecutor(1) as beside:
            hashed = beside.submit(digest, self.path, stamp)
            records = records_of(file, self.format)
            begin, columns = self._begin(file, records, stamp.size)
            found = _cut(_Cutting(self.path, records, begin, stamp.size), file)
            return replace(found, sha256=hashed.result(), stamp=stamp, columns=columns)

    def _begin(self, file: BinaryIO, records: Records, size: int) -> tuple[Boundary, list[str] | None]:
        """Where its first record begins, and the names in the header."""
        file.seek(0)
        marked = file.read(len(_BOM)) == _BOM and python_encoding(self.format.encoding) == "utf-8"
        begin = Boundary(len(_BOM) if marked else 0, 1)
        if not self.header:
            return begin, None
        first = next(records.walk(file, begin, size), None)
        if first is None:
            raise LoadError(f"{self.path} is empty", hint="it should have a header; if it has none, leave out --header")
        text = CsvPart(self.path, records, begin, first.offset).text()
        return first, [str(each).strip() for each in self.values(text)]

    def values(self, record: bytes) -> list[str | None]:
        """What a record holds, as far as Python reads it as the server does; None for a null."""
        given = self.format
        text = record.decode(python_encoding(given.encoding), "replace")
        escape = None if given.escape == given.quote else given.escape
        read = csv.reader(
            [text], delimiter=given.delimiter, quotechar=given.quote, escapechar=escape, doublequote=escape is None
        )
        return [None if each == given.null else each for each in next(read, [])]


@dataclass(frozen=True)
class _Cutting:
    """What is cut into parts."""

    path: Path
    records: Records
    begin: Boundary
    stop: int

    def part(self, begin: Boundary, end: Boundary) -> Range:
        """What a task is to be about."""
        return Range(begin.offset, end.offset, begin.line, end.line - begin.line)

    def sample(self, begin: Boundary, block: Block) -> CsvPart | None:
        """The record that begins there, if it ends in the block."""
        end = self.records.end(block.data, State(), begin.offset - block.offset)
        return None if end < 0 else CsvPart(self.path, self.records, begin, block.offset + end)

    def end_marker(self, file: BinaryIO, begin: Boundary, stop: int) -> int | None:
        """Line of a record that is ``\\.``, if there is one that begins before ``stop``."""
        last = begin
        for each in self.records.walk(file, begin, self.stop):
            if each.offset - last.offset <= 4 and CsvPart(self.path, self.records, last, each.offset).text() == b"\\.":
                return last.line
            if each.offset > stop:
                return None
            last = each
        return None


def _may_hold_end_marker(before: bytes, data: bytes) -> bool:
    """Whether there is a ``\\.`` in it, or one begins with the last byte before; a single byte is found much faster."""
    return (before == b"\\" or b"\\" in data) and b"\\." in before + data


def _cut(cutting: _Cutting, file: BinaryIO) -> Survey:
    size = cutting.stop - cutting.begin.offset
    target = min(max(size // FEWEST, SMALLEST), LARGEST)
    found = Survey("", Stamp(0, 0))
    begin, last, line, before = cutting.begin, cutting.begin, cutting.begin.line, b""
    block_size = min(max(size // SAMPLES, 1024), formats.BLOCK)
    for block in cutting.records.scan(file, cutting.begin, cutting.stop, block_size):
        sampled = cutting.begin if block.offset == cutting.begin.offset else block.first
        if sampled is not None and (sample := cutting.sample(sampled, block)) is not None:
            found.samples.append(sample)
        if _may_hold_end_marker(before, block.data) and found.end_marker is None:
            found.end_marker = cutting.end_marker(file, last, block.offset + len(block.data))
        before = block.data[-1:]
        if block.first is not None and block.first.offset - begin.offset >= target:
            found.parts.append(cutting.part(begin, block.first))
            begin = block.first
        last, line = block.first or last, block.line
    if begin.offset < cutting.stop:
        found.parts.append(cutting.part(begin, Boundary(cutting.stop, line + (before != cutting.records.newline))))
    return found


def python_encoding(encoding: str) -> str:
    """What Python calls an encoding of PostgreSQL."""
    return _PYTHON.get(encoding.upper(), encoding)
