"""Bad surroundings: afterwards the database is at a boundary, the message says what to do, a second run succeeds."""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest

from tsext import command, localdb

SLEEPY = 'op.execute("CREATE TABLE b (id int)"); op.execute("SELECT pg_sleep(20)")'


def at_boundary(project, *versions):
    recorded = [row[0] for row in project.rows("SELECT version FROM migration_history ORDER BY 1")]
    assert recorded == list(versions)
    assert command.validate(project.config, models=False)[1:] == []


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def sleeping(project):
    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %(q)s AND pid <> pg_backend_pid()"
    with project.engine.connect() as connection:
        return connection.exec_driver_sql(query, {"q": "SELECT pg_sleep%"}).scalar()


@pytest.fixture
def own_server(timescaledb_server):
    """A server that a test may break."""
    cluster = localdb.ensure(timescaledb_server.version, name="broken")
    yield cluster
    cluster.reset()


def test_no_server(offline_project):
    offline_project.tables("001_one")
    output = offline_project.run("alembic", "upgrade", "head", fails=True)
    assert "cannot connect to postgresql+psycopg2://nobody@127.0.0.1:1/nothing" in output
    assert "hint: start the server" in output


def test_no_such_database(project):
    project.tables("001_one")
    url, project.url = project.url, project.url + "_missing"
    assert "hint: create the database" in project.run("alembic", "upgrade", "head", fails=True)
    project.url = url
    project.run("alembic", "upgrade", "head")


def test_wrong_password_is_not_printed(project, timescaledb_server):
    hba = timescaledb_server.data / "pg_hba.conf"
    rule = "host all careful 127.0.0.1/32 scram-sha-256\n"
    if rule not in hba.read_text():
        hba.write_text(rule + hba.read_text())
    project.execute(
        "DROP ROLE IF EXISTS careful", "CREATE ROLE careful LOGIN PASSWORD 'right'", "SELECT pg_reload_conf()"
    )
    time.sleep(0.3)
    project.tables("001_one")
    url, project.url = project.url, project.url.replace("postgres@", "careful:wrong@")
    output = project.run("alembic", "upgrade", "head", fails=True)
    assert "hint: check user and password" in output
    assert "wrong" not in output
    project.url = url
    project.run("alembic", "upgrade", "head")
    project.execute("DROP ROLE careful")


def test_no_permission_to_create_the_bookkeeping(project):
    project.execute("DROP ROLE IF EXISTS limited", "CREATE ROLE limited LOGIN")
    project.tables("001_one")
    url, project.url = project.url, project.url.replace("postgres@", "limited@")
    output = project.run("alembic", "upgrade", "head", fails=True)
    assert "role limited cannot create tsext's bookkeeping" in output
    grants = output.split("run: ")[1].split("; then")[0]
    project.url = url
    project.execute(*grants.split("; "))
    project.url = url.replace("postgres@", "limited@")
    project.run("alembic", "upgrade", "head")
    assert project.scalar("SELECT applied_by FROM migration_history") == "limited"


def test_extension_that_is_not_installed(project):
    project.revision("001_a", None, 'op.create_extension("no_such_thing")')
    output = project.run("alembic", "upgrade", "head", fails=True)
    assert "extension no_such_thing is not installed on this server" in output
    at_boundary(project)


def test_timescaledb_that_is_not_preloaded(new_project, own_server, monkeypatch):
    monkeypatch.setenv("TSEXT_DATABASE_URL", own_server.url)
    project = new_project(own_server.url)
    project.revision("001_a", None, 'op.create_extension("timescaledb")')
    configuration = own_server.data / "postgresql.conf"
    good = configuration.read_text()
    configuration.write_text(good.replace("shared_preload_libraries = 'timescaledb'", ""))
    own_server.stop()
    own_server.start()
    output = project.run("alembic", "upgrade", "head", fails=True)
    assert "hint: set shared_preload_libraries = 'timescaledb'" in output
    configuration.write_text(good)
    own_server.stop()
    own_server.start()
    project.run("alembic", "upgrade", "head")


def test_server_that_dies_in_the_middle_of_a_revision(new_project, own_server, monkeypatch):
    monkeypatch.setenv("TSEXT_DATABASE_URL", own_server.url)
    project = new_project(own_server.url)
    project.tables("001_one")
    path = project.revision("002_two", "001_one", SLEEPY)
    process = project.command("alembic", "upgrade", "head")
    wait_until(lambda: sleeping(project))
    os.kill(own_server.pid, signal.SIGQUIT)  # immediate shutdown: as after a crash, the log is replayed
    output, _ = process.communicate(timeout=60)
    assert process.returncode
    assert "the connection was lost; nothing of it remains" in output
    wait_until(lambda: own_server.pid is None)
    own_server.start()
    at_boundary(project, 1)
    path.write_text(path.read_text().replace("pg_sleep(20)", "1"))
    project.run("alembic", "upgrade", "head")
    at_boundary(project, 1, 2)


def test_migrator_that_is_killed_in_the_middle_of_a_revision(project):
    project.tables("001_one")
    path = project.revision("002_two", "001_one", SLEEPY)
    process = project.command("alembic", "upgrade", "head")
    wait_until(lambda: sleeping(project))
    process.kill()
    process.communicate()
    wait_until(lambda: not sleeping(project), seconds=10)
    at_boundary(project, 1)
    path.write_text(path.read_text().replace("pg_sleep(20)", "1"))
    project.run("alembic", "upgrade", "head")
    at_boundary(project, 1, 2)


def test_read_only_standby(project, timescaledb_server):
    standby = localdb.Cluster(
        timescaledb_server.version, timescaledb_server.bindir, localdb.state_dir() / "standby", fsync=False
    )
    standby.reset()
    standby.clone(timescaledb_server)
    standby.start()
    try:
        project.tables("001_one")
        url, project.url = project.url, standby.url_of("postgres")
        output = project.run("alembic", "upgrade", "head", fails=True)
        assert "the server is a read-only standby" in output
        project.url = url
        project.run("alembic", "upgrade", "head")
    finally:
        standby.reset()
    assert not standby.home.exists()


def test_connection_in_a_foreign_transaction_is_refused(project):
    project.tables("001_one")
    config = project.config
    with project.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        config.attributes["connection"] = connection
        with pytest.raises(Exception, match="inside a transaction"):
            command.upgrade(config)
        connection.rollback()
        command.upgrade(config)
    at_boundary(project, 1)


def test_no_postgresql_anywhere(tmp_path, monkeypatch):
    monkeypatch.setenv("TSEXT_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tsext.localdb.finding._installed", list)
    with pytest.raises(localdb.LocalServerError, match=r"compose\.yaml"):
        localdb.find("2.31")
    assert shutil.which("apt-get") is None
