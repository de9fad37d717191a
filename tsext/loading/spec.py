"""What is to be loaded, and how: all that a worker on any machine needs, as it stands in the ledger."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tsext.backfill.ledger import Backfill
from tsext.errors import LoadError
from tsext.loading.csv_files import CsvFile
from tsext.loading.formats import Format
from tsext.loading.sources import Part, Range, Stamp, Survey, digest


class Source(Protocol):
    """A file that can be loaded in parts."""

    @property
    def copy_options(self) -> str:
        """What follows ``COPY … FROM STDIN`` for its parts."""

    def survey(self) -> Survey:
        """Go through it once."""

    def part(self, which: Range) -> Part:
        """What a task is about."""

    def values(self, record: bytes) -> list[str | None]:
        """What a record holds, as far as Python reads it as the server does; None for a null."""


@dataclass(frozen=True)
class Spec:
    """What is to be loaded, and how."""

    path: str
    """Absolute; under which every worker finds it."""
    sha256: str
    size: int
    """In bytes."""
    modified: int
    """In nanoseconds since 1970, when the hash was made."""
    columns: list[str]
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
        """What stands in the ledger."""
        return cls(**backfill.spec)

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

    def refuse_changed(self) -> None:
        """Refuse a file that is not the one that was declared; quick, as long as nobody has touched it.

        :raises LoadError: with what to do.
        """
        path = Path(self.path)
        stamp = Stamp.of(path)
        if stamp == Stamp(self.size, self.modified):
            return
        if stamp.size != self.size or digest(path, stamp) != self.sha256:
            raise LoadError(f"{path} has changed since it was begun to be loaded", hint=CHANGED)


CHANGED = (
    "what is loaded of it stays: put the file back as it was, and run the same command again; or load the new one "
    "under another --load-name, if its records are others"
)
