"""How a CSV file is written: the options of ``COPY``, and where one record ends and the next begins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO, NamedTuple

from tsext.errors import LoadError
from tsext.loading.encodings import trails_ascii
from tsext.sql.quoting import identifier, literal

BLOCK = 256 * 1024
"""Bytes that are looked at, and sent, at a time: with blocks of 8 kB the server needs a fifth more time."""


class Boundary(NamedTuple):
    """Where a record begins."""

    offset: int
    """In bytes."""
    line: int
    """Number of its first line; the first of the file is 1."""


@dataclass(frozen=True)
class Format:
    """The options of ``COPY … (FORMAT csv)``, with its defaults but for the encoding.

    :param encoding: PostgreSQL's name of it.
    :raises LoadError: for what cannot be split into records.
    """

    delimiter: str = ","
    null: str = ""
    quote: str = '"'
    escape: str = '"'
    encoding: str = "UTF8"

    def __post_init__(self) -> None:
        for name in ("delimiter", "quote", "escape"):
            given = getattr(self, name)
            if len(given.encode()) != 1 or given in "\r\n":
                raise LoadError(
                    f"the {name} is {given!r}", hint=f"give one character of one byte; for a tabulator: --{name} $'\\t'"
                )
        if self.delimiter == self.quote:
            raise LoadError(f"delimiter and quote are both {self.quote!r}", hint="give two that differ")
        if trails_ascii(self.encoding) and max(self.quote, self.escape) >= "0":
            raise LoadError(
                f"in {self.encoding}, a character may have a byte that looks like {max(self.quote, self.escape)!r}",
                hint='use " as quote and escape, or convert the file: iconv -t UTF-8',
            )

    def options(self, plain: bool = False) -> str:
        """What follows ``COPY … FROM STDIN``.

        :param plain: for what :meth:`is_plain`: as text, which the server makes the same of, and a tenth faster.
        """
        given = {"DELIMITER": self.delimiter, "NULL": self.null, "ENCODING": self.encoding}
        if not plain:
            given |= {"QUOTE": self.quote, "ESCAPE": self.escape}
        written = ", ".join(f"{name} {literal(value)}" for name, value in given.items())
        return f"(FORMAT {'text' if plain else 'csv'}, {written})"

    def is_plain(self, data: bytes) -> bool:
        """Whether no byte of it means anything but what it is, other than those that end fields and lines."""
        return self._may_be_plain and self.quote.encode() not in data and b"\\" not in data

    @cached_property
    def _may_be_plain(self) -> bool:
        """Whether there is the same format as text: a backslash precedes letters and digits there, and ``.``."""
        return (
            not (self.delimiter.isalnum() or self.delimiter in "\\." or "\\" in self.null)
            and not set(self.null) & {self.delimiter, "\r", "\n"}
            and not trails_ascii(self.encoding)
        )


def copy_statement(relation: str, columns: Iterable[str], options: str) -> str:
    """``COPY … FROM STDIN``.

    :param relation: as it stands in SQL.
    """
    return f"COPY {relation} ({', '.join(map(identifier, columns))}) FROM STDIN {options}"


# --- where records end


class Block(NamedTuple):
    """Some bytes of a file."""

    data: bytes
    offset: int
    first: Boundary | None
    """Where the first record begins in it; None: it has only the middle of one."""
    line: int
    """Number of the line in which it ends."""


class State(NamedTuple):
    """What has to be known of what precedes, to know where a record ends."""

    quoted: bool = False
    """Whether it is inside quotes, where the end of a line is data."""
    escaped: bool = False
    """Whether the last byte, inside quotes, was an escape that holds for the next one."""


@dataclass(frozen=True)
class Records:
    """Finds the ends of records as the server does, which takes a quote anywhere for one.

    That is: a quote switches between inside and outside, wherever it stands, unless it is escaped inside. (Python's
    ``csv``, and others, take a quote in the middle of an unquoted field for data.)
    """

    format: Format
    newline: bytes = b"\n"
    """The last byte of a line."""

    @cached_property
    def _quote(self) -> bytes:
        return self.format.quote.encode()

    @cached_property
    def _escape(self) -> bytes:
        return b"" if self.format.escape == self.format.quote else self.format.escape.encode()

    @cached_property
    def _inside(self) -> re.Pattern[bytes]:
        """From inside quotes to the quote that ends them."""
        quote, escape = re.escape(self._quote), re.escape(self._escape)
        return re.compile(rb"[^%b%b]*+(?:%b.[^%b%b]*+)*+%b" % (quote, escape, escape, quote, escape, quote), re.DOTALL)

    def after(self, state: State, data: bytes) -> State:
        """The state behind some bytes."""
        if not self._escape:
            if self._quote not in data:  # which is found ten times as fast as it is counted
                return state
            return State(state.quoted ^ (data.count(self._quote) % 2 == 1))
        if not data:
            return state
        quoted, place = state.quoted, 0
        if state.escaped and data[:1] in (self._quote, self._escape):
            place = 1
        while place < len(data):
            if not quoted:
                found = data.find(self._quote, place)
                if found < 0:
                    return State()
                quoted, place = True, found + 1
            elif match := self._inside.match(data, place):
                quoted, place = False, match.end()
            else:
                rest = data[place:]
                return State(True, (len(rest) - len(rest.rstrip(self._escape))) % 2 == 1)
        return State(quoted)

    def end(self, data: bytes, state: State, start: int = 0) -> int:
        """Where the first record ends that ends at all in some bytes from ``start`` on; -1 if none does.

        :param state: that at ``start``.
        """
        while True:
            found = data.find(self.newline, start)
            if found < 0:
                return -1
            state = self.after(state, data[start : found + 1])
            if not state.quoted:
                return found + 1
            start = found + 1

    def scan(self, file: BinaryIO, begin: Boundary, stop: int, size: int | None = None) -> Iterator[Block]:
        """Go through a part of a file quickly, block by block.

        :param begin: where it begins, which is where a record does.
        :param size: of a block, in bytes.
        """
        size = size or BLOCK
        state, offset, line = State(), begin.offset, begin.line
        file.seek(offset)
        while data := file.read(min(size, stop - offset)):
            end = self.end(data, state)
            first = None if end < 0 else Boundary(offset + end, line + data.count(self.newline, 0, end))
            line += data.count(self.newline)
            yield Block(data, offset, first, line)
            state = self.after(state, data)
            offset += len(data)
            file.seek(offset)  # where others may have been

    def walk(self, file: BinaryIO, begin: Boundary, stop: int) -> Iterator[Boundary]:
        """Where each record ends, and with it the next one begins."""
        state, offset, line, last = State(), begin.offset, begin.line, begin.offset
        file.seek(offset)
        while block := file.read(min(BLOCK, stop - offset)):
            start = 0
            while (end := self.end(block, state, start)) >= 0:
                line += block.count(self.newline, start, end)
                start, last, state = end, offset + end, State()
                yield Boundary(last, line)
            state = self.after(state, block[start:])
            line += block.count(self.newline, start)
            offset += len(block)
        if last < offset:
            yield Boundary(offset, line + 1)


def records_of(file: BinaryIO, format: Format) -> Records:
    """How records of a file end: its lines do as the first one does that ends outside quotes, as the server has it."""
    records, state, returned = Records(format), State(), False
    file.seek(0)
    while block := file.read(BLOCK):
        if returned:  # at the end of the block before
            return Records(format, b"\n" if block[:1] == b"\n" else b"\r")
        start = 0
        for match in re.finditer(rb"\r\n?|\n", block):
            state, start = records.after(state, block[start : match.end()]), match.end()
            returned = not state.quoted and match[0] == b"\r" and start == len(block)
            if not state.quoted and not returned:
                return Records(format, match[0][-1:])
        state = records.after(state, block[start:])
    return Records(format, b"\r" if returned else b"\n")
