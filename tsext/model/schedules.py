"""When a background job runs, and what happens if it fails; what policies and user jobs have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self

from tsext.errors import InvalidObject
from tsext.model.features import Feature, License
from tsext.model.intervals import Span, span
from tsext.model.objects import Object

JOBS = Feature(
    "background jobs",
    license=License.TIMESCALE,
    alternative="use a server under the Timescale licence, or a scheduler outside the database; op.drop_chunks works "
    "under any licence",
)


def length(what: str, given: object) -> Span:
    """A length of time, longer than nothing."""
    value = span(what, given)
    if isinstance(value, int):
        raise InvalidObject(f"{what} is {given!r}", hint='write timedelta(days=7) or "7 days"')
    return value


def length_or_nothing(what: str, given: object) -> Span:
    """A length of time, which may be nothing."""
    value = span(what, given, positive=False)
    return value if value == timedelta() else length(what, given)


def moment(what: str, given: object) -> datetime:
    """A point in time, in UTC.

    :raises InvalidObject: unless it is a ``datetime``, or ISO text, with a time zone.
    """
    try:
        value = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        value = None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidObject(
            f"{what} is {given!r}", hint="write a time with its zone: datetime(2030, 1, 1, 3, tzinfo=UTC)"
        )
    return value.astimezone(UTC)


def text(what: str, given: object) -> str:
    """Text that is not empty."""
    if not isinstance(given, str) or not given:
        raise InvalidObject(f"{what} is {given!r}", hint="give it as a string")
    return given


def flag(what: str, given: object) -> bool:
    """True or false."""
    if not isinstance(given, bool):
        raise InvalidObject(f"{what} is {given!r}", hint="write True or False")
    return given


def at_least(lowest: int) -> Callable[[str, object], int]:
    """An integer that is not lower."""

    def check(what: str, given: object) -> int:
        if isinstance(given, bool) or not isinstance(given, int) or given < lowest:
            raise InvalidObject(f"{what} is {given!r}", hint=f"write an integer of at least {lowest}")
        return given

    return check


def mapping(what: str, given: object) -> dict[str, Any]:
    """What JSON has objects for."""
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise InvalidObject(f"{what} is {given!r}", hint='write a dict, for example {"keep": 5}')
    return dict(given)


@dataclass(frozen=True, kw_only=True)
class Schedule(Object):
    """When a job runs. What is None takes the server's default, and is not compared.

    :param schedule_interval: the time between two runs.
    :param initial_start: the first run, with its time zone; later ones keep to it.
    :param timezone: in which days and months begin.
    :param max_runtime: after which it is stopped; nothing: never.
    :param max_retries: how often it is tried again after a failure; -1: for ever.
    :param retry_period: the time between two tries.
    :param scheduled: whether it runs at all.
    :param fixed_schedule: whether runs keep to the times that ``initial_start`` and ``schedule_interval`` give; if not,
        the next one begins ``schedule_interval`` after the last has ended.
    :param config: what the job is told, as JSON; of a policy, what it is told beyond its own fields.
    :raises InvalidObject: for what makes no sense.
    """

    kind: ClassVar[str] = ""
    """What messages call it."""
    checks: ClassVar[Mapping[str, Callable[[str, object], Any]]] = {
        "schedule_interval": length,
        "initial_start": moment,
        "timezone": text,
        "max_runtime": length_or_nothing,
        "max_retries": at_least(-1),
        "retry_period": length_or_nothing,
        "scheduled": flag,
        "fixed_schedule": flag,
        "config": mapping,
    }
    """What each field may hold; gives the value by which it is compared."""
    max_runtime_given: ClassVar[timedelta] = timedelta()
    """What TimescaleDB gives it by itself."""
    retry_period_given: ClassVar[timedelta | None] = None
    """What TimescaleDB gives it by itself; None: the schedule_interval."""

    schedule_interval: Span | None = None
    initial_start: datetime | None = None
    timezone: str | None = None
    max_runtime: Span | None = None
    max_retries: int | None = None
    retry_period: Span | None = None
    scheduled: bool | None = None
    fixed_schedule: bool | None = None
    config: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None:
                object.__setattr__(self, each.name, self.checked(each.name, value))
        if isinstance(self.schedule_interval, str) and any(each in self.schedule_interval for each in ("day", ":")):
            raise InvalidObject(
                f"schedule_interval of a {self.kind} is {self.schedule_interval!r}",
                hint="TimescaleDB takes either months, or days and times",
            )

    @property
    def fixed_schedule_given(self) -> bool:
        """What TimescaleDB makes of it by itself."""
        return True

    def essential(self) -> Self:
        """Without what TimescaleDB gives it by itself; for a found one, in which everything is set."""
        given = {
            "max_runtime": self.max_runtime_given,
            "max_retries": -1,
            "retry_period": self.retry_period_given or self.schedule_interval,
            "scheduled": True,
            "fixed_schedule": self.fixed_schedule_given,
        }
        return replace(self, **{name: None for name, value in given.items() if getattr(self, name) == value})

    @classmethod
    def checked(cls, name: str, value: object) -> Any:
        """What a field holds, as it is compared.

        :raises InvalidObject: if it cannot hold that.
        """
        check = cls.checks.get(name)
        return value if check is None else check(f"{name} of a {cls.kind}", value)


SCHEDULE = tuple(each.name for each in fields(Schedule))
"""The names of what all jobs have."""
