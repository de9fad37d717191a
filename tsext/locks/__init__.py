"""Acquiring locks without making others wait, and measuring what a migration does to them."""

from tsext.locks.attempts import Attempts
from tsext.locks.cursors import acquires
from tsext.locks.run import Locks, note_held

__all__ = ["Attempts", "Locks", "acquires", "note_held"]
