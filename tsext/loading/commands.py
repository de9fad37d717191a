"""``tsext load``."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from sqlalchemy import Engine

from tsext.backfill import ledger
from tsext.errors import LoadError
from tsext.loading import program, transfers
from tsext.loading.formats import Format
from tsext.loading.loads import Loaded, Request, load
from tsext.loading.transfers import Transferred

EPILOG = (
    "Exit codes: 0 all rows are loaded, 3 all but the rejected ones, 130 interrupted, anything else: it failed. "
    "The same command goes on where it was."
)

WITH_REJECTS, INTERRUPTED = 3, 130
"""Exit codes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``tsext load``."""
    parser.epilog = EPILOG
    parser.add_argument("target", metavar="TABLE", help="table or hypertable, as it is written in SQL")
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="CSV file; or Parquet, Arrow (.parquet, .arrow, .feather)"
    )
    parser.add_argument("--from-database", metavar="URL", help="instead of a file: copy a table of another database")
    parser.add_argument("--from-table", metavar="TABLE", help="its name there, if it is another one")
    parser.add_argument(
        "--catch-up", action="store_true", help="compare once more what is copied, and copy again what differs"
    )
    parser.add_argument("--workers", type=_positive, default=2, help="how many load at once (default 2)")
    parser.add_argument("--delimiter", default=",", help="one character (default ,); \\t is a tabulator")
    header = parser.add_mutually_exclusive_group()
    header.add_argument(
        "--header", action="store_const", const="names", default="", help="the first record names the columns"
    )
    header.add_argument("--skip-header", action="store_const", const="skip", dest="header", help="it is passed over")
    parser.add_argument("--columns", type=_names, help="a,b,c: columns of the table in the order of the file")
    parser.add_argument("--null", default="", help="what stands for a null (default: nothing, without quotes)")
    parser.add_argument("--quote", default='"', help='one character (default ")')
    parser.add_argument("--escape", help="one character (default: the quote)")
    parser.add_argument("--encoding", default="UTF8", help="PostgreSQL's name of it (default UTF8)")
    parser.add_argument("--on-conflict-do-nothing", action="store_true", help="leave out rows whose key is there")
    parser.add_argument("--max-rejects", type=_count, default=1000, help="stop when more are rejected (default 1000)")
    parser.add_argument("--rejects", type=Path, help="file for what is rejected (default FILE.rejects.csv)")
    parser.add_argument("--load-name", help="name of the load in the ledger (default load-TABLE-FILE)")
    parser.add_argument(
        "--tool", choices=(program.NAME,), default="", help="let this program do it, if it is installed"
    )
    parser.add_argument("--batch-size", type=_positive, default=5000, help="rows in a batch of --tool (default 5000)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _names(text: str) -> list[str]:
    return [each.strip() for each in text.split(",")]


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("at least 0")
    return number


def _positive(text: str) -> int:
    if _count(text) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return int(text)


def request(options: argparse.Namespace) -> Request:
    """What the arguments ask for."""
    escape = options.quote if options.escape is None else options.escape
    return Request(
        path=Path(options.file),
        table=options.target,
        name=options.load_name,
        columns=options.columns,
        format=Format(
            "\t" if options.delimiter == "\\t" else options.delimiter,
            options.null,
            options.quote,
            escape,
            options.encoding,
        ),
        header=options.header,
        on_conflict_do_nothing=options.on_conflict_do_nothing,
        max_rejects=options.max_rejects,
        rejects=options.rejects,
        tool=options.tool,
        batch_size=options.batch_size if options.tool else 0,
        workers=options.workers,
    )


def transfer(options: argparse.Namespace) -> transfers.Request:
    """The same for a table of another database."""
    return transfers.Request(
        url=options.from_database,
        table=options.target,
        source=options.from_table,
        name=options.load_name,
        columns=options.columns,
        catch_up=options.catch_up,
        workers=options.workers,
    )


def run(options: argparse.Namespace, engine: Engine) -> int:
    """Load; returns the exit code."""
    begun = time.monotonic()
    _refuse_both(options)
    with _Bar(Console(stderr=True), quiet=options.json) as bar:
        if options.from_database:
            loaded: Loaded | Transferred = transfers.load(engine, transfer(options), bar.show)
        else:
            loaded = load(engine, request(options), bar.show)
    seconds = time.monotonic() - begun
    if options.json:
        print(json.dumps({**asdict(loaded), "seconds": round(seconds, 3)}, indent=2))
    else:
        print("\n".join(_lines(loaded, seconds)))
    if loaded.interrupted:
        return INTERRUPTED
    return WITH_REJECTS if isinstance(loaded, Loaded) and loaded.rejected else 0


_OF_BOTH = ("target", "file", "workers", "columns", "load_name", "json", "from_database", "from_table", "catch_up")
"""Arguments that are not about a file alone."""


def _refuse_both(options: argparse.Namespace) -> None:
    """Refuse what makes no sense together."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    if not options.from_database:
        if not options.file or options.from_table or options.catch_up:
            raise LoadError("what is to be loaded?", hint="name a file; or --from-database URL")
        return
    untouched = vars(parser.parse_args(["table"]))
    given = [name for name in untouched if name not in _OF_BOTH and getattr(options, name) != untouched[name]]
    if options.file or given:
        said = "a file" if options.file else "--" + given[0].replace("_", "-")
        raise LoadError(f"{said} and --from-database do not go together", hint="leave out one of them")


def _lines(loaded: Loaded | Transferred, seconds: float) -> list[str]:
    if isinstance(loaded, Transferred):
        return _lines_of_table(loaded, seconds)
    rows = f"{loaded.rows:,} rows".replace(",", " ")
    if loaded.already_done:
        lines = [f"{loaded.name} is loaded already: {rows}; nothing was done"]
    elif loaded.interrupted:
        lines = [f"interrupted: {loaded.tasks - loaded.tasks_left} of {loaded.tasks} parts are loaded, with {rows}"]
        lines.append("the same command goes on with the others")
    else:
        lines = [f"loaded {loaded.file} into {loaded.table}: {rows} in {seconds:.1f} s"]
    if loaded.skipped:
        lines.append(f"left out, since there is a row with the same key: {loaded.skipped}")
    if loaded.rejected:
        lines.append(f"rejected: {loaded.rejected}, see {loaded.rejects}")
    return lines


def _lines_of_table(loaded: Transferred, seconds: float) -> list[str]:
    rows = f"{loaded.rows:,} rows".replace(",", " ")
    if loaded.interrupted:
        return [f"interrupted, with {rows}; {loaded.ranges_left} ranges are left", "the same command goes on with them"]
    what = f"{loaded.source} of {loaded.database}"
    if loaded.already_done and not loaded.compared_again:
        return [f"{what} is copied already; nothing was done: to compare once more: --catch-up"]
    return [f"copied {what} into {loaded.table}, and found both the same: {rows} written in {seconds:.1f} s"]


class _Bar:
    """How far it is, on a terminal."""

    def __init__(self, console: Console, quiet: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.percentage:>3.0f}%"),
            BarColumn(),
            TextColumn("{task.fields[rows]:>14,} rows"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("load", total=1.0, rows=0, rate="")

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, progress: ledger.Progress) -> None:
        """That is how far it is now."""
        rate = "" if progress.rows_per_second is None else f"{progress.rows_per_second:,.0f} rows/s"
        self._progress.update(self._task, completed=progress.fraction, rows=progress.rows, rate=rate)
