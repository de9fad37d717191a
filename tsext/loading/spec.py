"""What is to be loaded, and how: all that a worker on any machine needs, as it stands in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection

from tsext.backfill import ledger
from tsext.backfill.ledger import Backfill
from tsext.errors import LoadError
from tsext.loading.csv_files import CsvFile
from tsext.loading.formats import Format
from tsext.loading.sources import Mark, Outline, Part, Range, Stamp, digest


class Source(Protocol):
    """A file that can be loaded in parts."""

    def outline(self) -> Outline:
        """What can be told of it without going through it."""

    def marks(self, within: Range) -> Iterator[Mark]:
        """Go through some of it, which begins where a part may."""

    def part(self, which: Range) -> Part:
        """What a task is about."""

    def values(self, record: bytes) -> list[str | None]:
        """What a record holds, as far as Python reads it as the server does; None for a null."""


_OF_NOTHING = sha256().hexdigest()


@dataclass(frozen=True)
class Spec:
    """What is to be loaded, and how."""

    path: str
    """Absolute; under which every worker finds it."""
    size: int
    """In bytes."""
    modified: int
    """In nanoseconds since 1970, when it was first looked at."""
    columns: list[str]
    sha256: str = _OF_NOTHING
    """Of its beginning, as far as it has been gone through; in the end, of all of it."""
    hashed: int = 0
    """How many bytes that is."""
    most: int = 0
    """Bytes, or rows, of a part."""
    chunks_made: int = 0
    kind: str = "csv"
    """``csv``, or ``arrow`` for files of Parquet and Arrow."""
    header: str = ""
    """What is done with the first record: ``names`` columns, ``skip``; empty: it is one as the others."""
    format: dict[str, str] = field(default_factory=dict)
    """The fields of :class:`tsext.loading.formats.Format`."""
    on_conflict_do_nothing: bool = False
    tool: str = ""
    """A program that does the work; empty: tsext itself."""
    batch_size: int = 0
    """Of that program, in rows."""
    workers: int = 0
    """Of that program; may change."""
    reading: dict[str, str] = field(default_factory=dict)
    """Settings of the session that decide how a time is read."""
    max_rejects: int | None = None
    """May change; all else but the file's place may not."""

    @classmethod
    def of(cls, backfill: Backfill) -> Spec:
        """What stands in the ledger; an older tsext had gone through all of a file before."""
        return cls(**{"hashed": backfill.spec["size"], **backfill.spec})

    def as_json(self) -> dict[str, Any]:
        """For the ledger."""
        return asdict(self)

    def source(self) -> Source:
        """The file.

        :raises LoadError: if what reads it is not installed.
        """
        if self.kind == "arrow":
            from tsext.loading.arrow_files import ArrowFile  # needs pyarrow, an extra

            return ArrowFile(Path(self.path))
        return CsvFile(Path(self.path), Format(**self.format), header=bool(self.header))

    def values(self, record: bytes) -> list[str | None]:
        """What a record holds."""
        return self.source().values(record)

    def is_of(self, stamp: Stamp, path: Path) -> bool:
        """Whether a file is the one that was declared, as far as that has been gone through; reads it."""
        return stamp.size == self.size and digest(path, stamp, self.hashed) == self.sha256


def refuse_changed(connection: Connection, backfill: Backfill) -> None:
    """Refuse a file that is not the one that was declared; quick, as long as nobody has touched it.

    :raises LoadError: with what to do.
    """
    spec = Spec.of(backfill)
    stamp = Stamp.of(Path(spec.path))
    if stamp == Stamp(spec.size, spec.modified):
        return
    now = ledger.current(connection, backfill)  # more may have been gone through
    if now is None or not Spec.of(now).is_of(stamp, Path(spec.path)):
        raise LoadError(f"{spec.path} has changed since it was begun to be loaded", hint=CHANGED)


CHANGED = (
    "what is loaded of it stays: put the file back as it was, and run the same command again; or load the new one "
    "under another --load-name, if its records are others"
)
