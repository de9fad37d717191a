"""pytest fixtures: databases on real servers.

``--timescaledb=2.19|2.31|all`` chooses the versions; tests that use a database run once for each.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tsext.localdb import Cluster

_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that chooses versions."""
    parser.addoption(
        "--timescaledb",
        default=os.environ.get("TSEXT_TEST_TIMESCALEDB", "2.19"),
        help="versions of TimescaleDB to test on: 2.19, 2.31, both with a comma, or all",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The marker of tests that need the licensed build."""
    config.addinivalue_line("markers", "licensed: needs TimescaleDB under the Timescale licence (WebAssembly build)")
    config.addinivalue_line("markers", "one_version: the same on every version of TimescaleDB, so tested on one")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run of each database test per version."""
    if "timescaledb_server" in metafunc.fixturenames:
        from tsext.localdb import VERSIONS

        chosen = metafunc.config.getoption("--timescaledb")
        versions = list(VERSIONS) if chosen == "all" else chosen.split(",")
        if metafunc.definition.get_closest_marker("one_version"):
            versions = versions[:1]
        metafunc.parametrize("timescaledb_server", versions, indirect=True, scope="session")


@pytest.fixture(scope="session")
def timescaledb_server(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running server; its cluster is the tests' own, with fsync off, and the last session to use it stops it."""
    from tsext import localdb

    with localdb.shared(request.param, name="test", fsync=False) as cluster:
        yield cluster


@pytest.fixture
def database_url(timescaledb_server: Cluster) -> Iterator[str]:
    """SQLAlchemy URL of a new, empty database, dropped afterwards."""
    from pytest_postgresql.janitor import DatabaseJanitor

    name = f"test_{os.getpid()}_{next(_numbers)}"
    janitor = DatabaseJanitor(
        user="postgres",
        host="127.0.0.1",
        port=timescaledb_server.port,
        dbname=name,
    )
    with janitor:
        yield timescaledb_server.url_of(name)


@pytest.fixture(scope="session")
def licensed_server() -> Iterator[LicensedServer]:
    """The licensed build; skips, saying why, where there can be none."""
    from tsext.errors import LocalServerError
    from tsext.testing import licensed

    try:
        licensed.install()
    except LocalServerError as error:
        if os.environ.get("TSEXT_TEST_REQUIRE_LICENSED"):
            raise
        pytest.skip(f"no licensed TimescaleDB: {error.message}")
    server = LicensedServer()
    yield server
    server.stop()


@pytest.fixture
def licensed_url(licensed_server: LicensedServer) -> str:
    """SQLAlchemy URL of a server with the licensed build that holds nothing but the extension."""
    return licensed_server.clean_url()


class LicensedServer:
    """One server for many tests; it is started anew when a test has broken it."""

    def __init__(self) -> None:
        self.running = ExitStack()
        self.url: str | None = None

    def clean_url(self) -> str:
        """The URL of the server, emptied."""
        from tsext.testing import licensed

        if self.url is None or not licensed.clean(self.url):
            self.stop()
            self.url = self.running.enter_context(licensed.serve())
        return self.url

    def stop(self) -> None:
        """End the server, if it runs."""
        self.running.close()
        self.url = None
