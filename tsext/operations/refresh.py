"""The verb that fills a continuous aggregate, window by window, outside the transaction."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from alembic.operations import Operations
from sqlalchemy import Connection

from tsext import catalog
from tsext.errors import InvalidObject
from tsext.model import FORCED_REFRESH, ContinuousAggregate, Interval, interval
from tsext.operations.aggregates import AggregateOperation
from tsext.operations.operation import refuse_without
from tsext.operations.rendering import Code, code_of, flags_of
from tsext.sql.quoting import call, regclass

Bound = datetime | date | int | str | None
"""An end of a window: a time, also as text; an integer, for integer time; None for all there is."""

_ORIGIN = datetime(2000, 1, 3, tzinfo=UTC)
"""Where ``time_bucket`` begins to count, a Monday."""


class RefreshContinuousAggregate(AggregateOperation, name="refresh_continuous_aggregate", noun=ContinuousAggregate):
    """Materialise what is missing or has changed; each window commits on its own."""

    transactional = False

    def __init__(
        self,
        name: str,
        window: tuple[Bound, Bound] = (None, None),
        *,
        window_size: Interval | None = None,
        force: bool = False,
        schema: str | None = None,
        note: str = "",
    ) -> None:
        super().__init__(name, schema)
        self.note = note
        self.window = tuple(map(_bound, window))
        self.window_size = None if window_size is None else _size(window_size)
        self.force = force
        self.extent: tuple[Any, Any] = (None, None)
        self.undone = False

    @classmethod
    def invoke(
        cls,
        operations: Operations,
        name: str,
        window_start: Bound,
        window_end: Bound,
        *,
        window_size: Interval | None = None,
        force: bool = False,
        schema: str | None = None,
    ) -> None:
        """Materialise what is missing or has changed between two times.

        Cannot run in a transaction: what the revision has done before is committed. If it is interrupted, run it
        again: what is materialised already is not computed again.

        :param window_start: None: from the first time there is.
        :param window_end: None: to the last.
        :param window_size: refresh in windows of this length, each of which commits: ``timedelta``, text, or an integer
            for integer time. A multiple of the aggregate's bucket. Offline it needs both ends.
        :param force: also compute again what is materialised and has not changed; TimescaleDB 2.18 and later.
        :raises InvalidObject: for arguments that make no sense, or if there is no such aggregate.
        """
        window = (window_start, window_end)
        operations.invoke(cls(name, window, window_size=window_size, force=force, schema=schema))

    def need(self, connection: Connection) -> None:
        """Force needs a newer server."""
        super().need(connection)
        if self.force:
            refuse_without(FORCED_REFRESH, catalog.timescaledb(connection), f"op.{self.verb}(…, force=True)")

    def check(self, connection: Connection) -> None:
        """Refuse an aggregate that does not exist; where there is no end, ask for the last time there is."""
        found = self.found(connection)
        if self.window_size is not None and None in self.window:
            self.extent = catalog.extent(connection, found) or (None, None)

    def statements(self) -> list[str]:
        """One CALL for each window; after several, one for the buckets that lie across their borders."""
        if self.undone:
            return []
        borders = list(self._borders()) if self.window_size is not None else []
        ends = [self.window[0], *map(_bound, borders), self.window[1]]
        calls = [self._call(*window, force=self.force) for window in pairwise(ends)]
        if borders:
            across = (_bound(borders[0] - self.window_size), _bound(borders[-1] + self.window_size))
            calls.append(self._call(*across, force=False))
        return calls

    def _borders(self) -> Iterator[Any]:
        """Multiples of the size, counted as ``time_bucket`` does, so that no window is smaller than one."""
        start, end = (_time(mine, other) for mine, other in zip(self.window, self.extent, strict=True))
        if start is None or end is None:
            return
        size: Any = self.window_size
        if isinstance(start, int) != isinstance(size, int):
            raise InvalidObject(
                f"window_size of {self.shown} is {size!r}, but its time is {start!r}",
                hint="give an integer for integer time, and timedelta(days=30) for any other",
            )
        origin: Any = 0 if isinstance(start, int) else _ORIGIN
        border = origin - (origin - start - size) // size * size
        while border + size <= end:
            yield border
            border += size

    def _call(self, start: Any, end: Any, *, force: bool) -> str:
        return "CALL " + call(self.verb, regclass(self.name, self.schema), start, end, force=force or None)

    def arguments(self) -> list[Code] | None:
        """Name, window, and how."""
        if self.undone:
            return None
        size = [] if self.window_size is None else [code_of(self.window_size, "window_size")]
        return self.call_of(*map(code_of, self.window), *size, *flags_of(self, "force"))

    def reverse(self) -> RefreshContinuousAggregate:
        """Nothing: what is materialised does no harm."""
        options: dict[str, Any] = {"window_size": self.window_size, "force": self.force, "schema": self.schema}
        start, end = self.window
        reverse = type(self)(self.name, (start, end), note=self.note, **options)
        reverse.undone = not self.undone
        return reverse


def _bound(given: Bound) -> int | str | None:
    """As it stands in SQL: text, which PostgreSQL takes for the type of the aggregate's time."""
    if isinstance(given, bool) or not isinstance(given, datetime | date | int | str | None):
        raise InvalidObject(f"the end of a window is {given!r}", hint="give a datetime, text, an integer, or None")
    return given.isoformat(*[" "] if isinstance(given, datetime) else []) if isinstance(given, date) else given


def _time(given: int | str | None, otherwise: Any) -> Any:
    """An end of a window as a time to count with."""
    if not isinstance(given, str):
        return otherwise if given is None else given
    try:
        time = datetime.fromisoformat(given)
    except ValueError as error:
        raise InvalidObject(
            f"the end of a window is {given!r}, which cannot be divided", hint='write "2026-01-31 00:00:00+00:00"'
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _size(given: Interval) -> timedelta | int:
    try:
        return interval(given)
    except InvalidObject as error:
        raise InvalidObject(
            f"window_size is {given!r}", hint='write timedelta(days=30) or "30 days"; for integer time an integer'
        ) from error
