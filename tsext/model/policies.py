"""Policies: what TimescaleDB does by itself to a hypertable or a continuous aggregate, again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from tsext.errors import InvalidObject
from tsext.model.features import Feature, License
from tsext.model.intervals import Span, estimated, span
from tsext.model.objects import TableObject
from tsext.model.schedules import Schedule, at_least, flag, length, text


@dataclass(frozen=True, kw_only=True)
class Policy(Schedule, TableObject):
    """A job that belongs to a hypertable or a continuous aggregate."""

    proc_name: ClassVar[str]
    """What its job runs."""
    keys: ClassVar[Mapping[str, str]]
    """Its own fields, and how they are called in its job's config."""

    offsets: ClassVar[tuple[str, ...]] = ()
    """Those that count in the time of the rows, and so are integers where that is."""

    exclusive: ClassVar[tuple[str, ...]] = ()
    """Those of which exactly one is given."""

    @classmethod
    def word(cls) -> str:
        """What it is called in the names of verbs, and by ``include_object``."""
        return cls.kind.replace(" ", "_")

    @property
    def fixed_schedule_given(self) -> bool:
        """Fixed from ``initial_start`` on, if that is given."""
        return self.initial_start is not None


def _check_exclusive(policy: Policy) -> None:
    names = policy.exclusive
    given = [name for name in names if getattr(policy, name) is not None]
    if len(given) != 1:
        raise InvalidObject(
            f"a {policy.kind} has {' and '.join(given) or 'neither ' + ' nor '.join(names)}",
            hint=f'give either {names[0]}="6 months", by the time of the rows, or {names[1]}=, by the time chunks were '
            "created",
        )


@dataclass(frozen=True)
class RetentionPolicy(Policy):
    """Chunks are dropped when they are old enough.

    :param drop_after: age of the rows: ``timedelta`` or text, which may have months; for integer time an integer.
    :param drop_created_before: age of the chunks themselves, in time.
    :raises InvalidObject: unless exactly one of the two is given, and is positive.
    """

    kind = "retention policy"
    proc_name = "policy_retention"
    keys = {"drop_after": "drop_after", "drop_created_before": "drop_created_before"}
    offsets = ("drop_after",)
    exclusive = ("drop_after", "drop_created_before")
    checks = {**Schedule.checks, "drop_after": span, "drop_created_before": length}
    max_runtime_given = timedelta(minutes=5)
    retry_period_given = timedelta(minutes=5)

    drop_after: Span | None = None
    drop_created_before: Span | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_exclusive(self)


@dataclass(frozen=True)
class ColumnstorePolicy(Policy):
    """Chunks move to the columnstore when they are old enough.

    :param after: age of the rows: ``timedelta`` or text, which may have months; for integer time an integer.
    :param created_before: age of the chunks themselves, in time.
    :raises InvalidObject: unless exactly one of the two is given, and is positive.
    """

    kind = "columnstore policy"
    proc_name = "policy_compression"
    keys = {"after": "compress_after", "created_before": "compress_created_before"}
    offsets = ("after",)
    exclusive = ("after", "created_before")
    checks = {**Schedule.checks, "after": span, "created_before": length}
    retry_period_given = timedelta(hours=1)

    after: Span | None = None
    created_before: Span | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_exclusive(self)


@dataclass(frozen=True)
class ReorderPolicy(Policy):
    """Chunks are sorted by an index when they are complete.

    :param index_name: an index of the hypertable, without its schema.
    """

    kind = "reorder policy"
    proc_name = "policy_reorder"
    keys = {"index_name": "index_name"}
    checks = {**Schedule.checks, "index_name": text}
    retry_period_given = timedelta(minutes=5)

    index_name: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self.checked("index_name", self.index_name)


def _offset(what: str, given: object) -> Span:
    return span(what, given, positive=False)


@dataclass(frozen=True)
class RefreshPolicy(Policy):
    """A continuous aggregate is refreshed: from ``start_offset`` to ``end_offset`` before now.

    :param start_offset: ``timedelta`` or text, which may have months; for integer time an integer; None: from the
        beginning.
    :param end_offset: the same; None: to the end.
    :param schedule_interval: the time between two runs; needed.
    :param include_tiered_data: whether tiered data is read.
    :param buckets_per_batch: how many buckets are refreshed in one transaction; 0: all of them.
    :param max_batches_per_execution: how many batches one run does; 0: as many as there are.
    :param refresh_newest_first: whether it begins with the newest.
    :raises InvalidObject: if it would start after its end, or has no schedule_interval.
    """

    kind = "continuous aggregate policy"
    several = True
    proc_name = "policy_refresh_continuous_aggregate"
    keys = {
        "start_offset": "start_offset",
        "end_offset": "end_offset",
        "include_tiered_data": "include_tiered_data",
        "buckets_per_batch": "buckets_per_batch",
        "max_batches_per_execution": "max_batches_per_execution",
        "refresh_newest_first": "refresh_newest_first",
    }
    offsets = ("start_offset", "end_offset")
    checks = {
        **Schedule.checks,
        "start_offset": _offset,
        "end_offset": _offset,
        "include_tiered_data": flag,
        "buckets_per_batch": at_least(0),
        "max_batches_per_execution": at_least(0),
        "refresh_newest_first": flag,
    }

    start_offset: Span | None
    end_offset: Span | None
    include_tiered_data: bool | None = None
    buckets_per_batch: int | None = None
    max_batches_per_execution: int | None = None
    refresh_newest_first: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.schedule_interval is None:
            raise InvalidObject(
                f"a {self.kind} has no schedule_interval",
                hint="say how often it runs: schedule_interval=timedelta(hours=1)",
            )
        if self.start_offset is None or self.end_offset is None:
            return
        start, end = estimated(self.start_offset), estimated(self.end_offset)
        if type(start) is not type(end):
            raise InvalidObject(
                f"a {self.kind} starts {self.start_offset!r} and ends {self.end_offset!r} before now",
                hint="give both as times, or, over integer time, as integers",
            )
        if start <= end:  # type: ignore[operator]  # both are of one type
            raise InvalidObject(
                f"a {self.kind} starts {self.start_offset} before now, which is not before its end, {self.end_offset} "
                "before now",
                hint='both count back from now: start_offset="1 month", end_offset="1 hour"',
            )

    @property
    def window(self) -> tuple[Span | None, Span | None]:
        """Start and end, by which several policies of one aggregate are told apart."""
        return self.start_offset, self.end_offset

    def overlaps(self, other: RefreshPolicy) -> bool:
        """Whether both would refresh the same buckets, which TimescaleDB refuses."""
        return not (_ends_before(self, other) or _ends_before(other, self))


def _ends_before(first: RefreshPolicy, second: RefreshPolicy) -> bool:
    if first.end_offset is None or second.start_offset is None:
        return False
    end, start = estimated(first.end_offset), estimated(second.start_offset)
    return type(end) is not type(start) or end >= start  # type: ignore[operator]  # of one type


RETENTION_BY_CREATION = Feature(
    "retention by drop_created_before",
    (2, 26, 3),
    License.TIMESCALE,
    "give drop_after, or update TimescaleDB: an older one accepts such a policy, but never runs it, unless it is over "
    "integer time without an integer_now_func",
)
POLICIES: tuple[type[Policy], ...] = (RetentionPolicy, ReorderPolicy, RefreshPolicy, ColumnstorePolicy)
"""An aggregate has to be refreshed before it may have a columnstore policy."""
