"""The clusters by version and name: for development, for tests, for benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tsext.localdb import folders
from tsext.localdb.finding import default, find, look, require_known
from tsext.localdb.places import DEVELOPMENT, state_dir
from tsext.localdb.server import Cluster


def ensure(version: str | None = None, *, name: str = DEVELOPMENT, fsync: bool = True) -> Cluster:
    """The running server of a version; it is made and started if need be.

    :param version: ``2.19`` or ``2.31``; None takes what is installed, else the default.
    :param name: clusters of different names share programs, not data.
    :param fsync: off is faster and unsafe, for tests.
    :raises LocalServerError: if this machine can have none; says how to go on.
    """
    cluster = _cluster(version, name, fsync)
    cluster.start()
    return cluster


@contextmanager
def shared(version: str | None = None, *, name: str, fsync: bool = True) -> Iterator[Cluster]:
    """The running server of a version, as ``ensure``; the last process that uses it this way stops it."""
    cluster = _cluster(version, name, fsync)
    with folders.shared(cluster.home, at_end=cluster.stop):
        cluster.start()
        yield cluster


def existing(version: str | None = None, *, name: str = DEVELOPMENT) -> Cluster | None:
    """The cluster of a version if one was made, running or not; its programs may be gone.

    :raises LocalServerError: if there is no such version, or its folder cannot be read.
    """
    label = _label(version)
    cluster = Cluster(label, look(version), state_dir() / f"{name}-{label}")
    with folders.using(cluster.home, "TSEXT_STATE_DIR"):
        return cluster if cluster.made else None


def _cluster(version: str | None, name: str, fsync: bool) -> Cluster:
    label = _label(version)
    return Cluster(label, find(version), state_dir() / f"{name}-{label}", fsync)


def _label(version: str | None) -> str:
    require_known(version)
    return version or default()
