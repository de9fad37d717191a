"""The local server, as a user meets it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from tsext import localdb
from tsext.localdb import postmaster, server


def begin(*arguments, state, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "tsext.cli", "localdb", *arguments],
        env={**os.environ, "TSEXT_STATE_DIR": str(state), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def tsext(*arguments, state, **environment):
    with begin(*arguments, state=state, **environment) as process:
        output, errors = process.communicate(timeout=120)
    return subprocess.CompletedProcess(arguments, process.returncode, output, errors)


def environment_of(url, state):
    """Which one a command takes that was told of none."""
    imports = "from alembic.config import Config; from tsext.settings import Settings"
    code = f"{imports}; print(Settings.read(Config()).environment)"
    own = {"TSEXT_DATABASE_URL": url, "TSEXT_STATE_DIR": str(state), "TSEXT_ENV": ""}
    return subprocess.check_output([sys.executable, "-c", code], env={**os.environ, **own}, text=True).strip()


def connect(url):
    return psycopg2.connect(url.replace("+psycopg2", ""))


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def state(timescaledb_server):
    """A state folder that the server's account can reach."""
    folder = localdb.state_dir() / f"test-state-{os.getpid()}"
    yield folder
    for data in folder.glob("*/data"):
        postmaster.stop(data)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cluster(timescaledb_server, state):
    """A cluster that is not made yet."""
    return localdb.Cluster(timescaledb_server.version, timescaledb_server.bindir, state / "own", fsync=False)


def test_start_url_stop_reset(timescaledb_server, state):
    version = ["--version", timescaledb_server.version]
    output = tsext("url", *version, state=state)
    assert output.returncode != 0
    assert "tsext localdb start" in output.stdout + output.stderr
    # no apt-get on the PATH: what is in the cache must do
    offline = {"PATH": str(Path(sys.executable).parent)}
    assert "is running" in tsext("start", *version, state=state, **offline).stdout
    url = tsext("url", *version, state=state).stdout.strip()
    with connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION timescaledb; CREATE TABLE mine (id int)")
        cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
        assert cursor.fetchone()[0].startswith(f"{timescaledb_server.version}.")
    connection.close()
    (status,) = json.loads(tsext("status", "--json", *version, state=state).stdout)
    assert status["state"] == "running"
    assert environment_of(url, state) == "development"
    assert environment_of(url.replace("/tsext", "/another"), state) == "development"
    assert tsext("stop", *version, state=state).returncode == 0
    assert tsext("stop", *version, state=state).stdout == "not running\n"
    assert tsext("url", *version, state=state).returncode != 0
    assert environment_of(url, state) == "production", "there may be any server now"
    tsext("start", *version, state=state)
    assert tsext("url", *version, state=state).stdout.strip() == url
    tsext("reset", *version, state=state)
    url = tsext("url", *version, state=state).stdout.strip()
    with connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('mine')")
        assert cursor.fetchone()[0] is None
    connection.close()


def test_unknown_version():
    with pytest.raises(localdb.LocalServerError, match="use one of"):
        localdb.ensure("1.0")


# --- several at once


def test_two_starts_at_once_make_one_server(timescaledb_server, state):
    version = ["--version", timescaledb_server.version]
    starts = [begin("start", *version, state=state) for _ in range(3)]
    outputs = {process.communicate(timeout=120) for process in starts}
    assert [process.returncode for process in starts] == [0, 0, 0]
    ((output, _),) = outputs
    assert "is running" in output


@pytest.mark.parametrize("action", ["stop", "reset"])
def test_connections_do_not_hold_it(timescaledb_server, state, action):
    version = ["--version", timescaledb_server.version]
    tsext("start", *version, state=state)
    cursor = connect(tsext("url", *version, state=state).stdout.strip()).cursor()
    cursor.execute("CREATE TABLE mine (id int)")  # its transaction stays open
    done = tsext(action, *version, state=state)
    assert done.returncode == 0
    assert ("stopped, with its connections" if action == "stop" else "is running") in done.stdout
    with pytest.raises(psycopg2.OperationalError):
        cursor.execute("SELECT 1")


SESSION = """
import time
from pathlib import Path

def test_it(timescaledb_server, tmp_path_factory):
    here = Path(__file__).parent
    (here / "pid").write_text(str(timescaledb_server.pid))
    while (here / "wait").exists():
        time.sleep(0.02)
"""


