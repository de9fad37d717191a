"""Python's search for garbage, which would be a tenth of a command: it goes through all that is loaded, for nothing."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

from alembic.config import Config

_SELDOM = 50_000
"""New objects before a search, instead of Python's 700: few runs make more, and so many are soon gone through."""


@contextmanager
def seldom_searched(config: Config) -> Iterator[None]:
    """Meanwhile, only what the run itself makes is searched, and seldom; nor is anything when a command line ends."""
    if gc.get_freeze_count():  # the application's doing
        yield
        return
    if config.cmd_opts is not None:  # a command line, with which its process ends
        atexit.unregister(gc.freeze)
        atexit.register(gc.freeze)
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(max(thresholds[0], _SELDOM) if thresholds[0] else 0, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
