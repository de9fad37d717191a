"""Locks: who is in the way is waited for outside the queue, and a revision that was refused runs again."""

from __future__ import annotations

import re
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from tsext import catalog, command
from tsext.errors import RevisionFailed
from tsext.model.locks import LockMode

ROOT = Path(__file__).parents[2]

AUTOCOMMIT = "with op.get_context().autocommit_block():\n        "


@contextmanager
def holding(project, *statements, seconds=60.0, begun=None):
    """Another session, in a transaction older than what we would wait for in the queue; ends after so many seconds.

    :param begun: a file that the revision makes: they count from then on, however long the command takes to start.
    """
    engine = sa.create_engine(project.url, connect_args={"application_name": "billing"}, poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        done = threading.Event()

        def end():
            while begun is not None and not begun.exists() and not done.wait(0.01):
                pass
            done.wait(seconds)
            connection.rollback()

        thread = threading.Thread(target=end)
        thread.start()
        time.sleep(0.15)
        try:
            yield connection
        finally:
            done.set()
            thread.join()


def told(project):
    """What the newest event says of locks."""
    details = project.scalar("SELECT details FROM tsext.event ORDER BY id DESC LIMIT 1")
    return (details or {}).get("locks")


def applied(project):
    return [row[0] for row in project.rows("SELECT version FROM migration_history ORDER BY 1")]


def driver(project, monkeypatch, name):
    project.url = project.url.replace("psycopg2", name)
    monkeypatch.setenv("TSEXT_DATABASE_URL", project.url)


@pytest.fixture
def orders(project, monkeypatch):
    monkeypatch.setenv("TSEXT_ENV", "staging")  # in production, some of what is tried would need a window
    project.execute("CREATE TABLE orders (id int)", "CREATE TABLE log (what text)", "CREATE SEQUENCE runs")
    return project


@pytest.mark.parametrize("name", ["psycopg2", "psycopg"])
def test_reader_is_waited_for_and_what_was_refused_runs_again(orders, monkeypatch, name):
    driver(orders, monkeypatch, name)
    begun = orders.path / "begun"
    begin = f"__import__('pathlib').Path({str(begun)!r}).touch()\n    "
    # first in its transaction: it is looked before it asks
    orders.revision(
        "001_alone",
        None,
        begin + 'op.execute("ALTER TABLE orders ADD COLUMN a int")',
        'op.execute("ALTER TABLE orders DROP COLUMN a")',
    )
    # after others: all of it runs again, but for what no rollback undoes
    orders.revision(
        "002_amid",
        "001_alone",
        begin
        + """op.execute("SELECT nextval('runs')")
    op.execute("INSERT INTO log VALUES ('once')")
    op.execute("ALTER TABLE orders ADD COLUMN b int")""",
    )
    # in a file, and after what is committed already: from a savepoint
    orders.sql_file("003_file.sql", "CREATE TABLE c (d int);\nALTER TABLE orders ADD COLUMN c int;")
    orders.revision(
        "003_file",
        "002_amid",
        begin
        + AUTOCOMMIT
        + "op.execute(\"INSERT INTO log VALUES ('committed')\")\n    op.execute_file('003_file.sql')",
    )
    for version, (refused, restarted) in {1: (0, 0), 2: (1, 1), 3: (1, 0)}.items():
        begun.unlink(missing_ok=True)
        with holding(orders, "SELECT * FROM orders", seconds=0.8, begun=begun):
            command.upgrade(orders.config, f"00{version}")
        assert applied(orders) == list(range(1, version + 1))
        seen = told(orders)
        assert (seen["refused"] >= refused, seen["restarted"]) == (True, restarted)
        assert [(each["application"], each["relation"]) for each in seen["blockers"]] == [("billing", "orders")]
        assert seen["waited_ms"] > 0
    assert orders.rows("SELECT what FROM log ORDER BY 1") == [("committed",), ("once",)]
    assert orders.scalar("SELECT last_value FROM runs") == 2
    with holding(orders, "SELECT * FROM orders", seconds=0.8):
        command.downgrade(orders.config, "base")
    assert (applied(orders), told(orders)["restarted"]) == ([], 0)
    # with nobody in the way there is nothing to tell
    command.upgrade(orders.config, "001")
    assert told(orders) is None


def test_what_a_called_function_locks_is_waited_for_and_told(orders):
    begun = orders.path / "begun"
    begin = f"__import__('pathlib').Path({str(begun)!r}).touch()\n    "
    body = "LANGUAGE plpgsql AS 'BEGIN ALTER TABLE orders ADD COLUMN {} int; END'"
    orders.execute(f"CREATE FUNCTION widen() RETURNS void {body.format('a')}")
    orders.revision("001_there", None, begin + 'op.execute("SELECT widen()")')
    orders.revision(
        "002_made",
        "001_there",
        f"""op.execute("CREATE PROCEDURE widen_more() {body.format("b")}")
    {AUTOCOMMIT}op.execute("CALL widen_more()")""",
    )
    with holding(orders, "SELECT * FROM orders", seconds=0.8, begun=begun):
        command.upgrade(orders.config, "head")

    there, made = (row[0] for row in orders.rows("SELECT details FROM tsext.event WHERE kind = 'upgrade' ORDER BY id"))
    assert {(each["application"], each["relation"]) for each in there["locks"]["blockers"]} == {("billing", "orders")}
    assert there["locks"]["refused"] <= 2
    for each in (there, made):  # outside the transaction the server cannot be asked afterwards
        assert each["receipt"]["relations"]["public.orders"]["mode"] == "AccessExclusiveLock"


def test_deadlock(orders):
    orders.execute("CREATE TABLE other (id int)")
    orders.revision(
        "001_two",
        None,
        """op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL deadlock_timeout = '50ms'")
    op.execute("ALTER TABLE orders ADD COLUMN a int")
    op.execute("SELECT nextval('runs'), pg_sleep(0.2)")
    op.execute("ALTER TABLE other ADD COLUMN a int")""",
    )
    with holding(orders, "LOCK TABLE other IN SHARE MODE", "SET deadlock_timeout = '20s'") as connection:

        def cross():
            while not connection.exec_driver_sql("SELECT is_called FROM runs").scalar():
                time.sleep(0.01)
            connection.exec_driver_sql("SELECT * FROM orders")  # waits for us, and we shall wait for it
            connection.rollback()

        thread = threading.Thread(target=cross)
        thread.start()
        command.upgrade(orders.config)
        thread.join()
    assert applied(orders) == [1]
    assert orders.scalar("SELECT last_value FROM runs") == 2
    assert told(orders)["restarted"] == 1


def test_report_is_as_documented(orders, monkeypatch):
    monkeypatch.setenv("TSEXT_ENV", "production")
    page = (ROOT / "docs" / "locks.md").read_text()
    (ini,) = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    body = re.findall(r"```python\ndef upgrade\(\):\n    (.*?)\n```", page, re.DOTALL)[0]
    (report,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    (orders.path / "alembic.ini").open("a").write(ini)
    orders.revision("001_note", None, body)
    orders.execute("DROP ROLE IF EXISTS app", "CREATE ROLE app LOGIN", "GRANT SELECT ON orders TO app")
    own, orders.url = orders.url, orders.url.replace("postgres@", "app@")
    with holding(orders, "SELECT * FROM orders"):
        orders.url = own
        output = orders.run("alembic", "upgrade", "head", fails=True)
    orders.execute("DROP OWNED BY app", "DROP ROLE app")
    assert f"SELECT pg_terminate_backend({told(orders)['blockers'][0]['pid']})" in output
    assert applied(orders) == []
    command.upgrade(orders.config)
    assert applied(orders) == [1]

    def without_numbers(text):
        return re.sub(r"\d+(\.\d+)?", "N", text).splitlines()

    waits, *failed = without_numbers(report)
    assert waits in without_numbers(output)
    assert "\n".join(failed) in "\n".join(without_numbers(output))


def test_what_may_not_run_twice_is_tried_from_savepoints(orders):
    orders.configure("staging", lock_deadline="1s")
    path = orders.revision(
        "001_once",
        None,
        """op.execute("INSERT INTO log VALUES ('x')")
    op.execute("SELECT nextval('runs')")
    op.execute("ALTER TABLE orders ADD COLUMN a int")""",
    )
    path.write_text(path.read_text() + "\n\nrun_once = True\n")
    with holding(orders, "SELECT * FROM orders", seconds=0.6):
        command.upgrade(orders.config)
    assert orders.scalar("SELECT last_value FROM runs") == 1
    assert orders.rows("SELECT what FROM log") == [("x",)]


def test_author_who_does_not_wait_is_told_at_once(orders):
    lock = "op.execute('LOCK TABLE orders NOWAIT')"
    orders.revision(
        "001_tries",
        None,
        f"""import sqlalchemy as sa
    try:
        {lock}
    except sa.exc.OperationalError:
        op.get_bind().connection.rollback()
        op.execute("INSERT INTO log VALUES ('not now')")""",
    )
    orders.revision("002_insists", "001_tries", lock)
    with holding(orders, "SELECT * FROM orders", seconds=60):
        command.upgrade(orders.config, "001")
    with holding(orders, "SELECT * FROM orders", seconds=0.8):
        command.upgrade(orders.config)
    assert orders.rows("SELECT what FROM log") == [("not now",)]
    assert told(orders)["restarted"] >= 1


def test_authors_own_timeout_wins_and_does_not_stay(orders):
    seen = "op.execute(\"INSERT INTO log SELECT '{} ' || current_setting('lock_timeout')\")"
    orders.revision(
        "001_local",
        None,
        "\n    ".join(
            [
                "op.execute(\"SET LOCAL lock_timeout = '7s'\")",
                seen.format("1 own"),
                'op.execute("ALTER TABLE orders ADD a int")',
                seen.format("2 own"),
            ]
        ),
    )
    orders.revision(
        "002_session",
        "001_local",
        "\n    ".join(["op.execute(\"SET lock_timeout = '8s'\")", 'op.execute("COMMIT")', seen.format("3 own")]),
    )
    orders.revision("003_none", "002_session", seen.format("4 rows"))
    config = orders.config
    with orders.engine.connect() as connection:
        connection.exec_driver_sql("SET lock_timeout = '9s'")
        connection.commit()
        factory = connection.connection.dbapi_connection.cursor_factory
        config.attributes["connection"] = connection
        command.upgrade(config)
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "9s"
        assert connection.connection.dbapi_connection.cursor_factory is factory
    assert [row[0] for row in orders.rows("SELECT what FROM log ORDER BY 1")] == [
        "1 own 7s", "2 own 7s", "3 own 8s", "4 rows 2s",
    ]  # fmt: skip


def test_concurrently_waits_for_transactions_and_blocks_nobody(orders):
    orders.revision(
        "001_index", None, AUTOCOMMIT + 'op.create_index("i", "orders", ["id"], postgresql_concurrently=True)'
    )
    orders.revision("002_alter", "001_index", 'op.execute("ALTER TABLE orders ADD COLUMN b int")')
    with holding(orders, "INSERT INTO orders VALUES (1)", seconds=0.8):
        command.upgrade(orders.config)
    assert orders.scalar("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass") is True
    assert applied(orders) == [1, 2]


def test_concurrently_that_is_cut_short_says_what_it_waited_for(orders):
    orders.configure("staging", lock_deadline="300ms")
    orders.revision(
        "001_index", None, AUTOCOMMIT + 'op.create_index("i", "orders", ["id"], postgresql_concurrently=True)'
    )
    with holding(orders, "SET default_transaction_isolation = 'repeatable read'", "SELECT * FROM log") as connection:
        connection.commit()
        connection.exec_driver_sql("SELECT * FROM log")  # whose snapshot is older than the index
        with pytest.raises(RevisionFailed) as failure:
            command.upgrade(orders.config)
    assert "CREATE INDEX CONCURRENTLY i ON orders (id) was cut short: canceling statement due to" in str(failure.value)
    assert re.search(r"\('billing', role postgres\) has a transaction \d", str(failure.value))
    assert "an INVALID index, must be dropped first" in str(failure.value)


def test_rows_are_waited_for_in_the_queue_and_outside(orders):
    orders.configure("staging", lock_timeouts_of_rows="20ms")
    orders.execute("INSERT INTO orders VALUES (1)")
    begun = orders.path / "begun"
    begin = f"__import__('pathlib').Path({str(begun)!r}).touch()\n    "
    orders.revision("001_a", None, begin + 'op.execute("UPDATE orders SET id = 2")')
    deletes = """op.execute("SELECT nextval('runs')"); op.execute("DELETE FROM orders")"""
    orders.revision("002_b", "001_a", begin + deletes)
    for version, restarted in ((1, 0), (2, 1)):
        begun.unlink(missing_ok=True)
        with holding(orders, "UPDATE orders SET id = 3", seconds=0.8, begun=begun):
            command.upgrade(orders.config, f"00{version}")
        assert told(orders)["restarted"] == restarted
        assert told(orders)["blockers"][0]["mode"] == "RowExclusiveLock"
    assert orders.scalar("SELECT count(*) FROM orders") == 0

    # however long it may stand in the queue, it is not asked for beyond the deadline
    orders.execute("INSERT INTO orders VALUES (1)")
    ini = orders.path / "alembic.ini"
    ini.write_text(ini.read_text().replace("20ms", "1s\nlock_deadline = 300ms"))
    orders.revision("003_c", "002_b", 'op.execute("UPDATE orders SET id = 4")')
    with holding(orders, "UPDATE orders SET id = 3"), pytest.raises(RevisionFailed) as failed:
        command.upgrade(orders.config, "003")
    seconds = float(re.search(r"did not get its locks within ([\d.]+) s", str(failed.value))[1])
    assert 0.3 <= seconds < 0.9


def test_what_is_deferred_to_the_commit_is_refused_before_it(orders, caplog):
    orders.configure("staging", lock_timeouts_of_rows="100ms")
    deferred = "DEFERRABLE INITIALLY DEFERRED"
    orders.execute(
        "CREATE TABLE venue (id int PRIMARY KEY)",
        f"CREATE TABLE quote (venue int REFERENCES venue {deferred})",
        "INSERT INTO venue VALUES (1)",
    )
    orders.revision("001_a", None, 'op.execute("INSERT INTO quote VALUES (1)")')
    with holding(orders, "SELECT * FROM venue FOR UPDATE", seconds=2):
        command.upgrade(orders.config)
    assert told(orders)["restarted"] >= 1
    assert orders.scalar("SELECT count(*) FROM quote") == 1

    begun = orders.path / "begun"
    begin = f"__import__('pathlib').Path({str(begun)!r}).touch()\n    "
    orders.revision("002_c", "001_a", begin + 'op.execute("ALTER TABLE quote ADD c int")')  # nothing is deferred
    with holding(orders, "SELECT FROM tsext.bookkeeping FOR UPDATE", seconds=0.3, begun=begun):
        command.upgrade(orders.config)  # the record waits for its row
    assert applied(orders) == [1, 2]
    assert "running it again" not in caplog.text.rpartition("002_c")[2]

    orders.revision("003_b", "002_c", 'op.execute("INSERT INTO quote VALUES (2)")')
    with pytest.raises(RevisionFailed, match=r"revision 003_b failed: .*violates foreign key constraint"):
        command.upgrade(orders.config)
    assert orders.rows("SELECT outcome, revision FROM tsext.event ORDER BY id DESC LIMIT 1") == [("failed", "003_b")]


SKEWED = """from sqlalchemy import create_engine, pool
    op.execute("INSERT INTO log SELECT count(*)::text FROM orders")
    if not op.get_context().as_sql and op.get_bind().exec_driver_sql("SELECT nextval('runs')").scalar() == 1:
        with create_engine(op.get_bind().engine.url, poolclass=pool.NullPool).begin() as other:
            other.exec_driver_sql("INSERT INTO orders SELECT count(*) FROM log")"""


def test_what_cannot_be_serialized_runs_again(orders):
    """Others commit what has no place before or after ours, so that ours fails when it has done all its work."""
    orders.execute("""DO $$ BEGIN EXECUTE format(
        'ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); END $$""")
    orders.revision("001_a", None, SKEWED)
    orders.tables_after("001_a", "002_b")
    command.upgrade(orders.config)
    assert orders.rows("SELECT what FROM log") == [("1",)]  # it saw what the other one has written
    assert orders.scalar("SELECT last_value FROM runs") == 2
    assert applied(orders) == [1, 2]


def test_prepared_transaction(orders):
    if orders.scalar("SHOW max_prepared_transactions") == "0":
        pytest.skip("this test server was made before it had prepared transactions")
    orders.configure("staging", lock_deadline="500ms")
    orders.revision("001_a", None, 'op.execute("ALTER TABLE orders ADD COLUMN a int")')
    gid = f"it's {orders.scalar('SELECT current_database()')}"
    orders.execute("SELECT * FROM orders", "PREPARE TRANSACTION '{}'".format(gid.replace("'", "''")))
    try:
        with pytest.raises(RevisionFailed) as failure:
            command.upgrade(orders.config)
        assert f'the prepared transaction "{gid}" of role postgres holds AccessShareLock on orders' in str(
            failure.value
        )
        assert told(orders)["blockers"][0]["prepared"] == gid
        cure = str(failure.value).partition("forgotten it: ")[2].partition(", or ")[0]
    finally:
        with orders.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("COMMIT PREPARED '{}'".format(gid.replace("'", "''")))
    assert cure == "COMMIT PREPARED '{}'".format(gid.replace("'", "''"))
    command.upgrade(orders.config)


def test_autovacuum_gives_way_without_anybody_waiting(orders):
    orders.revision("001_a", None, 'op.execute("ALTER TABLE orders ADD COLUMN a int")')
    with orders.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ALTER SYSTEM SET autovacuum_naptime = '1s'")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        try:
            orders.execute(
                "ALTER TABLE orders SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, "
                "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)",
                "INSERT INTO orders SELECT generate_series(1, 50000)",
            )
            orders.execute("DELETE FROM orders WHERE id % 2 = 0")
            at_work = "SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = 'orders'::regclass"
            deadline = time.monotonic() + 20
            while not connection.exec_driver_sql(at_work).scalar():
                assert time.monotonic() < deadline, "autovacuum did not begin"
                time.sleep(0.05)
            thread = threading.Thread(target=command.upgrade, args=(orders.config,))
            thread.start()
            while thread.is_alive():  # nobody who reads or writes is in its way
                connection.exec_driver_sql("SELECT count(*) FROM orders WHERE id = 1")
                connection.exec_driver_sql("UPDATE orders SET id = 1 WHERE id = 1")
            thread.join()
        finally:
            connection.exec_driver_sql("ALTER SYSTEM RESET autovacuum_naptime")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
    assert applied(orders) == [1]
    assert any("autovacuum: VACUUM" in each["query"] for each in told(orders)["blockers"])  # beside the UPDATE above


def test_role_that_may_not_look(orders, monkeypatch, capfd):
    orders.tables("001_a")
    command.upgrade(orders.config)
    orders.execute(
        "DROP ROLE IF EXISTS narrow", "CREATE ROLE narrow LOGIN", "ALTER TABLE orders OWNER TO narrow",
        "GRANT ALL ON SCHEMA public, tsext TO narrow", "GRANT ALL ON ALL TABLES IN SCHEMA public, tsext TO narrow",
    )  # fmt: skip
    orders.revision("002_b", "001_a", 'op.execute("ALTER TABLE orders ADD COLUMN b int")')
    orders.revision("003_c", "002_b", 'op.execute("ALTER TABLE orders ADD COLUMN c int")')
    monkeypatch.setenv("TSEXT_DATABASE_URL", orders.url.replace("postgres@", "narrow@"))
    with holding(orders, "SELECT * FROM orders", seconds=1.2):
        command.upgrade(orders.config)
    assert capfd.readouterr().err.count("GRANT pg_read_all_stats to it") == 1
    assert applied(orders) == [1, 2, 3]
    (blocker,) = orders.scalar("SELECT details -> 'locks' -> 'blockers' FROM tsext.event WHERE revision = '002_b'")
    assert (blocker["mode"], blocker["query"]) == ("AccessShareLock", "<insufficient privilege>")
    orders.execute("DROP OWNED BY narrow", "DROP ROLE narrow")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_it_waits(orders, number):
    orders.revision("001_a", None, 'op.execute("CREATE TABLE a (b int)"); op.execute("ALTER TABLE orders ADD b int")')
    with holding(orders, "SELECT * FROM orders"):
        process = orders.command("alembic", "upgrade", "head")
        deadline = time.monotonic() + 20
        while not orders.scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query ~ 'needed AS'"
        ):
            assert time.monotonic() < deadline, "it does not wait"
        process.send_signal(number)
        process.communicate(timeout=10)
        assert process.returncode
        assert orders.scalar("SELECT to_regclass('a')") is None
        assert applied(orders) == []
        held = "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass"
        assert orders.scalar(held) == 1
    command.upgrade(orders.config)
    assert applied(orders) == [1]


def test_seeds_come_by_their_locks_as_well(orders):
    orders.sql_file("seeds/one.sql", "SELECT nextval('runs');\nTRUNCATE log;\nINSERT INTO log VALUES ('seed');")
    with holding(orders, "SELECT * FROM log", seconds=0.8):
        assert command.seed(orders.config) == ["one.sql"]
    assert orders.rows("SELECT what FROM log") == [("seed",)]
    assert orders.scalar("SELECT last_value FROM runs") == 2


# --- what is in the way


def test_conflicts_are_those_of_the_server(project):
    project.execute("CREATE TABLE t (b int)")
    spelled = {each: re.sub(r"(?<=[a-z])(?=[A-Z])", " ", each.removesuffix("Lock")).upper() for each in LockMode}
    with project.engine.connect() as one, project.engine.connect() as other:
        for held in LockMode:
            one.exec_driver_sql(f"LOCK TABLE t IN {spelled[held]} MODE")
            for wanted in LockMode:
                try:
                    other.exec_driver_sql(f"LOCK TABLE t IN {spelled[wanted]} MODE NOWAIT")
                except sa.exc.OperationalError:
                    assert held in wanted.conflicts
                else:
                    assert held not in wanted.conflicts
                other.rollback()
            one.rollback()


def test_holders_of_a_hypertable_its_chunks_and_its_indexes(project):
    project.execute(
        "CREATE EXTENSION timescaledb",
        "CREATE TABLE ticks (time timestamptz NOT NULL)",
        "SELECT create_hypertable('ticks', 'time')",
        "INSERT INTO ticks VALUES ('2026-01-01'), ('2026-03-01')",
    )
    chunk = project.scalar("SELECT show_chunks('ticks')::text ORDER BY 1 LIMIT 1")
    index = project.scalar("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'ticks'::regclass")
    with holding(project, f"LOCK TABLE ONLY {chunk} IN ROW EXCLUSIVE MODE"), project.engine.connect() as connection:
        for relation in ("ticks", chunk):
            (found,) = catalog.lock_holders(connection, {relation: [LockMode.ROW_EXCLUSIVE]})
            assert (found.relation, found.application, found.granted) == (chunk, "billing", True)
        for relation, mode in (("ticks", LockMode.EXCLUSIVE), ("absent", LockMode.ROW_EXCLUSIVE)):
            assert catalog.lock_holders(connection, {relation: [mode]}) == []
    with holding(project, "SELECT * FROM ticks"), project.engine.connect() as connection:
        found = catalog.lock_holders(connection, {index: [LockMode.ACCESS_SHARE]})
        assert [each.relation for each in found]
