"""``tsext backfill list|run|status|pause|resume|cancel|retry|verify|finish|limits``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from alembic.config import Config
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from sqlalchemy import Connection

from tsext import durations
from tsext.backfill import ledger
from tsext.backfill.ledger import Backfill, State
from tsext.command import backfills
from tsext.command.backfills import Crew, Report

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

_SECONDS = 10.0
"""Between two lines, where there is no terminal."""

_COLOURS = {
    State.RUNNING: "cyan", State.PAUSED: "yellow", State.FAILED: "red", State.CANCELLED: "red",
    State.DONE: "green", State.APPLIED: "green",
}  # fmt: skip

_ACTIONS = {
    "list": "All backfills, and how far they are",
    "run": "Work on a backfill, on those of a revision, or on all that are declared or pending, until they are done",
    "status": "One backfill: how far it is, why it waits, who is at work, what has failed",
    "pause": "Let workers wait after the transaction at hand",
    "resume": "Let what was paused go on",
    "cancel": "End it, also within a task; what is done stays done",
    "retry": "Let what has failed, or was cancelled, go on",
    "verify": "Look whether all is as it should be; exit 1 if it is not",
    "finish": "Remove what is kept for the way back, or what is left of a backfill that was given up",
    "limits": "Show limits, or change them, also while it runs: replica_lag=10s rest=200 query=",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``tsext backfill``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="|".join(_ACTIONS))
    for action, meaning in _ACTIONS.items():
        each = actions.add_parser(action, help=meaning, description=meaning)
        each.add_argument("--json", action="store_true", help="Print JSON")
        if action == "run":
            each.add_argument("backfill", nargs="?", metavar="NAME|REVISION", help="Without: all")
            each.add_argument("--workers", type=_count, help="How many; default: the setting backfill_workers")
            each.add_argument("--executor", default="threads", help="threads (default), or dask://host:port")
        elif action != "list":
            each.add_argument("backfill", metavar="NAME")
        if action == "limits":
            each.add_argument("limits", nargs="*", metavar="LIMIT=VALUE", help="Without a value: the default")


def run(config: Config, options: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    return _DOING[options.action](config, options)


def _count(text: str) -> int:
    if not text.isdigit() or text.strip("0") == "":
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1")
    return int(text)


# --- one function for each


def _list(config: Config, options: argparse.Namespace) -> int:
    reports = backfills.listed(config)
    if options.json:
        _print_json([each.as_json() for each in reports])
        return 0
    table = Table("name", "kind", "of", "state", "done", "rows", "left", "reason")
    for each in reports:
        backfill, progress = each.backfill, each.progress
        state = f"[{_COLOURS.get(backfill.state, 'default')}]{backfill.state}[/]"
        done = f"{progress.fraction:.0%}"
        table.add_row(
            escape(backfill.name), backfill.kind, escape(backfill.source), state, done, f"{progress.rows:,}",
            _left(each), escape(backfill.reason or ""),
        )  # fmt: skip
    _console().print(table if reports else "no backfill is declared")
    return 0


def _run(config: Config, options: argparse.Namespace) -> int:
    try:
        with _showing(quiet=options.json) as tell:
            reports = backfills.run(config, options.backfill, Crew(options.workers, options.executor), tell)
    except KeyboardInterrupt:
        print("interrupted; others may go on, and so may you: tsext backfill run", file=sys.stderr)
        return INTERRUPTED
    if options.json:
        _print_json([each.as_json() for each in reports])
    elif not reports:
        print("no backfill is declared, and no pending revision declares one")
    else:
        for each in reports:
            print(_line(each))
    return int(any(each.backfill.state not in _WELL for each in reports))


_WELL = (State.DONE, State.APPLIED, State.FINISHED)


def _line(report: Report) -> str:
    backfill, progress = report.backfill, report.progress
    reason = f": {backfill.reason}" if backfill.reason else ""
    done = f"{progress.rows:,} rows in {progress.done} of {progress.tasks} tasks"
    return f"{backfill.name}: {backfill.state}{reason}; {done}"


def _status(config: Config, options: argparse.Namespace) -> int:
    report = backfills.status(config, options.backfill)
    if options.json:
        _print_json(report.as_json())
        return 0
    backfill, progress, console = report.backfill, report.progress, _console()
    console.print(escape(f"{backfill.name}: {backfill.kind} of {backfill.source}, {backfill.state}"), highlight=False)
    facts = {
        "waits" if backfill.state is State.RUNNING else "why": _why(backfill),
        "waited before": f"{backfill.waited:.0f} s" if backfill.waited >= 1 else None,
        "waited for": _waited_for(backfill) or None,
        "revision": backfill.revision,
        "done": f"{progress.fraction:.1%}: {progress.done} of {progress.tasks} tasks, {progress.rows:,} rows written",
        "rate": f"{progress.rows_per_second:,.0f} rows/s" if progress.rows_per_second and progress.workers else None,
        "left": _left(report) or None,
        "WAL": _wal(progress),
        "limits": ", ".join(f"{name}={text}" for name, text in backfill.limits.items()) or None,
        **{f"at work: {each.worker}": f"{each.step} {each.relation}" for each in report.attempts},
        **{f"task {each.id} {each.state}": each.error for each in report.tasks if each.error},
    }
    for fact, value in facts.items():
        if value is not None:
            console.print(escape(f"  {fact}: {value}"), highlight=False)
    return 0


def _why(backfill: Backfill) -> str | None:
    since = f" (since {backfill.waits_since:%Y-%m-%d %H:%M:%S%z})" if backfill.waits_since else ""
    return f"{backfill.reason}{since}" if backfill.reason else None


def _waited_for(backfill: Backfill) -> str:
    by_reason = ledger.waited_for(backfill, datetime.now(UTC)).items()
    return ", ".join(f"{reason} {seconds:.0f} s" for reason, seconds in by_reason if seconds >= 1)


def _wal(progress: ledger.Progress) -> str | None:
    if progress.wal_bytes is not None:
        return f"{progress.wal_bytes:,} bytes"
    return "not measured: PostgreSQL tells it from 18 on" if progress.done else None


def _change(config: Config, options: argparse.Namespace) -> int:
    changed = backfills.change_state(config, options.backfill, options.action)
    if options.json:
        _print_json(asdict(changed))
    else:
        further = f"; workers that are still there go on; others: tsext backfill run {changed.name}"
        print(f"{changed.name}: {changed.state}" + (further if changed.state is State.RUNNING else ""))
    return 0


def _limits(config: Config, options: argparse.Namespace) -> int:
    found = backfills.limits(config, options.backfill, options.limits)
    if options.json:
        _print_json(found)
    else:
        for name, text in found.items():
            print(f"{name}={text}")
    return 0


def _verify(config: Config, options: argparse.Namespace) -> int:
    findings = backfills.verify(config, options.backfill)
    if options.json:
        _print_json([asdict(each) for each in findings])
    else:
        print("\n".join(map(str, findings)) or f"{options.backfill}: nothing is wrong")
    return int(bool(findings))


def _finish(config: Config, options: argparse.Namespace) -> int:
    backfills.finish(config, options.backfill)
    if options.json:
        _print_json({"name": options.backfill, "state": State.FINISHED})
    else:
        print(f"{options.backfill}: finished")
    return 0


_DOING: dict[str, Callable[[Config, argparse.Namespace], int]] = {
    "list": _list,
    "run": _run,
    "status": _status,
    "pause": _change,
    "resume": _change,
    "cancel": _change,
    "retry": _change,
    "verify": _verify,
    "finish": _finish,
    "limits": _limits,
}


# --- progress


@contextmanager
def _showing(*, quiet: bool) -> Iterator[Callable[[Connection, Backfill], None] | None]:
    """What tells how far it is: a bar on a terminal, lines elsewhere."""
    if quiet:
        yield None
    elif not sys.stderr.isatty():
        yield _lines()
    else:
        columns = [
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rate]}"), TextColumn("{task.fields[left]}"),
            TextColumn("[yellow]{task.fields[reason]}"),
        ]  # fmt: skip
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            yield _drawing(bars)


def _drawing(bars: Progress) -> Callable[[Connection, Backfill], None]:
    drawn: dict[str, Any] = {}

    def tell(connection: Connection, backfill: Backfill) -> None:
        shown = _shown(connection, backfill)
        if backfill.name not in drawn:
            drawn[backfill.name] = bars.add_task(escape(backfill.name), total=1.0, **shown)
        bars.update(drawn[backfill.name], **shown)

    return tell


def _lines() -> Callable[[Connection, Backfill], None]:
    last = time.monotonic()

    def tell(connection: Connection, backfill: Backfill) -> None:
        nonlocal last
        if time.monotonic() - last >= _SECONDS:
            last, shown = time.monotonic(), _shown(connection, backfill)
            words = (f"{shown['completed']:.0%}", shown["rate"], shown["left"], shown["reason"])
            print(f"{backfill.name}: {', '.join(filter(None, words))}", file=sys.stderr, flush=True)

    return tell


def _shown(connection: Connection, backfill: Backfill) -> dict[str, Any]:
    now = ledger.current(connection, backfill) or backfill
    report = Report(now, ledger.progress(connection, backfill))
    rate, paused = report.progress.rows_per_second, now.state is not State.RUNNING
    return {
        "completed": report.progress.fraction,
        "rate": f"{rate:,.0f} rows/s" if rate else "",
        "left": _left(report),
        "reason": escape(
            ": ".join(filter(None, (str(now.state) if paused else "waits" if now.reason else "", now.reason)))
        ),
    }


def _left(report: Report) -> str:
    seconds = report.progress.seconds_left
    if seconds is None or report.backfill.state is not State.RUNNING:
        return ""
    return f"{durations.measured(seconds)} left"


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 140)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str))
