"""Progress of long work: a bar on a terminal, lines in the log elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

log = logging.getLogger("alembic.tsext")

T = TypeVar("T")

_SECONDS = 10
"""Between two lines in the log."""


def track(items: Sequence[T], what: str) -> Iterator[T]:
    """The items, one after the other, with the progress told.

    :param what: as in ``"index ix_ticks_symbol: chunk"``.
    """
    if len(items) < 2:
        yield from items
    elif sys.stderr.isatty():
        from rich.console import Console  # heavy, and seldom needed
        from rich.progress import track as bar

        yield from bar(items, what, console=Console(stderr=True), transient=True)
    else:
        yield from _logged(items, what)


def _logged(items: Sequence[T], what: str) -> Iterator[T]:
    told = time.monotonic()
    for place, item in enumerate(items, 1):
        yield item
        if time.monotonic() - told > _SECONDS or place == len(items):
            told = time.monotonic()
            log.info("%s %d of %d", what, place, len(items))


def count(amounts: Iterable[int], total: int, what: str) -> int:
    """Add up what comes bit by bit, with the progress told; gives the sum.

    :param total: how much is expected, as far as that is known; 0 if it is not.
    :param what: as in ``"orders.token: row"``.
    """
    done, told = 0, time.monotonic()
    for amount in amounts:
        done += amount
        if time.monotonic() - told > _SECONDS:
            told = time.monotonic()
            log.info("%s %d of about %d", what, done, max(total, done))
    return done
