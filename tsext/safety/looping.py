"""How many rows the loop is about in which a statement runs, all of it in one transaction."""

from __future__ import annotations

from enum import IntEnum


class Looping(IntEnum):
    """Of which rows a loop is."""

    NONE = 0
    """There is none, or it is about few rows, or commits."""
    SOME = 1
    """Those that a condition finds."""
    REST = 2
    """As many as there are left: it goes on until nothing is to be done, so that batches add up."""
    ALL = 3
    """All of a table that is in use."""
