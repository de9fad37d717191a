"""The seam: what a project's ``env.py`` calls, and from which everything else hangs."""

from tsext.environment.connecting import upgrade_lock
from tsext.environment.foreseeing import foreseen
from tsext.environment.locking import locks_of
from tsext.environment.naming import REV_ID
from tsext.environment.running import run

__all__ = ["REV_ID", "foreseen", "locks_of", "run", "upgrade_lock"]
