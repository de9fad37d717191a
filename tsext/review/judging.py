"""Judging what was read: which findings count, which are waived, and what follows for the revision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from tsext import safety
from tsext.errors import Finding
from tsext.operations.operation import Operation
from tsext.phases import Phase
from tsext.review.reading import Reading, Sent, Stop
from tsext.safety import Axis, Category, Hazard, Statement
from tsext.safety.waivers import UNREADABLE, Waiver


@dataclass(frozen=True)
class Waived:
    """A finding that its author answers for, or did until the waiver expired."""

    hazard: Hazard
    waiver: Waiver

    @property
    def details(self) -> dict[str, str | None]:
        """What is recorded of it."""
        until = self.waiver.until
        return {
            "rule": self.waiver.rule,
            "because": self.waiver.because,
            "until": until.isoformat() if until else None,
            "at": place(self.hazard),
        }


@dataclass(frozen=True)
class Verdict:
    """What is found on one revision, or one SQL file."""

    reading: Reading
    hazards: tuple[Hazard, ...]
    """The findings that count: not waived, and not gated."""
    waived: tuple[Waived, ...] = ()
    expired: tuple[Waived, ...] = ()
    """Those of :attr:`hazards` whose waiver has expired, with that waiver."""
    gated: tuple[Hazard, ...] = ()
    """Findings that do not count, since the revision waits for an application that expects what it does."""
    phase: Phase = Phase()

    @property
    def category(self) -> Category:
        """Whether it may run at any time."""
        return safety.category(self.hazards)

    @property
    def is_unsafe(self) -> bool:
        """Whether it belongs in a maintenance window."""
        return self.category is Category.UNSAFE

    @property
    def findings(self) -> list[Finding]:
        """The hazards that count, with their places."""
        return located(self.hazards)

    @property
    def will_fail(self) -> tuple[Hazard, ...]:
        """What the server will surely refuse, whatever statements that cannot be read have done before."""
        return tuple(each for each in self.hazards if each.rule in safety.CERTAIN)


def located(hazards: Iterable[Hazard]) -> list[Finding]:
    """Findings that tell the place and the rule."""
    return [
        Finding(each.rule, f"{place(each)}: {each.rule}: {each.message}", each.hint, each.severity) for each in hazards
    ]


def place(hazard: Hazard) -> str:
    """``file:line`` of the statement; the file as seen from the working directory."""
    path, line = hazard.statement.path, hazard.statement.line
    return f"{relative(path, Path.cwd())}:{line}" if path else "?"


def relative(path: Path, folder: Path) -> str:
    """A path as seen from a folder it is in; absolute if it is elsewhere."""
    path = path.absolute()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()


def judge(readings: Sequence[Reading], facts: safety.Facts, today: date | None = None) -> list[Verdict]:
    """Judge revisions that run one after the other.

    :param facts: what is known of the database before the first of them.
    :param today: the date that expires waivers; in UTC.
    """
    today = today or datetime.now(UTC).date()
    found = safety.classify_in_turn(([each.statement for each in reading.sent] for reading in readings), facts)
    by_statement: dict[int, list[Hazard]] = {}
    for hazard in (each for of_revision in found for each in of_revision):
        by_statement.setdefault(id(hazard.statement), []).append(hazard)
    return [_verdict(reading, by_statement, today) for reading in readings]


def _verdict(reading: Reading, found: dict[int, list[Hazard]], today: date) -> Verdict:
    phase = Phase.of(reading.script) if reading.script else Phase()
    waits = phase.requires_application is not None and not reading.downgrade
    hazards: list[Hazard] = []
    gated: list[Hazard] = []
    waived: list[Waived] = []
    expired: list[Waived] = []
    for hazard, waivers in _with_waivers(reading, found):
        own = [each for each in waivers if each.rule == hazard.rule]
        valid = [each for each in own if each.holds(today)]
        if valid:
            waived.append(Waived(hazard, valid[-1]))
        elif waits and hazard.axis is Axis.COMPATIBILITY:
            gated.append(hazard)
        else:
            hazards.append(hazard)
            expired += [Waived(hazard, each) for each in own[-1:]]
    return Verdict(reading, tuple(hazards), tuple(waived), tuple(expired), tuple(gated), phase)


def _with_waivers(reading: Reading, found: dict[int, list[Hazard]]) -> Iterator[tuple[Hazard, Iterable[Waiver]]]:
    for sent in reading.sent:
        for hazard in found.get(id(sent.statement), ()):
            if not _known_better(sent, hazard):
                yield hazard, sent.waivers
    if reading.stop is not None:
        yield _unreadable(reading.name, reading.stop), reading.stop.waivers


_IN_BATCHES = ("mass-update", "wide-update", "large-update", "mass-insert")
"""What is said of an UPDATE or INSERT that a script has in one, and a verb of tsext runs in batches."""


def _known_better(sent: Sent, hazard: Hazard) -> bool:
    """Whether a verb of tsext states what cannot be told from its SQL, such as a block that waits for jobs."""
    if sent.verb is None:
        return False
    own = Operation.verbs[sent.verb].answers_for
    return hazard.axis is Axis.UNKNOWN or hazard.rule in _IN_BATCHES or hazard.rule in own


def _unreadable(name: str, stop: Stop) -> Hazard:
    reason = str(stop.error).strip().partition("\n")[0] or type(stop.error).__name__
    return Hazard(
        rule=UNREADABLE,
        message=f"what {name} does from here on cannot be told without running it: {reason}",
        hint="let it run SQL that does not depend on what it finds in the database; or answer for it: "
        f'with safety.assured("{UNREADABLE}", because="…")',
        axis=Axis.UNKNOWN,
        statement=Statement("", stop.path, stop.line),
    )
