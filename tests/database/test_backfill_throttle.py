"""A backfill gives way: to whoever waits for it, to what the server suffers from, and to what a user asks for."""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tsext.backfill import ledger, workers
from tsext.backfill.ledger import Declaration, State
from tsext.operations.declaring import limits_given
from tsext.settings import Settings

pytestmark = pytest.mark.one_version

ROWS = 20_000


TABLE = (
    "CREATE TABLE orders (id int PRIMARY KEY, currency text)",
    f"INSERT INTO orders SELECT i FROM generate_series(1, {ROWS}) AS i",
)


@pytest.fixture
def orders(database, database_url):
    """A table, and what declares a backfill of it and works on it in a thread."""
    return prepared(database, database_url)


def prepared(database, url):
    database.execute(*TABLE)
    spec = {"table": "orders", "schema": "public", "set": "currency = 'EUR'", "where": "currency IS NULL"}
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        declared = ledger.declare(connection, Declaration("change", "public.orders", spec, given="orders"))
        ledger.limit(connection, declared, {"rest": "0"})

    @contextmanager
    def working():
        stop = threading.Event()
        thread = threading.Thread(target=workers.work, args=(url, "orders", "worker", stop))
        thread.start()
        try:
            yield declared
        finally:
            stop.set()
            thread.join()

    return working


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def limit(database, declared, **limits):
    with database.engine.begin() as connection:
        ledger.limit(connection, declared, limits)


def reason(database):
    return database.scalar("SELECT coalesce(reason, '') FROM tsext.backfill")


