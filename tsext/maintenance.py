"""Maintenance windows: when a revision may run that others notice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from tsext import durations

LONGEST_SHIFT = timedelta(hours=3)
"""More than any clock is ever set forward or back."""


@dataclass(frozen=True)
class Window:
    """A time that comes again, as ``cron`` writes it, and for how long the window then stays open.

    Where daylight saving time skips the hour in which it would open, it opens right after it; where that hour comes
    twice, it opens the first time. Both are as in Debian's cron. It always lasts for the whole duration.
    """

    cron: str
    """Minute, hour, day of the month, month and day of the week."""
    duration: timedelta
    zone: ZoneInfo

    def __post_init__(self) -> None:
        """Refuse what never comes.

        :raises ValueError: saying why it cannot be read.
        """
        if len(self.cron.split()) != 5:
            raise ValueError(f"{self.cron!r} has {len(self.cron.split())} fields, not 5")
        try:
            next(CronSim(self.cron, datetime(2000, 1, 1)))
        except CronSimError as error:
            raise ValueError(f"{self.cron!r}: {error}") from error
        except StopIteration:
            raise ValueError(f"{self.cron!r} never comes") from None
        if not timedelta() < self.duration <= timedelta(days=31):
            raise ValueError(f"{self.duration} is no time for a window")

    def __str__(self) -> str:
        return f"{self.cron} for {durations.spelled(self.duration)} in {self.zone.key}"

    def closes(self, now: datetime) -> datetime | None:
        """When it closes, in UTC, if it is open; None if it is closed."""
        opened = [start for start in self._starts(now - self.duration) if start <= now < start + self.duration]
        return max(opened) + self.duration if opened else None

    def opens(self, now: datetime) -> datetime | None:
        """When it opens next, in UTC; None if it does not in the next 50 years."""
        starts = (start.astimezone(UTC) for start in CronSim(self.cron, self._before(now)))
        return next((start for start in starts if start > now), None)

    def _starts(self, after: datetime) -> Iterator[datetime]:
        """When it opens, in UTC: at least every opening between ``after`` and a duration later."""
        for start in CronSim(self.cron, self._before(after)):
            if start.astimezone(UTC) > after + self.duration:
                return
            yield start.astimezone(UTC)

    def _before(self, moment: datetime) -> datetime:
        """A local time to search from: CronSim would miss an opening beside a change of the clock if it began later."""
        return (moment - LONGEST_SHIFT).astimezone(self.zone)


def open_window(windows: Iterable[Window], now: datetime) -> Window | None:
    """The window that is open, the one that closes last if there are several; None outside all of them.

    :param now: with its time zone.
    """
    opened = {closes: window for window in windows if (closes := window.closes(now))}
    return opened[max(opened)] if opened else None


def next_opening(windows: Iterable[Window], now: datetime) -> tuple[datetime, Window] | None:
    """When the next window opens, in UTC, and which one; None if none will."""
    coming = {opens: window for window in windows if (opens := window.opens(now))}
    return (min(coming), coming[min(coming)]) if coming else None
