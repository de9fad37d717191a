"""The local server, as a user meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from tsext import localdb


def tsext(*arguments, state, **environment):
    return subprocess.run(
        [sys.executable, "-m", "tsext.cli", "localdb", *arguments],
        env={**os.environ, "TSEXT_STATE_DIR": str(state), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def state(timescaledb_server):
    """A state folder that the server's account can reach."""
    folder = localdb.state_dir() / f"test-state-{os.getpid()}"
    yield folder
    tsext("stop", "--version", timescaledb_server.version, state=folder)
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_start_url_stop_reset(timescaledb_server, state):
    version = ["--version", timescaledb_server.version]
    output = tsext("url", *version, state=state)
    assert output.returncode != 0
    assert "tsext localdb start" in output.stdout + output.stderr
    # no apt-get on the PATH: what is in the cache must do
    offline = {"PATH": str(Path(sys.executable).parent)}
    assert "is running" in tsext("start", *version, state=state, **offline).stdout
    url = tsext("url", *version, state=state).stdout.strip()
    with psycopg2.connect(url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION timescaledb; CREATE TABLE mine (id int)")
        cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
        assert cursor.fetchone()[0].startswith(f"{timescaledb_server.version}.")
    connection.close()
    (status,) = json.loads(tsext("status", "--json", *version, state=state).stdout)
    assert status["state"] == "running"
    assert tsext("stop", *version, state=state).returncode == 0
    assert tsext("url", *version, state=state).returncode != 0
    tsext("start", *version, state=state)
    assert tsext("url", *version, state=state).stdout.strip() == url
    tsext("reset", *version, state=state)
    url = tsext("url", *version, state=state).stdout.strip()
    with psycopg2.connect(url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('mine')")
        assert cursor.fetchone()[0] is None
    connection.close()


def test_unknown_version():
    with pytest.raises(localdb.LocalServerError, match="use one of"):
        localdb.ensure("1.0")
