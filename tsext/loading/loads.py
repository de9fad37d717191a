"""A load from its declaration to its end: what is to be loaded is entered in the ledger, and workers do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from tsext import catalog
from tsext.backfill import ledger, workers
from tsext.backfill.ledger import Backfill, Declaration, NewTask, Progress
from tsext.errors import LoadError
from tsext.history import bookkeeping
from tsext.loading import attending, chunks, copying, planning, program, rejects
from tsext.loading.formats import Format
from tsext.loading.rejects import query
from tsext.loading.sources import Outline, Range, Stamp, digest
from tsext.loading.spec import CHANGED, Spec

_CALLED = {
    "sha256": "the content of the file",
    "size": "the size of the file",
    "columns": "--columns",
    "kind": "the format of the file",
    "header": "--header or --skip-header",
    "format": "the format (--delimiter, --null, --quote, --escape, --encoding)",
    "on_conflict_do_nothing": "--on-conflict-do-nothing",
    "tool": "--tool",
    "batch_size": "--batch-size",
}
"""What must be the same for a load to go on, and what users call it."""


@dataclass(frozen=True)
class Request:
    """What a user asks for.

    :param table: as it stands in SQL.
    :param name: of the load; None: made of the names of table and file.
    :param columns: in the order of the file; None: those that the header names, or else all.
    :param header: ``names``, ``skip`` or empty.
    :param max_rejects: None: any number.
    :param rejects: the file for what is rejected; None: beside the file.
    :param tool: a program that does the work: ``timescaledb-parallel-copy``; empty: tsext itself.
    :param batch_size: of that program, in rows.
    :param workers: how many load at once.
    :raises LoadError: if the file would be overwritten.
    """

    path: Path
    table: str
    name: str | None = None
    columns: list[str] | None = None
    format: Format = Format()
    header: str = ""
    on_conflict_do_nothing: bool = False
    max_rejects: int | None = 1000
    rejects: Path | None = None
    tool: str = ""
    batch_size: int = 0
    workers: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", self.path.resolve())
        if self.rejects is not None and self.rejects.resolve() == self.path:
            raise LoadError(
                f"{self.path} would be overwritten by what is rejected", hint="name another file: --rejects"
            )

    @property
    def kind(self) -> str:
        """Of the file."""
        return "arrow" if self.path.suffix.lower() in (".parquet", ".arrow", ".feather", ".ipc") else "csv"

    @property
    def asked(self) -> dict[str, Any]:
        """What of :class:`tsext.loading.spec.Spec` it says without a look at file or database."""
        names = ("kind", "header", "on_conflict_do_nothing", "tool", "batch_size", "workers", "max_rejects")
        given = {name: getattr(self, name) for name in names}
        return {"path": str(self.path), "format": asdict(self.format), **given}

    @property
    def load_name(self) -> str:
        """The name in the ledger."""
        return self.name or f"load-{self.table}-{self.path.name}"


@dataclass(frozen=True)
class Loaded:
    """How a load stands."""

    name: str
    table: str
    file: str
    state: str
    """``done``, or what keeps it."""
    reason: str | None
    already_done: bool
    """Whether there was nothing left to do."""
    rows: int
    """Written, in all."""
    skipped: int
    """Left out, since there was a row with the same key."""
    rejected: int
    rejects: str | None
    """The file that has them."""
    chunks_made: int
    tasks: int
    tasks_left: int
    interrupted: bool = False


@dataclass(frozen=True)
class _Declared:
    backfill: Backfill
    spec: Spec
    is_done: bool
    """Whether nothing is left to do."""


def load(engine: Engine, request: Request, watch: Callable[[Progress], None] = lambda _: None) -> Loaded:
    """Load a file, or what is left of it, and wait until that is done.

    Ctrl-C ends it after the tasks at hand; the same call goes on with the others.

    :param watch: told how far it is, twice a second.
    :raises LoadError: if it cannot be begun, or cannot go on: with what to do.
    """
    with workers.connected(engine) as connection:
        declared = _declare(connection, request)
        if not declared.is_done:
            attending.open_again(connection, declared.backfill)
    count = 1 if request.tool else request.workers
    interrupted = not declared.is_done and attending.attend(engine, declared.backfill, count, watch)
    with engine.connect() as connection:
        standing = attending.standing(connection, declared.backfill.name, besides=planning.STEP)
        rejected = rejects.rejected(connection, declared.backfill.id)
    file = _written(request, rejected)
    if not interrupted:
        of = len(standing.tasks)
        attending.refuse_stopped(standing, f"{of - standing.left} of {of} parts are loaded")
    return Loaded(
        name=standing.backfill.name,
        table=standing.backfill.source,
        file=declared.spec.path,
        state=str(standing.backfill.state),
        reason=standing.reason,
        already_done=declared.is_done,
        rows=standing.progress.rows,
        skipped=standing.progress.seen - standing.progress.rows - len(rejected),
        rejected=len(rejected),
        rejects=file,
        chunks_made=Spec.of(standing.backfill).chunks_made,
        tasks=len(standing.tasks),
        tasks_left=standing.left,
        interrupted=interrupted,
    )


def _written(request: Request, rejected: list[rejects.Reject]) -> str | None:
    """The file of what was rejected; None if nothing was."""
    if not rejected:
        return None
    path = request.rejects or request.path.with_name(f"{request.path.name}.rejects.csv")
    rejects.write(path, rejected)
    return str(path)


# --- declaring


def _declare(connection: Connection, request: Request) -> _Declared:
    """Enter a load in the ledger with all its tasks at once, or find it there."""
    path = request.path
    table = _found_table(connection, request.table)
    bookkeeping.upgrade(connection, ledger=True)
    known = ledger.named(connection, request.load_name)
    if known is not None:
        return _found_again(connection, request, known, table)
    copying.refuse_options(connection, request.format)
    relation = str(table)
    source = Spec(str(path), 0, 0, [], kind=request.kind, header=request.header, format=asdict(request.format)).source()
    outline = source.outline()
    spec = _spec(connection, request, outline, relation)
    if request.name is None:
        _refuse_twice(connection, request, relation, outline.stamp)
    first = NewTask(planning.STEP, relation, outline.records.lower, outline.records.upper, 0)
    if request.tool:
        program.refuse_missing(spec)
        spec, first = _for_program(connection, table, spec, outline.records)
    wanted = Declaration("load", relation, spec.as_json(), given=request.load_name)
    with ledger.transaction(connection):
        backfill = ledger.declare(connection, wanted)
        ledger.plan(connection, backfill, [first])
        ledger.limit(connection, backfill, attending.LIMITS)
    return _Declared(backfill, spec, is_done=False)


def _for_program(connection: Connection, table: catalog.Relation, spec: Spec, records: Range) -> tuple[Spec, NewTask]:
    """Go through all of it at once, for a program that loads it by itself."""
    marks = list(spec.source().marks(records))
    placed = chunks.place(connection, table, spec, [sample for each in marks for sample in each.samples])
    stamp = Stamp(spec.size, spec.modified)
    hashed = replace(spec, sha256=digest(Path(spec.path), stamp), hashed=spec.size, chunks_made=placed.made)
    lines = sum(each.range.lines for each in marks)
    return hashed, NewTask(program.STEP, str(table), records.lower, records.upper, lines)


def _found_table(connection: Connection, table: str) -> catalog.Relation:
    found = catalog.named(connection, table)
    if found is None:
        raise LoadError(
            f"there is no table {table}",
            hint="write its name as in SQL, if need be with its schema and quotes: 'market.\"Ticks\"'",
        )
    return found


def _spec(connection: Connection, request: Request, outline: Outline, relation: str) -> Spec:
    reading = dict(connection.exec_driver_sql(query("reading")).mappings().one())
    return Spec(
        **request.asked,
        size=outline.stamp.size,
        modified=outline.stamp.modified,
        columns=_columns(connection, request, outline, relation),
        most=outline.most,
        reading=reading,
    )


def _columns(connection: Connection, request: Request, outline: Outline, relation: str) -> list[str]:
    """Those of the file, in its order."""
    there = list(catalog.loadable_columns(connection, relation))
    if not request.header and not request.columns and outline.first and set(outline.first) <= set(there):
        raise LoadError(
            f"the first record of {request.path} names columns of {request.table}: {', '.join(outline.first)}",
            hint="let it do so: --header; or, if it is a row, name the columns of the file: --columns a,b",
        )
    by_header = request.header != "skip" and outline.columns is not None
    given = request.columns or (outline.columns if by_header else None) or there
    if unknown := [each for each in given if each not in there]:
        cure = "name the columns of the table in the order of the file: --columns a,b"
        raise LoadError(
            f"{request.table} has no column {', '.join(unknown)} that could be loaded; its columns are "
            f"{', '.join(there)}",
            hint=f"{cure}, and --skip-header to pass over the header" if by_header else cure,
        )
    if twice := sorted({each for each in given if given.count(each) > 1}):
        raise LoadError(f"column {', '.join(twice)} is named twice", hint="name each column of the file once")
    return list(given)


def _refuse_twice(connection: Connection, request: Request, relation: str, stamp: Stamp) -> None:
    """Refuse content that is loaded already; the file is read only where there is a load of the same size."""
    for each in ledger.backfills(connection):
        if each.kind != "load" or each.source != relation or each.spec["size"] != stamp.size:
            continue
        if Spec.of(each).is_of(stamp, request.path):
            raise LoadError(
                f"what is in {request.path} is {'loaded' if each.state in attending.DONE else 'being loaded'} into "
                f"{request.table} already, as {each.name}",
                hint=f"to go on with it: --load-name {each.name}; to load the rows once more: another --load-name",
            )


def _found_again(connection: Connection, request: Request, known: Backfill, table: catalog.Relation) -> _Declared:
    """A load that was declared before, if it is the same."""
    relation = str(table)
    if known.kind != "load" or known.source != relation:
        raise LoadError(
            f"{known.name} is another {known.kind}, of {known.source}", hint="give this load a --load-name of its own"
        )
    path = request.path
    spec, stamp = Spec.of(known), Stamp.of(path)
    if not spec.is_of(stamp, path):
        raise LoadError(f"{path} has changed since it was begun to be loaded as {known.name}", hint=CHANGED)
    done = known.state in attending.DONE
    asked = replace(spec, **request.asked, columns=request.columns or spec.columns, modified=stamp.modified)
    _refuse_others(known, spec, asked)
    changed = {name: value for name, value in asked.as_json().items() if value != known.spec.get(name)}
    if not done and changed:
        rejects.refresh(connection, known.id, changed)
    return _Declared(known, asked, done)


def _refuse_others(known: Backfill, before: Spec, asked: Spec) -> None:
    for name, called in _CALLED.items():
        was, now = getattr(before, name), getattr(asked, name)
        if was != now:
            raise LoadError(
                f"{known.name} was begun with other values of {called}: {_difference(was, now)}",
                hint="give the same options as then; or give another --load-name, which loads the whole file anew",
            )


def _difference(was: Any, now: Any) -> str:
    if isinstance(was, dict):
        return ", ".join(f"{name} {was[name]!r}, now {now.get(name)!r}" for name in was if was[name] != now.get(name))
    return f"{was!r}, now {now!r}"
