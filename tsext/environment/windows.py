"""Whether a maintenance window of the environment is open, and when the next one will be."""

from __future__ import annotations

from datetime import UTC, datetime

from tsext import maintenance
from tsext.maintenance import Window
from tsext.settings import Settings


def open_now(settings: Settings) -> Window | None:
    """The window that is open, by the clock of this machine; None outside all of them."""
    return maintenance.open_window(settings.maintenance_windows, datetime.now(UTC))


def when_to_run(settings: Settings) -> str:
    """What to do with a revision that needs a window while none is open."""
    reason = 'give -x maintenance-window="why others may notice it now"'
    opening = maintenance.next_opening(settings.maintenance_windows, datetime.now(UTC))
    if opening is None:
        return f"declare one in the setting maintenance_windows, {reason}, or make the revision safe"
    opens, window = opening
    local = opens.astimezone(window.zone)
    return f"run it again when the next opens, {local:%a %Y-%m-%d %H:%M} {window.zone.key} ({window}); or {reason}"
