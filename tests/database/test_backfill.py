"""The ledger and its workers: each task is done exactly once, whoever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tsext.backfill import kinds, ledger, workers
from tsext.backfill.ledger import State
from tsext.errors import BackfillError

TICKING = '''
"""A kind whose tasks leave a row each."""

import threading
import time

from tsext.backfill.ledger import NewTask, Outcome, plan

together = threading.Barrier(2)


def prepare(connection, backfill):
    plan(connection, backfill, [NewTask("tick", "ticks", str(each)) for each in range(backfill.spec["tasks"])])


def perform(connection, backfill, task):
    connection.exec_driver_sql("INSERT INTO ticks VALUES (%(task)s)", {"task": task.id})
    if "fails" in backfill.spec:
        connection.exec_driver_sql(backfill.spec["fails"])
    if backfill.spec.get("together"):
        together.wait(20)
    connection.exec_driver_sql("SELECT pg_sleep(%(seconds)s)", {"seconds": backfill.spec.get("seconds", 0)})
    return Outcome(1)
'''

WORKER = """
import sys
from tsext.backfill import kinds, workers
kinds.KINDS["ticking"] = "ticking"
print(workers.work(*sys.argv[1:]))
"""

EACH_ONCE = "SELECT count(*) = count(DISTINCT task) AND count(*) = {} FROM ticks"


@pytest.fixture
def ticking(monkeypatch, tmp_path, database):
    (tmp_path / "ticking.py").write_text(TICKING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(kinds.KINDS, "ticking", "ticking")
    database.execute("CREATE TABLE ticks (task bigint)")

    def declared(**spec):
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            return ledger.declare(connection, "ticks", "ticking", "ticks", spec={"tasks": 6, **spec})

    yield declared
    sys.modules.pop("ticking", None)


@contextmanager
def process(url, folder):
    command = [sys.executable, "-c", WORKER, url, "ticks"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        yield run


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_two_workers_share_the_tasks(ticking, database, database_url):
    declared = ticking(together=True)
    assert ticking(together=True) == declared
    with pytest.raises(BackfillError, match="there is another backfill ticks: ticking of ticks, declared since"):
        ticking(tasks=7)
    assert workers.run(database_url, "ticks").state is State.DONE
    assert database.scalar(EACH_ONCE.format(6))
    tasks = database.ask(ledger.tasks, declared)
    assert [(each["state"], each["rows"]) for each in tasks] == [("done", 1)] * 6
    assert len({each["worker"] for each in tasks}) == 2  # a barrier: neither could have done all
    progress = database.ask(ledger.progress, declared)
    assert (progress.tasks, progress.done, progress.rows, progress.workers, progress.fraction) == (6, 6, 6, 0, 1)
    ended = "SELECT count(*) FROM tsext.backfill_attempt WHERE ended_at IS NOT NULL AND error IS NULL"
    assert database.scalar(ended) == 6
    assert workers.run(database_url, "ticks").state is State.DONE  # nothing is left
    assert database.scalar(EACH_ONCE.format(6))
    with pytest.raises(BackfillError, match="there is no backfill tocks"):
        workers.work(database_url, "tocks")


def test_killed_workers_leave_their_tasks_to_others(ticking, database, database_url, tmp_path):
    declared = ticking(tasks=4, seconds=0.4)
    working = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE query ~ '^SELECT pg_sleep' AND state = 'active' AND datname = current_database()"
    )
    for _ in range(2):
        with process(database_url, tmp_path) as first:
            wait_until(lambda: database.scalar(working))
            assert database.ask(ledger.progress, declared).workers == 1
            os.kill(first.pid, signal.SIGKILL)
        wait_until(lambda: not database.scalar(working))  # the server sees that it has gone
        assert database.ask(ledger.progress, declared).workers == 0
    killed = database.scalar("SELECT count(*) FROM tsext.backfill_attempt WHERE ended_at IS NULL")
    assert killed == 2
    with process(database_url, tmp_path) as last:
        assert last.communicate(timeout=30)[0].split()[-1] in ("3", "4")
    assert database.scalar(EACH_ONCE.format(4))
    assert database.scalar("SELECT state FROM tsext.backfill") == State.DONE


def test_what_fails_is_named_and_can_be_tried_again(ticking, database, database_url):
    declared = ticking(tasks=2, fails="SELECT 1 / 0")
    failed = workers.run(database_url, "ticks")
    assert (failed.state, failed.reason) == (State.FAILED, "2 task(s) failed; see: tsext backfill status ticks")
    assert {each["error"] for each in database.ask(ledger.tasks, declared)} == {"division by zero"}
    assert database.scalar("SELECT count(*) FROM ticks") == 0
    database.execute("UPDATE tsext.backfill SET spec = spec - 'fails', state = 'running'")
    with database.engine.begin() as connection:
        assert ledger.retry(connection, declared) == 2
    assert workers.run(database_url, "ticks").state is State.DONE
    assert database.scalar(EACH_ONCE.format(2))