@pytest.fixture
def session(state, timescaledb_server, tmp_path):
    """Starts a pytest session in a folder, which uses the tests' cluster until ``wait`` in that folder is gone."""
    started = []

    def start(name, *, waits):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "test_session.py").write_text(SESSION)
        if waits:
            (folder / "wait").touch()
        command = [sys.executable, "-m", "pytest", "-q", f"--timescaledb={timescaledb_server.version}", str(folder)]
        environment = {**os.environ, "TSEXT_STATE_DIR": str(state)}
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        started.append(process)
        wait_until(lambda: (folder / "pid").exists() or process.poll())
        return process, folder

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_last_pytest_session_stops_the_server(session, state, timescaledb_server):
    data = state / f"test-{timescaledb_server.version}" / "data"
    first, folder = session("first", waits=True)
    pid = postmaster.find(data)
    second, _ = session("second", waits=False)
    assert second.wait() == 0
    assert postmaster.find(data) == pid
    (folder / "wait").unlink()
    assert first.wait() == 0
    assert postmaster.find(data) is None


def test_pytest_session_that_is_killed_is_no_user(session, state, timescaledb_server):
    data = state / f"test-{timescaledb_server.version}" / "data"
    killed, _ = session("killed", waits=True)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert postmaster.find(data) is not None
    last, _ = session("last", waits=False)
    assert last.wait() == 0
    assert postmaster.find(data) is None


# --- what was cut short, moved or taken


def test_killed_between_making_and_configuring(cluster, monkeypatch):
    whole = server.Cluster._run

    def killed(self, *arguments):
        whole(self, *arguments)
        raise SystemExit

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(server.Cluster, "_run", killed)
        cluster.start()
    assert not cluster.made
    cluster.start()
    with connect(cluster.url) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW shared_preload_libraries")
        assert cursor.fetchone() == ("timescaledb",)
    connection.close()
    assert sorted(path.name for path in cluster.home.iterdir()) == ["data", "port.json", "server.log"]


def test_killed_between_starting_and_creating_the_database(cluster, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(server.Cluster, "_create_database", lambda self: None)
        cluster.start()
    cluster.start()
    connect(cluster.url).close()


def test_reused_process_number(cluster):
    cluster.start()
    os.kill(cluster.pid, signal.SIGKILL)
    wait_until(lambda: cluster.pid is None)
    file = cluster.data / "postmaster.pid"
    lines = file.read_text().splitlines()
    with subprocess.Popen(["sleep", "60"], **as_the_owner_of(cluster.data)) as other:
        file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        assert cluster.pid is None
        cluster.start()
        assert cluster.pid != other.pid
        connect(cluster.url).close()
        cluster.stop()
        assert other.poll() is None
        other.kill()


def as_the_owner_of(path):
    """PostgreSQL sees a process of its own account only."""
    return {"user": path.stat().st_uid} if os.geteuid() == 0 else {}


def test_port_that_is_taken_between_choice_and_start(cluster, monkeypatch):
    cluster.start()
    cluster.stop()
    free = server._is_free
    answers = iter([True])
    monkeypatch.setattr(server, "_is_free", lambda port: next(answers, None) or free(port))
    with socket.create_server(("127.0.0.1", cluster.port)) as other:
        cluster.start()
        assert cluster.port != other.getsockname()[1]
    connect(cluster.url).close()


def test_port_is_that_of_the_running_server(cluster):
    cluster.start()
    port = cluster.port
    (cluster.home / "port.json").write_text('{"port": 1}')
    assert cluster.port == port
    cluster.start()


def test_no_unix_socket_so_no_path_is_too_long(cluster, tmp_path, monkeypatch):
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(server.tempfile, "tempdir", str(long))
    cluster.start()
    with connect(cluster.url) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW unix_socket_directories")
        assert cursor.fetchone() == ("",)
    connection.close()


def test_server_whose_programs_are_gone_is_stopped(cluster):
    cluster.start()
    gone = replace(cluster, bindir=cluster.home / "usr" / "lib" / "postgresql" / "bin")
    assert gone.pid == cluster.pid
    gone.stop()
    assert cluster.pid is None
    with pytest.raises(localdb.LocalServerError, match=r"cannot be run: No such file"):
        gone.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root serves as another account")
def test_folder_that_the_servers_account_cannot_enter(cluster, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(localdb.LocalServerError, match=r"hint: let \w+, whom it runs as, enter "):
        replace(cluster, home=closed / "own").start()


def test_state_that_cannot_be_written(timescaledb_server, tmp_path):
    (tmp_path / "file").touch()
    done = tsext("start", "--version", timescaledb_server.version, state=tmp_path / "file")
    assert done.returncode
    assert "set TSEXT_STATE_DIR to a folder that you can write" in done.stdout + done.stderr


def test_looking_needs_no_cache(timescaledb_server, state, tmp_path):
    version = ["--version", timescaledb_server.version]
    tsext("start", *version, state=state)
    nothing = {"TSEXT_CACHE_DIR": str(tmp_path / "empty")}
    assert "running, pid" in tsext("status", state=state, **nothing).stdout
    assert "127.0.0.1" in tsext("url", *version, state=state, **nothing).stdout
    assert "stopped" in tsext("stop", *version, state=state, **nothing).stdout
    assert not (tmp_path / "empty").exists()
