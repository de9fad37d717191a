"""Where the local server keeps its programs and data, and which port it serves.

A run on a URL of this machine asks whether that is the local server, so nothing else of the room is imported here.
"""

from __future__ import annotations

import os
from pathlib import Path

from tsext.localdb import postmaster

DEVELOPMENT = "development"
"""The name of the clusters that a command uses where no database URL is set, and that ``tsext localdb`` is about."""


def cache_dir() -> Path:
    """The folder of programs: ``TSEXT_CACHE_DIR``, else the user's cache folder; for root ``/var/cache/tsext``.

    Root's programs are run by another account, which could not read root's home.
    """
    if given := os.environ.get("TSEXT_CACHE_DIR"):
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path("/var/cache/tsext")
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("tsext"))


def state_dir() -> Path:
    """The folder of data: ``TSEXT_STATE_DIR``, else the user's state folder; for root ``/var/lib/tsext``."""
    if given := os.environ.get("TSEXT_STATE_DIR"):
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/tsext")
    from platformdirs import user_state_dir

    return Path(user_state_dir("tsext"))


def serves(port: int) -> bool:
    """Whether a server of development, of whatever version, is running on a TCP port of this machine."""
    return any(postmaster.port(home / "data") == port for home in state_dir().glob(f"{DEVELOPMENT}-*"))
