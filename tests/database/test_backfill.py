"""The ledger and its workers: each task is done exactly once, whoever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tsext.backfill import change, kinds, ledger, workers
from tsext.backfill.ledger import Declaration, State
from tsext.errors import BackfillError, InvalidObject

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
    if backfill.spec.get("too_large") and not task.upper:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 50")
        connection.exec_driver_sql("SELECT pg_sleep(5)")
    connection.exec_driver_sql("SELECT pg_sleep(%(seconds)s)", {"seconds": backfill.spec.get("seconds", 0)})
    return Outcome(1)


def split(connection, backfill, task):
    return [NewTask("tick", "ticks", task.lower, part) for part in "ab"]
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
            return ledger.declare(connection, Declaration("ticking", "ticks", {"tasks": 6, **spec}, given="ticks"))

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


@pytest.mark.one_version
def test_two_workers_share_the_tasks(ticking, database, database_url):
    declared = ticking(together=True)
    assert ticking(together=True) == declared
    with pytest.raises(BackfillError, match="there is another backfill ticks: ticking of ticks, declared since"):
        ticking(tasks=7)
    assert workers.run(database_url, "ticks").state is State.DONE
    assert database.scalar(EACH_ONCE.format(6))
    tasks = database.ask(ledger.tasks, declared)
    assert [(each.state, each.rows) for each in tasks] == [("done", 1)] * 6
    assert len({each.worker for each in tasks}) == 2  # a barrier: neither could have done all
    progress = database.ask(ledger.progress, declared)
    assert (progress.tasks, progress.done, progress.rows, progress.workers, progress.fraction) == (6, 6, 6, 0, 1)
    ended = "SELECT count(*) FROM tsext.backfill_attempt WHERE ended_at IS NOT NULL AND error IS NULL"
    assert database.scalar(ended) == 6
    assert workers.run(database_url, "ticks").state is State.DONE  # nothing is left
    assert database.scalar(EACH_ONCE.format(6))
    with pytest.raises(BackfillError, match="there is no backfill tocks"):
        workers.work(database_url, "tocks")


@pytest.mark.one_version
def test_killed_workers_leave_their_tasks_to_others(ticking, database, database_url, tmp_path):
    declared = ticking(tasks=4, seconds=0.3)
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


@pytest.mark.one_version
def test_what_fails_is_named_and_can_be_tried_again(ticking, database, database_url):
    declared = ticking(tasks=2, fails="SELECT 1 / 0")
    failed = workers.run(database_url, "ticks")
    assert (failed.state, failed.reason) == (State.FAILED, "2 tasks failed, the first for: division by zero")
    assert {each.error for each in database.ask(ledger.tasks, declared)} == {"division by zero"}
    assert database.scalar("SELECT count(*) FROM ticks") == 0
    database.execute("UPDATE tsext.backfill SET spec = spec - 'fails', state = 'running'")
    with database.engine.begin() as connection:
        assert ledger.retry(connection, declared) == 2
    assert workers.run(database_url, "ticks").state is State.DONE
    assert database.scalar(EACH_ONCE.format(2))


@pytest.mark.one_version
def test_who_notes_a_failure_does_not_wait_for_who_has_taken_the_task_up(ticking, database):
    """The watchdog of the other would stop it for that."""
    declared = ticking(tasks=1)
    with database.engine.begin() as connection:
        ledger.plan(connection, declared, [ledger.NewTask("tick", "ticks", "0")])
    database.execute("UPDATE tsext.backfill SET state = 'running'")
    with database.engine.begin() as taken, database.engine.begin() as first:
        task = ledger.claim(taken, declared)
        first.exec_driver_sql("SET LOCAL lock_timeout = '100ms'")
        attempt = ledger.begin_attempt(first, task, "first", "here", (1, 2))
        ledger.end_attempt(first, attempt, "division by zero", wal_bytes=100)
        assert not ledger.fail(first, task, "division by zero", tries=1)
        ledger.finish(taken, task, ledger.Outcome(1))
    assert [each.state for each in database.ask(ledger.tasks, declared)] == ["done"]
    assert database.scalar("SELECT error FROM tsext.backfill_attempt") == "division by zero"


@pytest.mark.one_version
def test_what_takes_too_long_is_divided(ticking, database, database_url):
    declared = ticking(tasks=2, too_large=True)
    assert workers.run(database_url, "ticks").state is State.DONE
    assert database.scalar(EACH_ONCE.format(4))
    parts = [(each.lower, each.upper) for each in database.ask(ledger.tasks, declared)]
    assert sorted(parts) == [("0", "a"), ("0", "b"), ("1", "a"), ("1", "b")]


@pytest.mark.one_version
def test_workers_whose_connections_are_ended_make_new_ones(ticking, database, database_url):
    ticking(tasks=6, seconds=0.2)
    end = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE application_name IN ('tsext-backfill', 'tsext-watchdog') AND datname = current_database()"
    )
    ended = []
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(workers.run, database_url, "ticks")
        for _ in range(3):
            wait_until(lambda: database.scalar("SELECT count(*) FROM tsext.backfill_attempt WHERE ended_at IS NULL"))
            ended.append(database.scalar(end))
            time.sleep(0.3)
        assert running.result(timeout=30).state is State.DONE
    assert max(ended) >= 2
    assert database.scalar(EACH_ONCE.format(6))


# --- op.backfill

ORDERS = """
    CREATE TABLE orders (id int PRIMARY KEY, price numeric NOT NULL, currency text);
    INSERT INTO orders SELECT i, i, CASE WHEN i % 3 = 0 THEN 'USD' END FROM generate_series(1, 24000) AS i;
    ANALYZE orders;
