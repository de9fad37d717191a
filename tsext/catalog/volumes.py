"""The volumes that a server's files are on, where that server is on this machine."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

from tsext.catalog.serving import Server

_CONTROL_FILE = Path("global", "pg_control")
"""Begins with the system identifier, in the machine's own byte order."""


class Volume(NamedTuple):
    """Where something is kept."""

    free: int
    """In bytes."""
    total: int
    """In bytes."""
    source: str
    """How free and total are known, for people."""


def local_volumes(server: Server) -> tuple[Volume, Volume | None] | None:
    """The volume of the data directory, and that of WAL if it is another; None if they cannot be measured from here.

    The path alone proves nothing, as with a server in a container: the directory must have the server's identifier.
    """
    if server.data_directory is None:
        return None
    data = Path(server.data_directory)
    try:
        with (data / _CONTROL_FILE).open("rb") as control:
            (identifier,) = struct.unpack("=Q", control.read(8))
        if identifier != server.system_identifier:
            return None
        wal = data / "pg_wal"
        apart = wal.stat().st_dev != data.stat().st_dev
        return _measured(data), _measured(wal) if apart else None
    except (OSError, struct.error):
        return None


def _measured(path: Path) -> Volume:
    found = os.statvfs(path)
    return Volume(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, f"measured at {path}")
