"""A throwaway TimescaleDB server for development and tests: no Docker, no root, no download page.

Names are loaded when first used: a run on a database of this machine needs no more than ``serves``.
"""

from typing import TYPE_CHECKING

from tsext.deferred import deferred
from tsext.errors import LocalServerError

if TYPE_CHECKING:
    from tsext.localdb.clusters import ensure, existing, shared
    from tsext.localdb.finding import DEFAULT, VERSIONS, default, find
    from tsext.localdb.places import DEVELOPMENT, cache_dir, serves, state_dir
    from tsext.localdb.programs import timescaledb_version
    from tsext.localdb.server import Cluster
else:
    __getattr__ = deferred(__name__, __file__)

__all__ = [
    "DEFAULT",
    "DEVELOPMENT",
    "VERSIONS",
    "Cluster",
    "LocalServerError",
    "cache_dir",
    "default",
    "ensure",
    "existing",
    "find",
    "serves",
    "shared",
    "state_dir",
    "timescaledb_version",
]