@contextmanager
def meanwhile(database, *statements, again=False):
    """Statements of another session, in a thread, cancelled in the end."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        over = threading.Event()

        def run():
            with suppress(sa.exc.OperationalError):
                while not over.is_set():
                    for each in statements:
                        connection.exec_driver_sql(each)
                    if not again:
                        return

        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            over.set()
            database.scalar(f"SELECT pg_cancel_backend({pid})")
            thread.join()


def test_every_reason_is_named_and_none_lasts(orders, database):
    """One after the other: each has it wait, and is named, until the limit is changed."""
    slot = f"tsext_test_{os.getpid()}"
    holds = {
        "long-transaction: the transaction of pid": {"transaction_age": "1ms"},
        "disk: ": {"free_disk": "9000TB"},
        "query: the query of the limits returns 3": {"query": "SELECT 3"},
        "query: the query of the limits fails: relation": {"query": "SELECT * FROM nothing"},
        f"slot: slot {slot} keeps": {"slot_wal": "1B"},
        "vacuum: orders (": {},
        "wal-rate: the server writes": {"wal_rate": "1B"},
    }
    all_of_it = "VACUUM (DISABLE_PAGE_SKIPPING) orders"  # autovacuum may have been there, and left little to do
    slowly = ("SET vacuum_cost_delay = 100", "SET vacuum_cost_limit = 1", all_of_it)
    with ExitStack() as stack:
        idle = stack.enter_context(database.engine.connect())
        idle.exec_driver_sql("SELECT txid_current()")
        database.execute(f"SELECT pg_create_physical_replication_slot('{slot}', true)", "CREATE TABLE other ()")
        stack.callback(database.execute, f"SELECT pg_drop_replication_slot('{slot}')")
        stack.enter_context(meanwhile(database, "INSERT INTO other DEFAULT VALUES", again=True))
        declared = database.ask(ledger.find, "orders")
        limit(database, declared, transaction_age="1ms")
        stack.enter_context(orders())
        for each, limits in holds.items():
            if each.startswith("vacuum"):
                stack.enter_context(meanwhile(database, *slowly))
                wait_until(lambda: database.scalar("SELECT count(*) FROM pg_stat_progress_vacuum"))
            none = dict.fromkeys(("transaction_age", "free_disk", "query", "slot_wal", "wal_rate"))
            limit(database, declared, **{**none, **limits})
            wait_until(lambda: each in reason(database))  # noqa: B023  (with what other tests do to the server)
        assert database.scalar("SELECT count(currency) FROM orders") < ROWS
        limit(database, declared, wal_rate="off", vacuum="ignore")
        wait_until(lambda: database.scalar("SELECT state FROM tsext.backfill") == State.DONE)
        assert reason(database) == ""
    assert database.scalar("SELECT count(currency) FROM orders") == ROWS


def test_replicas_and_the_archive_may_lag_so_far(small_server, database):
    """A replica stops to replay, and the archiver fails: each holds it by its name, and for as long as it lasts."""
    primary, standby = small_server
    database = replace(database, engine=sa.create_engine(primary.url, poolclass=NullPool))
    working = prepared(database, primary.url)
    limit(database, database.ask(ledger.find, "orders"), archive_backlog="1", replica_lag="1s")

    def told_while_written():
        database.execute("INSERT INTO orders VALUES (0, 'EUR') ON CONFLICT (id) DO UPDATE SET currency = 'EUR'")
        return reason(database)  # a replica tells how far it is as it gets WAL, or each ten seconds

    with ExitStack() as stack:
        server = stack.enter_context(database.engine.connect().execution_options(isolation_level="AUTOCOMMIT"))
        replaying = stack.enter_context(closing(psycopg2.connect(standby.url.replace("+psycopg2", ""))))
        replaying.cursor().execute("SELECT pg_wal_replay_pause()")
        for each in range(3):
            server.exec_driver_sql(f"CREATE TABLE other{each} ()")
            server.exec_driver_sql("SELECT pg_switch_wal()")
        stack.enter_context(working())
        both = r"replica-lag: replica \w+ is \d\.\d s behind, .*; archive-backlog: \d WAL files wait to be archived"
        wait_until(lambda: re.match(both, told_while_written()))
        since = database.ask(ledger.find, "orders").waits_since
        assert 0 <= (datetime.now(UTC) - since).total_seconds() < 20
        server.exec_driver_sql("ALTER SYSTEM SET archive_command = '/bin/true'")
        server.exec_driver_sql("SELECT pg_reload_conf()")
        wait_until(lambda: re.fullmatch(r"replica-lag: replica \w+ is .*, more than replica_lag", reason(database)))
        assert database.scalar("SELECT count(currency) FROM orders") == 1
        replaying.cursor().execute("SELECT pg_wal_replay_resume()")
        wait_until(lambda: database.scalar("SELECT state FROM tsext.backfill") == State.DONE)
    told = database.ask(ledger.find, "orders")
    assert (told.reason, told.waits_since) == (None, None) and 1 < told.waited < 60
    assert database.scalar("SELECT count(currency) FROM orders") == ROWS + 1


def test_nobody_waits_for_long(orders, database):
    """A batch that somebody waits for is cancelled and comes back smaller; one that waits itself gives up soon."""
    database.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN IF new.id = 5000 THEN PERFORM pg_sleep(2); END IF; RETURN new; END'",
        "CREATE TRIGGER slow BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION slow()",
    )
    declared = database.ask(ledger.find, "orders")
    limit(database, declared, blocked="200ms", batch_time="10s")
    with database.engine.connect() as holder, orders():
        holder.exec_driver_sql("SELECT FROM orders WHERE id = 17 FOR UPDATE")
        wait_until(lambda: reason(database).startswith("lock-not-available: canceling statement due to lock timeout"))
        holder.rollback()
        waited = []
        while database.scalar("SELECT state FROM tsext.backfill") != State.DONE:
            begun = time.monotonic()
            database.scalar("SELECT id FROM orders WHERE id = 4800 FOR UPDATE")
            waited.append(time.monotonic() - begun)
    assert max(waited) < 1
    errors = database.scalar("SELECT string_agg(DISTINCT error, '; ') FROM tsext.backfill_attempt")
    assert "has waited" in errors and "lock timeout" in errors
    assert database.scalar("SELECT count(*) FILTER (WHERE currency IS NULL) FROM orders") == 0


def test_limits_are_those_of_the_settings():
    assert limits_given(Settings()) == {}
    given = Settings(backfill_replica_lag=None, backfill_rest=0, backfill_workers=7, backfill_in_upgrade=None)
    assert limits_given(given) == {"replica_lag": "off", "rest": "0"}
