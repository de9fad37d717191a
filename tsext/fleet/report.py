"""What people and programs are told of a fleet."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tsext import durations
from tsext.fleet.rollout import Report
from tsext.fleet.standing import Position, Standing
from tsext.fleet.targets import Target
from tsext.fleet.upgrading import Outcome, State

_OUTCOME = {
    State.UPGRADED: "green",
    State.UP_TO_DATE: "dim",
    State.FAILED: "red",
    State.UNREACHABLE: "red",
    State.CANCELLED: "yellow",
    State.NOT_BEGUN: "magenta",
}
_POSITION = {Position.AT_HEAD: "green", Position.BEHIND: "yellow"}

_FAILURES_SHOWN = 5
"""While it runs; the report has all of them."""


# --- status


def status_table(standings: Iterable[Standing]) -> Table:
    """One line for each target."""
    table = Table("target", "labels", "revision", "state", "pending", "found")
    for each in standings:
        colour = _POSITION.get(each.position, "red")
        unknown = each.position is Position.UNREACHABLE
        table.add_row(
            escape(each.target.name),
            _labels(each.target),
            "" if unknown else escape(_spelled(each.revisions)),
            f"[{colour}]{each.position}[/]",
            "" if unknown else str(len(each.pending)),
            escape(each.told),
        )
    return table


def status_json(standings: Iterable[Standing]) -> list[dict[str, Any]]:
    """One object for each target."""
    return [
        {
            **_target(each.target),
            "state": str(each.position),
            "revisions": list(each.revisions),
            "pending": list(each.pending),
            "findings": [{"rule": one.rule, "message": one.message, "hint": one.hint} for one in each.findings],
        }
        for each in standings
    ]


# --- upgrade


def upgrade_table(report: Report) -> Table:
    """One line for each target, and what failed in full."""
    table = Table("target", "labels", "result", "before", "after", "revisions", "s", "error")
    for each in report.outcomes:
        table.add_row(
            escape(each.target.name),
            _labels(each.target),
            f"[{_OUTCOME[each.state]}]{each.state}[/]",
            escape(_spelled(each.before)) if each.seconds else "",
            escape(_spelled(each.after)) if each.seconds else "",
            str(each.revisions or ""),
            f"{each.seconds:.1f}" if each.seconds else "",
            escape(each.error),
        )
    return table


def upgrade_json(report: Report) -> dict[str, Any]:
    """The whole report."""
    return {
        "succeeded": report.succeeded,
        "stopped": report.stopped,
        "counts": _counts(report.outcomes),
        "targets": [
            {
                **_target(each.target),
                "state": str(each.state),
                "before": list(each.before),
                "after": list(each.after),
                "revisions": each.revisions,
                "seconds": round(each.seconds, 3),
                "error": each.error,
            }
            for each in report.outcomes
        ],
    }


def summary(report: Report) -> str:
    """In one line."""
    counts = ", ".join(f"{number} {state}" for state, number in _counts(report.outcomes).items())
    return f"{counts}; stopped: {report.stopped}" if report.stopped else counts


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    counted = Counter(outcome.state for outcome in outcomes)
    return {str(state): counted[state] for state in State if counted[state]}


def _target(target: Target) -> dict[str, Any]:
    return {
        "name": target.name,
        "database": target.url.render_as_string().partition("?")[0],
        "labels": list(target.labels),
        "canary": target.canary,
        "environment": target.environment,
    }


def _labels(target: Target) -> str:
    return escape(" ".join([*target.labels, *(["canary"] if target.canary else [])]))


def _spelled(revisions: Sequence[str]) -> str:
    return ", ".join(revisions) or "none"


# --- while it runs


@dataclass
class Lines:
    """A line for each target that has ended, where there is no terminal; like a log, on stderr."""

    total: int
    ended_ones: list[Outcome] = field(default_factory=list)
    _baking: bool = False

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begun(self, target: Target) -> None:
        """Not worth a line."""

    def ended(self, outcome: Outcome) -> None:
        """One line."""
        self.ended_ones.append(outcome)
        first, *_ = outcome.error.splitlines() or [""]
        found = f": {first}" if first else f" at {_spelled(outcome.after)}"
        place = f"{len(self.ended_ones)} of {self.total}"
        self.said(f"{place}: {outcome.target.name} {outcome.state}{found} ({outcome.seconds:.1f} s)")

    def baking(self, left: timedelta) -> None:
        """Once."""
        if not self._baking:
            self.said(f"the canaries are well; going on in {durations.measured(left.total_seconds())}")
        self._baking = True

    def said(self, text: str) -> None:
        """One line."""
        print(text, file=sys.stderr, flush=True)

    def confirmed(self, others: int) -> bool:
        """Asked on the terminal that stdin is."""
        return _confirmed(others)


class Board:
    """A board on the terminal: what runs, what has failed, how far it is."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.running: dict[str, float] = {}
        self.ended_ones: list[Outcome] = []
        self.note = ""
        self.live = Live(console=Console(stderr=True), get_renderable=self._drawn, refresh_per_second=4, transient=True)

    def __enter__(self) -> Board:
        self.live.__enter__()
        return self

    def __exit__(self, *details: Any) -> None:
        self.live.__exit__(*details)

    def begun(self, target: Target) -> None:
        """It is on the board, with its time."""
        self.note = ""
        self.running[target.name] = time.monotonic()

    def ended(self, outcome: Outcome) -> None:
        """It is counted."""
        self.running.pop(outcome.target.name, None)
        self.ended_ones.append(outcome)

    def baking(self, left: timedelta) -> None:
        """A clock that runs backwards."""
        self.note = f"the canaries are well; going on in {durations.measured(left.total_seconds())}"

    def said(self, text: str) -> None:
        """Stands there until something begins."""
        self.note = text

    def confirmed(self, others: int) -> bool:
        """Asked below the board, which stands still meanwhile."""
        self.live.stop()
        try:
            return _confirmed(others)
        finally:
            self.live.start()

    def _drawn(self) -> RenderableType:
        done = len(self.ended_ones)
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(self.total, done, width=40), f"{done} of {self.total}", _counted(self.ended_ones))
        now = time.monotonic()
        at_work = Table.grid(padding=(0, 1))
        for name, since in self.running.items():
            at_work.add_row(Text(name), f"{now - since:.0f} s")
        failed = [each for each in self.ended_ones if each.state.is_failure][-_FAILURES_SHOWN:]
        told = [Text(f"{each.target.name}: {each.error.partition(chr(10))[0]}", style="red") for each in failed]
        return Group(bar, *told, at_work, *([Text(self.note, style="bold")] if self.note else []))


def _confirmed(others: int) -> bool:
    print(f"the canaries are upgraded; go on with {others} more? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _counted(outcomes: Sequence[Outcome]) -> str:
    return ", ".join(f"{number} {state}" for state, number in _counts(outcomes).items())


def follower(total: int) -> Lines | Board:
    """The right one for where stderr goes."""
    return Board(total) if sys.stderr.isatty() else Lines(total)
