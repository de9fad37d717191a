"""Workers in other processes, by ``dask.distributed``, one of which is killed."""

from __future__ import annotations

import os
import signal

import pytest

from tsext.backfill import executors, ledger, workers
from tsext.backfill.ledger import Declaration, State
from tsext.errors import BackfillError

distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed: the extra dask")

pytestmark = pytest.mark.one_version

ROWS = 120_000


@pytest.fixture(scope="module")
def cluster():
    options = {"processes": True, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(n_workers=2, **options) as started:
        yield started


def test_a_worker_that_is_killed_is_replaced(cluster, database, database_url):
    database.execute(
        "CREATE TABLE counted (id int PRIMARY KEY, n int NOT NULL DEFAULT 0)",
        f"INSERT INTO counted SELECT i FROM generate_series(1, {ROWS}) AS i",
        "ANALYZE counted",
    )
    spec = {"table": "counted", "schema": "public", "set": "n = n + 1"}
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        declared = ledger.declare(connection, Declaration("change", "public.counted", spec, given="counted"))
        ledger.limit(connection, declared, {"batch_time": "20ms", "rest": "800"})
    killed = []

    def kill():
        at_work = {each.pid for each in database.ask(ledger.at_work, declared)}
        if not killed and at_work:
            killed.append(at_work.pop())
            os.kill(killed[0], signal.SIGKILL)
            with database.engine.begin() as connection:
                ledger.limit(connection, declared, {"rest": "0"})

    address = cluster.scheduler_address.removeprefix("tcp://")
    with executors.executor(f"dask://{address}") as executor:
        done = workers.run(database_url, "counted", executor=executor, tell=kill)
    assert killed and killed[0] != os.getpid()
    assert (done.state, database.scalar("SELECT min(n) || ' ' || max(n) FROM counted")) == (State.DONE, "1 1")
    interrupted = database.scalar("SELECT count(*) FROM tsext.backfill_attempt WHERE ended_at IS NULL")
    assert interrupted == 1
    assert database.scalar(f"SELECT count(DISTINCT pid) FROM tsext.backfill_attempt WHERE pid <> {killed[0]}") >= 1


def test_what_is_no_executor_is_refused(monkeypatch):
    monkeypatch.setattr(executors, "TIMEOUT", 1)
    with pytest.raises(BackfillError, match="there is no executor 'ray'"), executors.executor("ray"):
        pass
    with (
        pytest.raises(BackfillError, match="no dask scheduler answers"),
        executors.executor("dask://127.0.0.1:1"),
    ):
        pass
