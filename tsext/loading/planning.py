"""Going through a file while it is loaded: a task of its own, which plans the others as it gets on.

It is done in several transactions, each about a stretch of the file: in it, the parts of the stretch are entered as
tasks, and the hash of all that precedes its end. So workers begin at once, and whoever is killed loses one stretch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, zip_longest
from operator import itemgetter
from pathlib import Path

from sqlalchemy import Connection

from tsext import catalog
from tsext.backfill import ledger, workers
from tsext.backfill.ledger import Backfill, NewTask, Outcome, Task
from tsext.errors import LoadError
from tsext.loading import chunks, rejects
from tsext.loading.chunks import Placed
from tsext.loading.rejects import Reject
from tsext.loading.sources import Mark, Range, Sample, Stamp, digest
from tsext.loading.spec import Spec, refuse_changed

STEP, COPY = "look through", "copy"
"""The tasks' steps."""

FIRST_STRETCH, STRETCH = 32 * 2**20, 256 * 2**20
"""About so many bytes are gone through in a transaction: few at first, since other workers wait for them."""

SHARE = 16
"""What goes straight into a chunk is at least this part of what a part may be; smaller pieces are not worth a task."""

_MARKER = "a server before PostgreSQL 18 takes it for the end of the data"


@dataclass(frozen=True)
class Piece:
    """What is to be a task."""

    range: Range
    chunk: str | None
    """Which all of it seems to be in, and may be copied straight into; the server refuses what is not."""


def perform(connection: Connection, backfill: Backfill, task: Task) -> Outcome:
    """Go through the next stretch, in the transaction that is open.

    :raises LoadError: if the file is not the one that was declared.
    """
    refuse_changed(connection, backfill)
    spec = Spec.of(ledger.current(connection, backfill) or backfill)  # with what the last worker on this task has noted
    within = Range.read(task.position or task.lower or "", task.upper or "")
    marks, following = _stretch(spec, within, FIRST_STRETCH if task.position is None else STRETCH)
    ahead = [*marks, *([following] if following else [])]
    samples = [sample for each in ahead for sample in each.samples]
    placed = _placed(connection, named(connection, backfill), spec, samples)
    found = pieces(marks, owners(ahead, placed.chunks)[: len(marks)], spec.most)
    if (connection.dialect.server_version_info or (0,)) < (18,):
        markers = [marker for each in marks for marker in each.end_markers]
        found = (piece for each in found for piece in without(each, markers))
        refused = [Reject(each.line, "22P04", _MARKER, b"\\.") for each in markers]
        rejects.add(connection, backfill.id, refused, spec.max_rejects)
    ledger.plan(connection, backfill, (_task(each, backfill.source) for each in found))
    hashed = spec.size if following is None else following.range.begin
    sha256 = digest(Path(spec.path), Stamp.of(Path(spec.path)), hashed)
    changed = {"sha256": sha256, "hashed": hashed, "chunks_made": spec.chunks_made + placed.made}
    rejects.refresh(connection, backfill.id, changed)
    return Outcome(0, position=None if following is None else following.range.lower)


def named(connection: Connection, backfill: Backfill) -> catalog.Relation:
    """The table that is loaded.

    :raises LoadError: if it is not there any more.
    """
    table = catalog.named(connection, backfill.source)
    if table is None:
        raise LoadError(f"there is no table {backfill.source} any more", hint="create it again")
    return table


def _task(piece: Piece, relation: str) -> NewTask:
    return NewTask(COPY, piece.chunk or relation, piece.range.lower, piece.range.upper, piece.range.lines)


def _stretch(spec: Spec, within: Range, size: int) -> tuple[list[Mark], Mark | None]:
    """The next marks, and the one behind them; of a file that is read by rows, all."""
    stretch: list[Mark] = []
    for each in spec.source().marks(within):
        if stretch and spec.kind == "csv" and each.range.begin - within.begin >= size:
            return stretch, each
        stretch.append(each)
    return stretch, None


def _placed(connection: Connection, table: catalog.Relation, spec: Spec, samples: list[Sample]) -> Placed:
    """Where they belong; on another connection, so that nobody waits for a new chunk until a stretch is planned."""
    if catalog.takes_one_client(connection):
        return Placed([None] * len(samples))
    with workers.connected(connection.engine) as beside:
        return chunks.place(beside, table, spec, samples)


def owners(marks: Sequence[Mark], chunks: Sequence[str | None]) -> list[str | None]:
    """Of each mark the chunk that all of it seems to be in, as its samples, and the next one's first, are.

    :param chunks: of the samples of all marks.
    """
    given = iter(chunks)
    of_samples = [list(islice(given, len(each.samples))) for each in marks]
    found = []
    for mine, following in zip_longest(of_samples, of_samples[1:]):
        seen = {*mine, *(following or [])[:1]}
        found.append(seen.pop() if mine and len(seen) == 1 else None)
    return found


def pieces(marks: Sequence[Mark], owners: Sequence[str | None], most: int) -> Iterator[Piece]:
    """Tasks of about equal size.

    :param most: bytes, or rows, of one.
    """
    runs: list[tuple[str | None, list[Range]]] = []
    for owner, run in groupby(zip(owners, marks, strict=True), key=itemgetter(0)):
        ranges = [mark.range for _, mark in run]
        if owner is not None and SHARE * (ranges[-1].end - ranges[0].begin) < most:
            owner = None
        if owner is None and runs and runs[-1][0] is None:
            runs[-1][1].extend(ranges)
        else:
            runs.append((owner, ranges))
    for owner, ranges in runs:
        yield from (Piece(each, owner) for each in _evenly(ranges, most))


def _evenly(ranges: Sequence[Range], most: int) -> Iterator[Range]:
    begin, size = ranges[0].begin, ranges[-1].end - ranges[0].begin
    share = size / -(-size // most)
    held, number = ranges[0], 1
    for each in ranges[1:]:
        if held.end - begin >= share * number:
            yield held
            held, number = each, number + 1
        else:
            held = held.joined(each)
    yield held


def without(piece: Piece, markers: Iterable[Range]) -> Iterator[Piece]:
    """What is left of it."""
    rest = piece.range
    for each in markers:
        if rest.begin <= each.begin < rest.end:
            if rest.begin < each.begin:
                yield Piece(Range(rest.begin, each.begin, rest.line, each.line - rest.line), piece.chunk)
            line = each.line + each.lines
            rest = Range(each.end, rest.end, line, rest.line + rest.lines - line)
    if rest.begin < rest.end:
        yield Piece(rest, piece.chunk)
