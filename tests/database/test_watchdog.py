"""The watchdog: what a run does to others is measured, and stopped before they mind."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

pytestmark = pytest.mark.one_version  # nothing here hangs on TimescaleDB, but for what says so

SLOW = 'op.execute("LOCK TABLE t_001_a IN ACCESS EXCLUSIVE MODE")\n    op.execute("SELECT pg_sleep({seconds})")'


@pytest.fixture
def busy(project):
    project.environment["TSEXT_ENV"] = "development"
    project.tables("001_a")
    project.run("alembic", "upgrade", "head")
    return project


class Clients:
    """Some who read a table again and again, and note how long each read took."""

    def __init__(self, project, count):
        self.engine = create_engine(project.url, poolclass=NullPool, connect_args={"application_name": "client"})
        self.seconds = []
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self._read) for _ in range(count)]

    def _read(self):
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not self.stopped.is_set():
                begun = time.perf_counter()
                connection.exec_driver_sql("SELECT count(*) FROM t_001_a")
                self.seconds.append(time.perf_counter() - begun)
                time.sleep(0.01)

    def __enter__(self):
        for each in self.threads:
            each.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for each in self.threads:
            each.join()

    @property
    def blocked(self):
        """Seconds of those reads that waited, all together."""
        return sum(each for each in self.seconds if each > 0.1)


def receipt(project, revision="002_b"):
    query = f"SELECT details -> 'receipt' FROM tsext.event WHERE revision = '{revision}' ORDER BY id DESC LIMIT 1"
    return project.scalar(query)


def test_it_is_stopped_when_many_wait_and_nothing_of_it_remains(busy):
    busy.configure("development", watchdog_attempts=2)
    busy.revision("002_b", "001_a", 'op.execute("CREATE TABLE new (id int)")\n    ' + SLOW.format(seconds=20))

    with Clients(busy, 6):
        output = busy.run("alembic", "upgrade", "head", fails=True)

    assert "revision 002_b failed: stopped by the watchdog, 2 times" in output
    assert "('client') has waited" in output
    assert busy.scalar("SELECT to_regclass('new')") is None
    assert busy.scalar("SELECT count(*) FROM migration_history") == 1
    assert "stopped by the watchdog" in busy.scalar("SELECT error FROM tsext.event ORDER BY id DESC LIMIT 1")


def test_it_is_tried_again_and_succeeds_once_nobody_waits_long(busy):
    slow_once = """from pathlib import Path
    again = Path("again").exists()
    if not op.get_context().as_sql:  # it is also read, before it is run
        Path("again").touch()
    op.execute("LOCK TABLE t_001_a IN ACCESS EXCLUSIVE MODE")
    op.execute(f"SELECT pg_sleep({0 if again else 20})")
    op.execute("ALTER TABLE t_001_a ADD COLUMN note text")"""
    busy.revision("002_b", "001_a", slow_once)

    with Clients(busy, 6):
        busy.run("alembic", "upgrade", "head")

    assert busy.scalar("SELECT count(*) FROM migration_history") == 2
    assert receipt(busy)["cancelled"] >= 1  # more often, if the machine is busy


def test_the_receipt_agrees_with_an_independent_prober(busy):
    busy.configure("development", watchdog_longest_wait="30s", watchdog_waiters=100)
    busy.revision("002_b", "001_a", SLOW.format(seconds=2) + '\n    op.execute("ALTER TABLE t_001_a ADD x int")')

    with Clients(busy, 3) as clients:
        time.sleep(0.5)
        busy.run("alembic", "upgrade", "head")

    told = receipt(busy)
    assert told["blocked_client_seconds"] == pytest.approx(clients.blocked, rel=0.2)
    assert told["max_client_stall_ms"] == pytest.approx(max(clients.seconds) * 1000, rel=0.2)
    assert told["most_waiting"] == 3


def test_what_the_receipt_tells_of_relations(busy):
    busy.execute("INSERT INTO t_001_a SELECT generate_series(1, 20000)", "ANALYZE t_001_a")
    busy.revision(
        "002_b",
        "001_a",
        'op.execute("ALTER TABLE t_001_a ALTER COLUMN id TYPE bigint")\n    op.execute("CREATE TABLE new (id int)")',
        'op.execute("DROP TABLE new")\n    op.execute("ALTER TABLE t_001_a ALTER COLUMN id TYPE int")',
    )
    busy.run("alembic", "upgrade", "head")

    told = receipt(busy)
    (table,) = told["relations"]
    assert table == "public.t_001_a"  # a new table is nobody's concern
    found = told["relations"][table]
    assert (found["mode"], found["rewritten"]) == ("AccessExclusiveLock", 1)
    assert found["bytes_before"] > 500_000 and found["bytes_after"] > 500_000
    assert told["wal_bytes"] > 500_000
    assert told["blocked_client_seconds"] == 0

    for name in ("002_b", "2", "002"):
        assert "public.t_001_a" in busy.run("tsext", "receipt", name)
    busy.run("alembic", "downgrade", "001_a")
    assert receipt(busy)["relations"][table]["mode"] == "AccessExclusiveLock"

    many = [f"{number:03}_t" for number in range(3, 53)]
    busy.tables_after("002_b", *many)  # so many build a database anew
    busy.revision("053_last", many[-1], f'op.execute("ALTER TABLE t_{many[0]} ADD x int")')
    busy.run("alembic", "upgrade", "head")
    assert receipt(busy)["relations"][table]["rewritten"] == 1
    told = receipt(busy, "053_last")
    assert (told["relations"], told["wal_bytes"], told["blocked_client_seconds"]) == ({}, None, 0)


def test_what_the_receipt_tells_of_steps_outside_the_transaction(busy):
    busy.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, amount int, note text, t_id int)",
        "INSERT INTO orders SELECT g, g FROM generate_series(1, 20000) AS g",
        "ANALYZE orders",
        "CREATE TABLE other (id int PRIMARY KEY)",
    )
    steps = """op.execute("ALTER TABLE other ADD COLUMN x int")
    op.execute("SELECT pg_sleep(0.3)")
    op.execute("ALTER TABLE other ADD COLUMN y int")
    op.execute("LOCK TABLE t_001_a IN SHARE ROW EXCLUSIVE MODE")
    op.create_index_concurrently("orders_amount", "orders", ["amount"])
    op.add_foreign_key("orders_t", "orders", "other", ["t_id"], ["id"])
    op.backfill("orders", set="note = 'old'")"""
    busy.revision("002_b", "001_a", steps)
    busy.run("alembic", "upgrade", "head")

    told = receipt(busy)["relations"]
    orders, other, held = told["public.orders"], told["public.other"], told["public.t_001_a"]
    assert set(told) == {"public.orders", "public.other", "public.t_001_a"}
    assert (orders["mode"], other["mode"]) == ("ShareRowExclusiveLock", "AccessExclusiveLock")
    weaker = {"ShareUpdateExclusiveLock", "RowExclusiveLock"}  # for the index, the check of the key, the rows
    assert set(orders.get("weaker_ms", ())) <= weaker
    assert orders["bytes_after"] > orders["bytes_before"] + 500_000  # the index, and the rows that were changed
    assert other["longest_ms"] - held["longest_ms"] >= 290  # which was locked later: each from its own statement on
    assert "rewritten" not in orders


def test_a_guard_rail_stops_it(busy):
    busy.configure("development", guard_transaction="1s", watchdog_attempts=1)
    busy.revision("002_b", "001_a", SLOW.format(seconds=20))

    output = busy.run("alembic", "upgrade", "head", fails=True)

    assert "more than guard_transaction" in output
    assert "split the revision" in output


def test_a_guard_rail_that_is_still_crossed_stops_it_again(busy):
    busy.configure("development", guard_free_disk="100TB", watchdog_attempts=3)
    busy.revision("002_b", "001_a", SLOW.format(seconds=0.6))

    output = busy.run("alembic", "upgrade", "head", fails=True)

    assert "stopped by the watchdog, 3 times" in output and "less than guard_free_disk" in output


def test_a_session_that_holds_locks_and_runs_nothing_is_ended(busy):
    busy.configure("development", watchdog_longest_wait="500ms")
    sleeps = 'op.execute("LOCK TABLE t_001_a IN ACCESS EXCLUSIVE MODE")\n    import time; time.sleep(6)\n    '
    busy.revision("002_b", "001_a", sleeps + 'op.execute("SELECT 1")')

    begun = time.perf_counter()
    with Clients(busy, 2) as clients:
        output = busy.run("alembic", "upgrade", "head", fails=True)

    assert "stopped by the watchdog" in output
    assert max(clients.seconds) < time.perf_counter() - begun - 6


def test_without_its_connection_the_run_goes_on(busy):
    kill = """op.execute("SELECT pg_sleep(0.5)")
    op.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tsext-watchdog'"
    )
    op.execute("SELECT pg_sleep(0.5)")"""
    busy.revision("002_b", "001_a", kill)

    assert "going on unwatched" in busy.run("alembic", "upgrade", "head")
    assert busy.scalar("SELECT count(*) FROM migration_history") == 2


def test_a_hypertable_is_one_line_with_its_chunks(project):
    project.environment["TSEXT_ENV"] = "development"
    project.execute(
        "CREATE EXTENSION timescaledb",
        "CREATE TABLE h (time timestamptz NOT NULL, v int)",
        "SELECT create_hypertable('h', by_range('time', INTERVAL '1 day'))",
        "INSERT INTO h SELECT '2026-01-01'::timestamptz + g * INTERVAL '1 day', g FROM generate_series(1, 9) AS g",
    )
    project.revision("001_a", None, 'op.execute("ALTER TABLE h ADD COLUMN note text")')
    project.run("alembic", "upgrade", "head")

    found = receipt(project, "001_a")["relations"]["public.h"]
    assert (found["mode"], found["chunks"]) == ("AccessExclusiveLock", 9)


def test_the_receipt_tells_of_the_swap_of_a_repartition(busy):
    """Which takes its locks on a connection of its own; those of the tables at the other ends of foreign keys, too."""
    busy.execute(
        "CREATE EXTENSION timescaledb",
        "CREATE TABLE instruments (id int PRIMARY KEY)",
        "CREATE TABLE ticks (time timestamptz NOT NULL, instrument_id int REFERENCES instruments)",
        "INSERT INTO instruments VALUES (1)",
        "INSERT INTO ticks SELECT timestamptz '2026-01-01' + g * INTERVAL '1 h', 1 FROM generate_series(1, 99) AS g",
    )
    busy.revision("002_b", "001_a", 'op.repartition_hypertable("ticks", "time")')
    busy.run("alembic", "upgrade", "head")

    told = receipt(busy)["relations"]
    waited = busy.scalar("SELECT substring(reason FROM 'writers waited ([0-9]+) ms')::int FROM tsext.backfill")
    ticks = told["public.ticks"]
    assert ticks["mode"] == told["public.instruments"]["mode"] == "AccessExclusiveLock"
    assert abs(ticks["held_ms"] - waited) <= 1
    assert "tsext_old" not in str(told)


def test_whoever_drops_the_extension_is_watched_to_the_end(project):
    project.environment["TSEXT_ENV"] = "development"
    create = """op.create_extension("timescaledb")
    op.execute("CREATE TABLE h (time timestamptz NOT NULL)")
    op.create_hypertable("h", "time")"""
    project.revision("001_a", None, create, 'op.drop_table("h")\n    op.drop_extension("timescaledb")')
    project.run("alembic", "upgrade", "head")

    assert "unwatched" not in project.run("alembic", "downgrade", "base")
    assert "public.h" in receipt(project, "001_a")["relations"]
