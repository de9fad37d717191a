"""Acquiring locks without making others wait, and measuring what a migration does to them."""

from tsext.locks.attempts import Attempts
from tsext.locks.cursors import acquires
from tsext.locks.run import Locks

__all__ = ["Attempts", "Locks", "acquires"]
