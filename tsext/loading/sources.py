"""Files that are loaded, cut into parts that can each be loaded by themselves."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from tsext.errors import LoadError

BLOCK = 1024 * 1024
"""Bytes that are hashed at a time."""


class Readable(Protocol):
    """What ``COPY`` reads from."""

    def __enter__(self) -> Readable: ...

    def __exit__(self, *_: object) -> None: ...

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""


class Part(Protocol):
    """Some records of a file, one after the other."""

    @property
    def line(self) -> int:
        """Number of its first line in the file; the first is 1."""

    @property
    def size(self) -> int:
        """In bytes, or as near as that can be told."""

    def open(self) -> Readable:
        """What is sent to the server."""

    def divided(self, line: int | None) -> Sequence[Part]:
        """The same records in two or three parts; none, if it is only one record.

        :param line: of the part, from 1 on: the record it belongs to comes apart. None: halves.
        """

    def text(self) -> bytes:
        """Its records as they stand in the file, for people."""


@dataclass(frozen=True)
class Stamp:
    """What tells cheaply that a file has not changed since it was looked through."""

    size: int
    """In bytes."""
    modified: int
    """In nanoseconds since 1970."""

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """That of a file as it is now.

        :raises LoadError: if there is no such file, or it is a pipe.
        """
        try:
            found = path.stat()
        except OSError as error:
            raise LoadError(
                f"{path} cannot be read: {error.strerror}",
                hint="give the path of a file; every machine that helps needs it under the same path",
            ) from error
        if not stat.S_ISREG(found.st_mode):
            raise LoadError(
                f"{path} is not a file that can be read again",
                hint="a load that is interrupted goes on in the middle, and several read at once: write it to a file",
            )
        return cls(found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=4)
def digest(path: Path, stamp: Stamp) -> str:
    """SHA-256 of a file, as ``sha256sum`` prints it.

    :param stamp: of the file when it is read, for which the answer is kept.
    """
    found = sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()


@dataclass
class Survey:
    """What there is to know of a file before it is loaded."""

    sha256: str
    stamp: Stamp
    columns: list[str] | None = None
    """As the file names them."""
    parts: list[Range] = field(default_factory=list)
    samples: list[Any] = field(default_factory=list)
    """Parts of one record each, from all over the file."""
    end_marker: int | None = None
    """Line of a ``\\.`` that stands alone, which servers before PostgreSQL 18 take for the end."""


@dataclass(frozen=True)
class Range:
    """From where to where a part of a file goes, and how many lines that is; what a task in the ledger holds."""

    begin: int
    """In bytes, or rows."""
    end: int
    line: int
    """Number of its first line."""
    lines: int

    @property
    def lower(self) -> str:
        """In the words of the ledger."""
        return f"{self.begin}, line {self.line}"

    @property
    def upper(self) -> str:
        """In the words of the ledger."""
        return str(self.end)

    @classmethod
    def read(cls, lower: str, upper: str, lines: int) -> Range:
        """From what stands in the ledger."""
        begin, _, line = lower.partition(", line ")
        return cls(int(begin), int(upper), int(line), lines)


def grouped(ranges: Iterator[Range], most: int) -> Iterator[Range]:
    """Neighbours together, as long as they have not more than so many lines."""
    held: Range | None = None
    for each in ranges:
        if held is not None and held.lines + each.lines <= most:
            held = Range(held.begin, each.end, held.line, held.lines + each.lines)
            continue
        if held is not None:
            yield held
        held = each
    if held is not None:
        yield held


_PACKED = {
    b"\x1f\x8b": "gunzip",
    b"\x28\xb5\x2f\xfd": "unzstd",
    b"BZh": "bunzip2",
    b"\xfd7zXZ": "unxz",
    b"PK\x03\x04": "unzip",
}
"""How files begin, and what unpacks them."""


def refuse_compressed(path: Path) -> None:
    """Refuse what has to be unpacked from its beginning on.

    :raises LoadError: with the program that does.
    """
    with path.open("rb") as file:
        head = file.read(8)
    for begin, program in _PACKED.items():
        if head.startswith(begin):
            raise LoadError(
                f"{path} is compressed, so it cannot be read from the middle", hint=f"unpack it first: {program} {path}"
            )