"""
TICKS = """
    CREATE TABLE market (time timestamptz NOT NULL, price float8, doubled boolean);
    SELECT create_hypertable('market', 'time', chunk_time_interval => interval '1 day');
    INSERT INTO market SELECT '2026-01-01'::timestamptz + i * interval '1 minute', i FROM generate_series(1, 5000) AS i;
    INSERT INTO market SELECT time, price FROM market WHERE price < 2000;
"""
FILL = """op.backfill("orders", set={"currency": "'EUR'"}, where="currency IS NULL", reverse_set="currency = NULL",
    reverse_where="currency = 'EUR'")"""


def test_life_cycle(timescaledb, monkeypatch):
    monkeypatch.setattr(change, "PART", 20_000)
    timescaledb.execute(ORDERS)
    timescaledb.run(FILL)
    assert timescaledb.scalar("SELECT count(*) FILTER (WHERE currency = 'EUR') FROM orders") == 16_000
    declared, *_ = timescaledb.ask(ledger.backfills)
    assert (declared.state, declared.kind, declared.source) == (State.APPLIED, "change", "public.orders")
    tasks = timescaledb.ask(ledger.tasks, declared)
    assert len(tasks) == 2 and sum(each.rows for each in tasks) == 16_000
    assert timescaledb.ask(ledger.progress, declared).fraction == 1
    back = """op.backfill("orders", set="currency = NULL", where="currency = 'EUR'")"""
    timescaledb.run(back)
    assert timescaledb.scalar("SELECT count(currency) FROM orders") == 8_000
    timescaledb.run(FILL)  # what was applied before is done anew
    assert timescaledb.scalar("SELECT count(currency) FROM orders") == 24_000


def test_chunks_in_the_order_of_time(timescaledb):
    """Each row once, although it has no key and nothing tells that it is done."""
    timescaledb.execute(TICKS)
    timescaledb.run("""op.backfill("market", set="price = price * 2, doubled = doubled IS NULL")""")
    found = timescaledb.scalar("SELECT sum(price) || ' ' || bool_and(doubled) FROM market")
    assert found == f"{2 * (5000 * 5001 // 2 + 1999 * 2000 // 2)} true"
    timescaledb.run(
        """op.backfill("market", set={"price": "market.price / 2 -- back", "doubled": "false"}, """
        """where="market.doubled AND EXISTS (SELECT FROM market AS m WHERE m.price = market.price) -- all")"""
    )
    found = timescaledb.scalar("SELECT sum(price) || ' ' || bool_or(doubled) FROM market")
    assert found == f"{5000 * 5001 // 2 + 1999 * 2000 // 2} false"
    with pytest.raises(InvalidObject, match="invalid reference to FROM-clause entry"):
        timescaledb.run("""op.backfill("market", set="price = 0", where="public.market.doubled")""")
    assert timescaledb.scalar("SELECT min(price) FROM market") == 1
    timescaledb.execute(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER noted AFTER UPDATE ON market REFERENCING NEW TABLE AS new FOR EACH STATEMENT "
        "EXECUTE FUNCTION note()",
    )
    with pytest.raises(InvalidObject, match="would not fire noted: its parts are changed one by one"):
        timescaledb.run("""op.backfill("market", set="price = 0")""")
    timescaledb.execute("DROP TRIGGER noted ON market")
    with pytest.raises(InvalidObject, match=r"op\.backfill changes time of market"):
        timescaledb.run("""op.backfill("market", set="time = time + interval '1 hour'")""")


@pytest.mark.one_version
def test_a_table_without_a_key(timescaledb):
    timescaledb.execute("CREATE TABLE heap AS SELECT i, NULL::int AS j FROM generate_series(1, 30000) AS i")
    with pytest.raises(InvalidObject, match="heap has no key to go through its rows by"):
        timescaledb.run("""op.backfill("heap", set="j = i")""")
    timescaledb.execute(
        "CREATE VIEW seen AS SELECT * FROM heap",
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw",
        "CREATE TABLE parts (i int) PARTITION BY LIST (i)",
        "CREATE FOREIGN TABLE far_part PARTITION OF parts DEFAULT SERVER far",
    )
    with pytest.raises(InvalidObject, match="seen is no table"):
        timescaledb.run("""op.backfill("seen", set="j = i", where="j IS NULL")""")
    with pytest.raises(InvalidObject, match="does not reach far_part: foreign tables hold rows of parts"):
        timescaledb.run("""op.backfill("parts", set="i = 1", where="i = 0")""")
    timescaledb.run("""op.backfill("heap", set="j = i -- so", where="j IS NULL")""")
    assert timescaledb.scalar("SELECT count(*) FROM heap WHERE j = i") == 30_000
    with pytest.raises(BackfillError, match="is failed: 1 task"):
        timescaledb.run("""op.backfill("heap", set="j = j + 1", where="j > 0")""")
    assert timescaledb.scalar("SELECT count(*) FROM heap WHERE j = i") == 30_000


def refresh(database):
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CALL refresh_continuous_aggregate('daily', NULL, NULL)")


@pytest.mark.licensed
@pytest.mark.parametrize("columnstore", ["convert", "direct"])
def test_chunks_in_the_columnstore(licensed, columnstore):
    licensed.execute(
        "CREATE TABLE market (time timestamptz NOT NULL, symbol text, price float8)",
        "SELECT create_hypertable('market', 'time', chunk_time_interval => interval '1 day')",
        "INSERT INTO market SELECT '2026-01-01'::timestamptz + i * interval '1 minute', 'A', i "
        "FROM generate_series(1, 4000) AS i",
        "CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous) AS SELECT time_bucket('1 day', time) AS day, "
        "sum(price) FROM market GROUP BY 1 WITH NO DATA",
        "ALTER TABLE market SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol')",
        "SELECT compress_chunk(c) FROM show_chunks('market') AS c ORDER BY c LIMIT 2",
        "SET timescaledb.max_tuples_decompressed_per_dml_transaction = 100",
    )
    compressed = "SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed"
    before = licensed.scalar(compressed)
    refresh(licensed)
    licensed.run(f"""op.backfill("market", set="price = -price", columnstore={columnstore!r}, name="prices")""")
    assert licensed.scalar("SELECT sum(price) FROM market") == -4000 * 4001 / 2
    refresh(licensed)  # the aggregate was told of what has changed
    assert licensed.scalar("SELECT sum(sum) FROM daily") == -4000 * 4001 / 2
    assert licensed.scalar(compressed) == before == 2
    declared = licensed.ask(ledger.find, "prices")
    tasks = licensed.ask(ledger.tasks, declared)
    steps = [each.step for each in tasks]
    assert (declared.state, steps) == (State.APPLIED, ["columnstore", "columnstore", "locked"])
    left = licensed.scalar(f"SELECT count(*) FROM ONLY {tasks[0].relation}")
    assert (left > 0) == (columnstore == "direct")
