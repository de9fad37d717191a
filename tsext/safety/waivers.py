"""Waivers: what the author of a revision assures of a rule's findings, why, and until when."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches

from tsext.errors import WaiverRefused
from tsext.safety.rules import RULES

UNREADABLE = "unreadable-revision"
"""What is found on a revision that cannot be read to its end without running it."""

_DIRECTIVE = re.compile(
    r"assured\s+(?P<rule>\S+)\s+because\s+(?P<because>.*?)(?:\s+until\s+(?P<until>\S+))?", re.DOTALL
)


@dataclass(frozen=True)
class Waiver:
    """Findings of one rule that do not count, since their author answers for them."""

    rule: str
    because: str
    until: date | None = None
    """The last day on which it holds; None for good."""

    def __post_init__(self) -> None:
        """Refuse what waives nothing, or says nothing.

        :raises WaiverRefused: with the rules that were meant.
        """
        if self.rule not in RULES:
            meant = get_close_matches(self.rule, RULES, n=3, cutoff=0.5)
            raise WaiverRefused(
                f"no rule is called {self.rule!r}",
                hint=f"did you mean {' or '.join(meant)}?" if meant else "see `tsext lint`, which names them",
            )
        if not self.because.strip():
            raise WaiverRefused(
                f"the rule {self.rule} is waived for no reason",
                hint='say why its findings do no harm: because="…"',
            )

    @classmethod
    def of(cls, rule: str, because: str, until: str | date | None = None) -> Waiver:
        """The waiver that is written so.

        :param until: ``2027-01-31``, or the date itself.
        :raises WaiverRefused: if there is no such rule, no reason, or no such date.
        """
        try:
            return cls(rule, because, date.fromisoformat(until) if isinstance(until, str) else until)
        except ValueError as error:
            if isinstance(error, WaiverRefused):
                raise
            raise WaiverRefused(
                f"the rule {rule} is waived until {until!r}, which is no date", hint='write until="2027-01-31"'
            ) from error

    @classmethod
    def parse(cls, directive: str) -> Waiver:
        """The waiver of a SQL file: ``assured RULE because REASON until 2027-01-31``; the date may be left out.

        :raises WaiverRefused: as :meth:`of`, and if it is not written so.
        """
        found = _DIRECTIVE.fullmatch(directive)
        if not found:
            raise WaiverRefused(
                f"{directive!r} is not of the form assured RULE because REASON until DATE",
                hint="write -- tsext: assured RULE because REASON, and if it is not for good: until 2027-01-31",
            )
        return cls.of(found["rule"], found["because"], found["until"])

    def holds(self, today: date) -> bool:
        """Whether it still has an effect."""
        return self.until is None or today <= self.until

    def __str__(self) -> str:
        return f"{self.rule} because {self.because}{f' until {self.until}' if self.until else ''}"


@dataclass
class Assurances:
    """The waivers of one revision while it is read."""

    active: tuple[Waiver, ...] = ()
    """Those of the blocks that are open, outermost first."""
    stopped: tuple[BaseException, tuple[Waiver, ...]] | None = field(default=None)
    """The exception that left a block last, and the waivers that were active where it was raised."""

    def at(self, error: BaseException) -> tuple[Waiver, ...]:
        """The waivers that were active where an exception was raised."""
        return self.stopped[1] if self.stopped and self.stopped[0] is error else self.active


_reading: ContextVar[Assurances | None] = ContextVar("reading", default=None)


@contextmanager
def noting() -> Iterator[Assurances]:
    """Note which waivers are active while a revision is read."""
    token = _reading.set(noted := Assurances())
    try:
        yield noted
    finally:
        _reading.reset(token)


@contextmanager
def assured(rule: str, *, because: str, until: str | date | None = None) -> Iterator[None]:
    """What this block does may break a rule; its author answers for it.

    Findings of that rule on the block's statements do not count: they do not make the revision unsafe. The waiver is
    recorded in the revision's event.

    :param rule: the finding's id, as ``tsext lint`` prints it.
    :param because: why it does no harm.
    :param until: the last day on which it holds, ``2027-01-31`` or a date; None for good.
    :raises WaiverRefused: if there is no such rule, or no reason.
    """
    waiver, noted = Waiver.of(rule, because, until), _reading.get()
    if noted is None:  # the revision is being run, not read
        yield
        return
    outside, noted.active = noted.active, (*noted.active, waiver)
    try:
        yield
    except BaseException as error:
        noted.stopped = (error, noted.at(error))
        raise
    finally:
        noted.active = outside
