"""A fleet of real databases: looked at, upgraded canaries first, stopped by failures, gone on with, interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from pytest_postgresql.janitor import DatabaseJanitor

from tsext.cli import main
from tsext.fleet import Limits, Rollout, State, Wanted, read
from tsext.fleet.project import Where
from tsext.fleet.report import Lines
from tsext.fleet.upgrading import Job, upgrade

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.one_version

NAMES = [f"shard_{n}" for n in range(1, 7)]

TARGETS = """
[[group]]
template = "postgresql://postgres:${{FLEET_PASSWORD}}@127.0.0.1:{port}/{prefix}_{{name}}"
names = [{names}]
labels = ["shard"]
canaries = ["shard_1"]
environment = "development"
"""

SECRET = "p@ss/w:rd"


class Fleet:
    """Six databases and a project."""

    def __init__(self, project, server, output):
        self.output = output
        self.project, self.server, self.prefix = project, server, f"fleet_{os.getpid()}"
        self.file = project.path / "targets.toml"
        names = ", ".join(f'"{name}"' for name in NAMES)
        self.file.write_text(TARGETS.format(port=server.port, prefix=self.prefix, names=names))

    def janitor(self, name):
        return DatabaseJanitor(user="postgres", host="127.0.0.1", port=self.server.port, dbname=f"{self.prefix}_{name}")

    def at(self, name):
        return type(self.project)(self.project.path, self.server.url_of(f"{self.prefix}_{name}"))

    def command(self, verb, *options):
        command = [sys.executable, "-m", "tsext.cli", "fleet", verb, *options]
        ways = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return subprocess.Popen(command, cwd=self.project.path, text=True, **ways)

    def answer(self, process, code=0):
        printed, told = process.communicate(timeout=60)
        assert process.returncode == code, printed + told
        assert "p@ss" not in printed + told and "p%40ss" not in printed + told
        return json.loads(printed), told

    def upgrade(self, *options, code=0):
        report = self.here("upgrade", *options, code=code)
        return {each["name"]: each for each in report["targets"]}, report["stopped"]

    def status(self, *options, code=0):
        return {each["name"]: each for each in self.here("status", *options, code=code)}

    def here(self, verb, *options, code):
        """In this process, which spares a second each time."""
        self.output.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["-c", str(self.project.path / "alembic.ini"), "fleet", verb, "--json", *options])
        printed, told = self.output.readouterr()
        assert ended.value.code == code, printed + told
        assert "p@ss" not in printed + told and "p%40ss" not in printed + told
        return json.loads(printed)


@pytest.fixture
def fleet(project, timescaledb_server, monkeypatch, capsys):
    found = Fleet(project, timescaledb_server, capsys)
    monkeypatch.chdir(project.path)
    monkeypatch.setenv("FLEET_PASSWORD", SECRET)
    janitors = [found.janitor(name) for name in NAMES]
    for janitor in janitors:
        janitor.init()
    yield found
    for janitor in janitors:
        janitor.drop()


def states(targets):
    return [targets[name]["state"] for name in NAMES]


def test_canaries_stop_it_failures_stop_it_and_it_goes_on(fleet):
    fleet.project.tables("001_first", "002_second")
    fleet.at("shard_1").execute("CREATE TABLE t_001_first (in_the_way int)")
    fleet.at("shard_2").execute("CREATE TABLE t_002_second (in_the_way int)")

    targets, stopped = fleet.upgrade(code=1)
    assert stopped == "canary shard_1 failed"
    assert states(targets) == ["failed"] + ["not begun"] * 5
    assert 'relation "t_001_first" already exists' in targets["shard_1"]["error"]
    assert [each["state"] for each in fleet.status().values()] == ["behind"] * 6

    fleet.at("shard_1").execute("DROP TABLE t_001_first")
    targets, stopped = fleet.upgrade("--concurrency", "1", "--logs", "logs", code=1)
    assert stopped == "target shard_2 failed"
    assert states(targets) == ["upgraded", "failed"] + ["not begun"] * 4
    assert (targets["shard_2"]["after"], targets["shard_2"]["revisions"]) == (["001_first"], 1)
    assert "002_second" in (fleet.project.path / "logs" / "shard_1.log").read_text()

    targets, stopped = fleet.upgrade("--max-failures", "20%", "--concurrency", "2", code=1)
    assert stopped == ""
    assert states(targets) == ["up to date", "failed"] + ["upgraded"] * 4
    assert targets["shard_1"]["seconds"] < 1

    fleet.at("shard_2").execute("DROP TABLE t_002_second")
    targets, _ = fleet.upgrade("--only", "shard_[23]", "--labels", "shard")
    assert [(each["name"], each["state"], each["revisions"]) for each in targets.values()] == [
        ("shard_2", "upgraded", 1),
        ("shard_3", "up to date", 0),
    ]
    assert [each["state"] for each in fleet.status().values()] == ["at head"] * 6
    _positions(fleet)


def _positions(fleet):
    """What else a status tells."""
    versions, port = fleet.project.versions, fleet.server.port
    with fleet.file.open("a") as file:
        file.write(f'[[target]]\nname = "gone"\nurl = "postgresql://u:${{FLEET_PASSWORD}}@127.0.0.1:{port}/gone"\n')
        file.write('[[target]]\nname = "down"\nurl = "postgresql://u@127.0.0.1:1/down?connect_timeout=2"\n')
    first = versions / "001_first.py"
    first.write_text(first.read_text() + "\n# edited\n")
    found = fleet.status(code=1)
    assert [each["state"] for each in found.values()] == ["drift"] * 6 + ["unreachable"] * 2
    assert found["shard_1"]["findings"][0]["rule"] == "checksum-mismatch"
    assert "gone" in found["gone"]["findings"][0]["message"]
    assert fleet.upgrade("--only", "gone", code=1)[0]["gone"]["state"] == "unreachable"

    first.write_text(first.read_text().replace("\n# edited\n", ""))
    second = (versions / "002_second.py").rename(fleet.project.path / "002_second.py")
    assert fleet.status("--only", "shard_1", code=1)["shard_1"]["state"] == "ahead"

    second.rename(versions / "002_second.py")
    fleet.at("shard_1").execute("UPDATE alembic_version SET version_num = '001_first'")
    assert fleet.status("--only", "shard_1", code=1)["shard_1"]["state"] == "clash"


def test_it_bakes_and_can_be_interrupted(fleet):
    project = fleet.project
    project.tables("001_first")
    project.revision("002_slow", "001_first", 'op.execute("SELECT pg_sleep(1)")')
    project.revision("003_slower", "002_slow", 'op.execute("SELECT pg_sleep(60)")')

    targets, _ = fleet.upgrade("001_first", "--canaries", "2", "--bake", "1s", "--only", "shard_[123]")
    assert [each["state"] for each in targets.values()] == ["upgraded"] * 3
    applied = [fleet.at(name).scalar("SELECT applied_at FROM migration_history") for name in NAMES[:3]]
    assert (applied[2] - max(applied[:2])).total_seconds() > 1

    process = fleet.command("upgrade", "--json", "--concurrency", "2", "--canaries", "0", "002_slow")
    _wait_until_asleep(fleet, 2)
    process.send_signal(signal.SIGINT)
    report, told = fleet.answer(process, 1)
    assert "interrupted: waiting for 2 that run" in told
    assert report["stopped"] == "interrupted"
    assert [each["state"] for each in report["targets"]] == ["upgraded"] * 2 + ["not begun"] * 4

    process = fleet.command("upgrade", "--json", "--canaries", "0", "--only", "shard_[12]")
    _wait_until_asleep(fleet, 2)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    report, told = fleet.answer(process, 1)
    assert [each["state"] for each in report["targets"]] == ["cancelled"] * 2
    assert "cancelling 2" in told
    assert time.monotonic() - began < 20
    _wait_until_asleep(fleet, 0)
    assert fleet.status("--only", "shard_1")["shard_1"]["pending"] == ["003_slower"]


def test_any_executor_will_do(fleet):
    """Processes stand for other machines: a job reaches them only as what it says."""
    fleet.project.tables("001_first")
    targets = read(fleet.file, Wanted(["shard_1"])).targets
    where = Where.of(fleet.project.config)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        for state in (State.UPGRADED, State.UP_TO_DATE):
            report = Rollout(targets, where, Limits(), Lines(1), executor=executor).run()
            assert [each.state for each in report.outcomes] == [state], report
    fleet.project.revision("002_second", "001_first")
    job = Job(targets[0], Where.of(fleet.project.config), "head", frozenset(["001_first"]))
    assert "has other revisions" in upgrade(job).error


def test_workers_of_dask(fleet):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed: the extra dask")
    fleet.project.tables("001_first")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        address = cluster.scheduler_address.removeprefix("tcp://")
        targets, _ = fleet.upgrade("--only", "shard_[12]", "--executor", f"dask://{address}")
    assert [each["state"] for each in targets.values()] == ["upgraded"] * 2


def test_the_example_of_the_documentation(fleet, monkeypatch):
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "fleet.md").read_text(), re.DOTALL)
    names = {"eu_1": "shard_1", "tenant_1": "shard_2", "tenant_2": "shard_3", "site_%": "shard_4", "site_1": "shard_4"}
    for theirs, ours in names.items():
        example = example.replace(theirs, ours)
    fleet.file.write_text(example.replace("fleet_", f"{fleet.prefix}_").replace("migrator", "postgres"))
    monkeypatch.setenv("FLEET_PORT", str(fleet.server.port))
    fleet.project.tables("001_first")

    site = f"{fleet.prefix}_shard_4"
    assert list(fleet.status()) == ["eu-1", "shard_2", "shard_3", site]
    targets, _ = fleet.upgrade("--labels", "site")
    assert [(each["name"], each["state"]) for each in targets.values()] == [(site, "upgraded")]
    assert fleet.at("shard_4").scalar("SELECT environment FROM tsext.event") == "production"


def _wait_until_asleep(fleet, number):
    query = f"SELECT count(*) FROM pg_stat_activity WHERE datname ^@ '{fleet.prefix}' AND query ~ '^SELECT pg_sleep'"
    query += " AND state = 'active'"
    deadline = time.monotonic() + 30
    while fleet.project.scalar(query) != number:
        assert time.monotonic() < deadline
        time.sleep(0.05)
