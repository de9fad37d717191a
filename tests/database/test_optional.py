"""``timescaledb = optional``: on plain PostgreSQL nothing of TimescaleDB happens, visibly; elsewhere all of it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tsext import localdb

ROOT = Path(__file__).parents[2]

MODELS = """
import sqlalchemy as sa
from datetime import timedelta
from tsext import Dimension, Hypertable

metadata = sa.MetaData()
sa.Table(
    "ticks", metadata,
    sa.Column("time", sa.DateTime(timezone=True), primary_key=True),
    sa.Column("device", sa.Integer, primary_key=True),
    Hypertable(column="time", chunk_time_interval=timedelta(days=1)),
)
"""

UPGRADE = """op.create_extension("timescaledb")
    op.execute("CREATE TABLE ticks (\\"time\\" timestamptz, device int, PRIMARY KEY (\\"time\\", device))")
    op.create_hypertable("ticks", column="time")
    op.set_chunk_time_interval("ticks", "1 day")
    op.add_dimension("ticks", "device", number_partitions=2)"""
DOWNGRADE = """op.drop_dimension("ticks", "device")
    op.drop_hypertable("ticks")
    op.drop_integer_now_func("ticks")
    op.drop_table("ticks")
    op.drop_extension("timescaledb")"""


class PlainServer:
    """PostgreSQL as the local server has it, without TimescaleDB's files."""

    def __init__(self, home: Path) -> None:
        bindir = localdb.find()
        major = bindir.parent.name
        for part in (f"lib/postgresql/{major}", f"share/postgresql/{major}"):
            shutil.copytree(
                bindir.parents[3] / part,
                home / "usr" / part,
                copy_function=_link,
                ignore=shutil.ignore_patterns("timescaledb*"),
            )
        self.bindir = home / "usr" / "lib" / "postgresql" / major / "bin"
        self.data = home / "data"
        account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self.who = {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self.data.mkdir()
        if account is not None:
            os.chown(self.data, account.pw_uid, account.pw_gid)
            for folder in (home, *home.parents):
                if folder.stat().st_uid == 0:
                    folder.chmod(folder.stat().st_mode | 0o055)

    def __enter__(self) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.run("initdb", "-U", "postgres", "--auth=trust", "-N")
        options = f"-p {port} -k {self.data} -c listen_addresses=127.0.0.1 -F"
        self.run("pg_ctl", "start", "-w", "-l", str(self.data / "log"), "-o", options)
        return f"postgresql+psycopg2://postgres@127.0.0.1:{port}/postgres"

    def __exit__(self, *_: object) -> None:
        self.run("pg_ctl", "stop", "-w", "-m", "immediate")

    def run(self, program: str, *arguments: str) -> None:
        command = [self.bindir / program, "-D", self.data, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **self.who)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another file system
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def plain_server():
    # not in pytest's folder, which each session that begins closes to the account that the server runs as
    home = localdb.state_dir() / f"plain-{os.getpid()}"
    home.mkdir(parents=True)
    try:
        with PlainServer(home) as url:
            yield url
    finally:
        shutil.rmtree(home)


@pytest.fixture
def plain_project(plain_server, new_project, monkeypatch):
    """A project on a server that has no TimescaleDB."""
    project = new_project(plain_server)
    monkeypatch.setenv("TSEXT_DATABASE_URL", plain_server)
    project.execute("DROP SCHEMA IF EXISTS public, tsext CASCADE", "CREATE SCHEMA public")
    yield project
    sys.modules.pop("models", None)


def optional(project):
    project.configure(timescaledb="optional")


def test_required_is_the_default_and_says_what_is_missing(plain_project):
    plain_project.revision("001_ticks", None, UPGRADE, DOWNGRADE)
    output = plain_project.run("alembic", "upgrade", "head", fails=True)
    assert "revision 001_ticks: op.create_hypertable needs TimescaleDB, which this server does not have" in output


def test_operations_are_left_out_logged_and_recorded(plain_project):
    optional(plain_project)
    plain_project.revision("001_ticks", None, UPGRADE, DOWNGRADE)
    plain_project.revision("002_more", "001_ticks", 'op.execute("CREATE TABLE more (id int)")', 'op.drop_table("more")')
    output = plain_project.run("alembic", "upgrade", "head")
    left_out = [
        'create_extension("timescaledb")',
        'create_hypertable("ticks")',
        'set_chunk_time_interval("ticks")',
        'add_dimension("ticks")',
    ]
    for what in left_out:
        assert output.count(f"left out op.{what}") == 1
    events = "SELECT kind, revision, nullif(details - 'receipt', '{}') FROM tsext.event ORDER BY id"
    assert plain_project.rows(events) == [
        ("upgrade", "001_ticks", {"skipped": left_out}),
        ("upgrade", "002_more", None),
    ]
    plain_project.run("alembic", "downgrade", "base")
    gone = [f'drop_{what}("ticks")' for what in ("dimension", "hypertable", "integer_now_func")]
    assert plain_project.rows(events)[-1][2]["skipped"] == [*gone, 'drop_extension("timescaledb")']
    assert plain_project.scalar("SELECT to_regclass('ticks')") is None


def test_autogenerate_proposes_nothing_of_it(plain_project):
    optional(plain_project)
    plain_project.models(MODELS)
    plain_project.run("alembic", "revision", "--autogenerate", "-m", "ticks")
    (path,) = plain_project.versions.glob("*.py")
    assert "op.create_table('ticks'" in path.read_text()
    for word in ("hypertable", "extension", "info="):
        assert word not in path.read_text()
    plain_project.run("alembic", "upgrade", "head")
    assert "No new upgrade operations detected" in plain_project.run("alembic", "check")
    assert "valid" in plain_project.run("tsext", "validate")


def test_the_reference_schema_upgrades(plain_project):
    shutil.copytree(ROOT / "alembic" / "versions", plain_project.versions, dirs_exist_ok=True)
    shutil.copytree(ROOT / "migrations_sql", plain_project.sql, dirs_exist_ok=True)
    shutil.copy(ROOT / "alembic" / "models.py", plain_project.path / "alembic" / "models.py")
    optional(plain_project)
    assert 'left out op.create_hypertable("market_data")' in plain_project.run("alembic", "upgrade", "head")
    assert "No new upgrade operations detected" in plain_project.run("alembic", "check")


def test_with_timescaledb_optional_changes_nothing(project):
    optional(project)
    project.models(MODELS)
    project.run("alembic", "revision", "--autogenerate", "-m", "ticks")
    assert "left out" not in project.run("alembic", "upgrade", "head")
    assert project.scalar("SELECT count(*) FROM timescaledb_information.hypertables") == 1
    assert project.scalar("SELECT count(*) FROM tsext.event WHERE jsonb_exists(details, 'skipped')") == 0
    assert "No new upgrade operations detected" in project.run("alembic", "check")
