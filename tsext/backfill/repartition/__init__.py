"""Giving a table another shape while others write: a second table of that shape beside it, which takes its place.

What a worker needs is in :mod:`tsext.backfill.kinds`: ``attend``, ``prepare``, ``perform``, ``complete``, ``stopped``,
``verify``, ``finish``.
"""

from tsext.backfill.repartition.sessions import attend
from tsext.backfill.repartition.stages import complete, finish, perform, prepare, stopped, verify

__all__ = ["attend", "complete", "finish", "perform", "prepare", "stopped", "verify"]
