"""Files that are loaded, cut into parts that can each be loaded by themselves."""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Protocol, Self

from tsext.errors import LoadError
from tsext.sql.sending import Readable

BLOCK = 1024 * 1024
"""Bytes that are hashed at a time."""


class Opened(Readable, Protocol):
    """What ``COPY`` reads from, to be used in a ``with`` block."""

    def __enter__(self) -> Opened: ...

    def __exit__(self, *_: object) -> None: ...


class Written:
    """Texts, as a file."""

    def __init__(self, texts: Iterator[bytes]) -> None:
        self._texts = texts
        self._held = io.BytesIO()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        while not (block := self._held.read(size)):
            text = next(self._texts, None)
            if text is None:
                return b""
            self._held = io.BytesIO(text)
        return block


class Part(Protocol):
    """Some records of a file, one after the other."""

    @property
    def line(self) -> int:
        """Number of its first line in the file; the first is 1."""

    @property
    def size(self) -> int:
        """In bytes, or as near as that can be told."""

    @property
    def copy_options(self) -> str:
        """What follows ``COPY … FROM STDIN``."""

    def open(self) -> Opened:
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


class _Beginning:
    """The SHA-256 of a file from its beginning on, as far as it has been read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._offset, self._sum = 0, sha256()

    def digest(self, length: int) -> str:
        with self._lock:
            if length < self._offset:
                self._offset, self._sum = 0, sha256()
            with self._path.open("rb", buffering=0) as file:
                file.seek(self._offset)
                while block := file.read(min(BLOCK, length - self._offset)):
                    self._sum.update(block)
                    self._offset += len(block)
            return self._sum.hexdigest()


@lru_cache(maxsize=4)
def _beginning(path: Path, _: Stamp) -> _Beginning:
    """One for each state of a file."""
    return _Beginning(path)


def digest(path: Path, stamp: Stamp, length: int | None = None) -> str:
    """SHA-256 of a file, as ``sha256sum`` prints it; of more and more of it, each byte is read once.

    :param stamp: of the file when it is read, for which what was read is kept.
    :param length: of its first so many bytes; None: of all.
    """
    return _beginning(path, stamp).digest(stamp.size if length is None else length)


@dataclass(frozen=True)
class Range:
    """From where to where a part of a file goes, and how many lines that is; what a task in the ledger holds."""

    begin: int
    """In bytes, or rows."""
    end: int
    line: int
    """Number of its first line."""
    lines: int
    plain: bool = False
    """Whether no byte in it has a meaning of its own but those that end fields and lines."""

    @property
    def lower(self) -> str:
        """In the words of the ledger."""
        return f"{self.begin}, line {self.line}{_PLAIN if self.plain else ''}"

    @property
    def upper(self) -> str:
        """In the words of the ledger."""
        return str(self.end)

    @classmethod
    def read(cls, lower: str, upper: str) -> Range:
        """From what stands in the ledger, which does not have the number of lines."""
        begin, _, line = lower.removesuffix(_PLAIN).partition(", line ")
        return cls(int(begin), int(upper), int(line), 0, lower.endswith(_PLAIN))

    def joined(self, other: Range) -> Range:
        """With the one that follows."""
        return Range(self.begin, other.end, self.line, self.lines + other.lines, self.plain and other.plain)


_PLAIN = ", plain"


@dataclass(frozen=True)
class Sample:
    """A record from somewhere in a file."""

    part: Part
    text: bytes
    """As it stands there."""


@dataclass(frozen=True)
class Mark:
    """From one place where a part may begin to the next."""

    range: Range
    samples: list[Sample] = field(default_factory=list)
    """Here and there a record, the first of all its first one; none, if that is not known."""
    end_markers: list[Range] = field(default_factory=list)
    """Records that are ``\\.``, which servers before PostgreSQL 18 take for the end of the data."""


@dataclass(frozen=True)
class Outline:
    """What can be told of a file without going through it."""

    stamp: Stamp
    columns: list[str] | None
    """As the file names them."""
    records: Range
    """Where its records are."""
    most: int
    """Bytes, or rows, of a part, as far as records and row groups allow."""
    first: list[str] = field(default_factory=list)
    """What the first record holds, if it is taken for one."""


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
