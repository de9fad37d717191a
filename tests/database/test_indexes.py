"""Indexes that are built, dropped and rebuilt while others write: on tables, and on hypertables chunk by chunk."""

import io
import re
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.exc import DBAPIError, OperationalError

from tsext import catalog
from tsext.errors import FeatureNotSupported, InvalidObject, PreflightFailed

TICKS = """
CREATE TABLE ticks (time timestamptz NOT NULL, symbol text NOT NULL, price numeric);
SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
INSERT INTO ticks SELECT '2026-01-01'::timestamptz + g * INTERVAL '6 hours', 'S' || g, g
FROM generate_series(0, 19) AS g
"""
PLAIN = """
CREATE TABLE plain (id integer PRIMARY KEY, name text, "Odd Näme" text);
INSERT INTO plain VALUES (1, 'a'), (2, 'a')
"""
INHERITED = ["CREATE TABLE parent (id int)", "CREATE TABLE child () INHERITS (parent)"]
PARTITIONED = """
CREATE TABLE orders (id int, region text, name text) PARTITION BY LIST (region);
CREATE TABLE orders_eu PARTITION OF orders FOR VALUES IN ('eu');
CREATE TABLE orders_us PARTITION OF orders FOR VALUES IN ('us') PARTITION BY RANGE (id);
CREATE TABLE orders_us_1 PARTITION OF orders_us FOR VALUES FROM (0) TO (100);
INSERT INTO orders SELECT g, CASE WHEN g % 2 = 0 THEN 'eu' ELSE 'us' END, 'n' FROM generate_series(1, 50) g
"""


def tables(database, name="ticks", schema=None):
    return database.ask(catalog.indexed_tables, name, schema)


@contextmanager
def working(database, code):
    """While a verb runs in another thread; it must have succeeded in the end."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(database.run, code)
        try:
            yield done
        finally:
            done.result(timeout=60)


def wait_until(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


class Stopped(Exception):
    pass


@contextmanager
def stopped_before(database, start):
    """As if killed before a statement that starts so."""

    def stop(connection, cursor, statement, *_):
        if statement.startswith(start):
            raise Stopped

    sa.event.listen(database.engine, "before_cursor_execute", stop)
    try:
        yield
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", stop)


def valid(database, definition, name="ticks"):
    """On how many chunks an index is whole, and how many there are."""
    _, *chunks = tables(database, name)
    return sum(any(each.valid for each in chunk.like(definition)) for chunk in chunks), len(chunks)


SHAPES = [
    ('"ix", "plain", ["name"]', "USING btree (name)"),
    ('"ix", "plain", "name"', "USING btree (name)"),
    ('"Ix Ä", "plain", ["Odd Näme", sa.text("lower(name) DESC")]', 'USING btree ("Odd Näme", lower(name) DESC)'),
    ('"ix", "plain", [sa.func.lower(sa.column("name")), sa.column("id").desc().nulls_last()]', "id DESC NULLS LAST)"),
    ('"ix", "plain", ["name"], postgresql_where=sa.text("name <> \'100%\'")', "name <> '100%'"),
    ('"ix", "plain", ["id"], unique=True, postgresql_include=["name"]', "(id) INCLUDE (name)"),
    ('"ix", "plain", ["id"], unique=True, postgresql_nulls_not_distinct=True', "NULLS NOT DISTINCT"),
    ('"ix", "plain", ["name"], postgresql_using="hash"', "USING hash (name)"),
    ('"ix", "plain", ["name"], postgresql_ops={"name": "text_pattern_ops"}', "text_pattern_ops"),
    ('"ix", "plain", ["id"], postgresql_with={"fillfactor": 50}, postgresql_where="id > 3"', "'50') WHERE (id > 3)"),
    ('"ix", "parent", ["id"]', "USING btree (id)"),
]


def test_on_a_plain_table(database):
    database.execute(PLAIN, "CREATE INDEX other ON plain (name)", *INHERITED)  # another index may be the same
    before = database.look()

    for arguments, definition in SHAPES:
        for _ in range(2):  # the second time there is nothing to do
            database.run(f"op.create_index_concurrently({arguments})")
            assert definition in str(set(database.look()[1]) - set(before[1])), arguments
        name = arguments.split(",")[0]
        database.run(f"op.reindex_concurrently({name})")
        database.run(f"op.drop_index_concurrently({name})")
        database.run(f"op.drop_index_concurrently({name}, if_exists=True)")
        assert database.look() == before


def test_in_a_tablespace(database):
    database.execute(PLAIN)
    where = 'postgresql_tablespace="tsext Tä", postgresql_where="id > 3"'
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET allow_in_place_tablespaces = on")
        connection.exec_driver_sql("CREATE TABLESPACE \"tsext Tä\" LOCATION ''")
        try:
            database.run(f'op.create_index_concurrently("ix", "plain", ["id"], {where})')
            assert database.scalar("SELECT tablespace FROM pg_indexes WHERE indexname = 'ix'") == "tsext Tä"
            database.run('op.drop_index_concurrently("ix")')
        finally:
            connection.exec_driver_sql('DROP TABLESPACE "tsext Tä"')


def test_what_an_interrupted_build_left_is_known_by_its_definition(database):
    database.execute(PLAIN)
    with pytest.raises(DBAPIError, match="could not create unique index"):
        database.run('op.create_index_concurrently("ix", "plain", ["name"], unique=True)')
    assert database.ask(catalog.invalid_indexes) == ["public.ix"]
    with pytest.raises(InvalidObject, match="with another definition"):
        database.run('op.create_index_concurrently("ix", "plain", ["id"])')
    database.execute("UPDATE plain SET name = id")

    database.run('op.create_index_concurrently("ix", "plain", ["name"], unique=True)')

    assert database.ask(catalog.invalid_indexes) == []


REFUSED = [
    ('op.create_index_concurrently("ix", "nope", ["a"])', "there is no table nope"),
    ('op.create_index_concurrently("ix", "part", ["b"], unique=True)', "must include all partitioning columns"),
    ('op.create_index_concurrently("ix", "v", ["a"])', "neither a table nor a materialized view"),
    ('op.drop_index_concurrently("nope")', "there is no index nope"),
    ('op.drop_index_concurrently("plain_pkey")', "belongs to a constraint"),
    ('op.reindex_concurrently("nope")', "there is no index nope"),
    ('op.create_index_concurrently("ix", "plain", ["id"], postgresql_concurrently=True)', "leave it out"),
    ('op.create_index_concurrently("ix", "plain", ["nope"])', 'cannot be built on public.plain: column "nope"'),
    ('op.create_index_concurrently("ix", "plain", [sa.text("now()")])', "must be marked IMMUTABLE"),
    ('op.create_index_concurrently("ix", "plain", [])', "has no columns"),
    ('op.create_index_concurrently("taken", "plain", ["id"])', "taken is the index of public.part"),
    ('op.create_index_concurrently("part", "plain", ["id"])', "part is another relation"),
]


def test_bad_input_is_refused_first(database):
    part = ["CREATE TABLE part (a int, b int) PARTITION BY LIST (a)", "CREATE INDEX taken ON part (a)"]
    database.execute(PLAIN, *part, "CREATE VIEW v AS SELECT 1 AS a")
    before = database.look()
    for code, message in REFUSED:
        with pytest.raises(InvalidObject, match=re.escape(message)):
            database.run(code)
    assert database.look() == before


def test_it_is_not_cut_short_by_a_timeout_of_the_database(database):
    database.execute(PLAIN, f"ALTER DATABASE {database.engine.url.database} SET lock_timeout = '50ms'")
    with database.engine.connect() as writer:
        writer.exec_driver_sql("INSERT INTO plain VALUES (3, 'c')")
        with working(database, 'op.create_index_concurrently("ix", "plain", ["name"])'):
            wait_until(lambda: database.scalar("SELECT count(*) FROM pg_stat_progress_create_index WHERE relid <> 0"))
            database.execute("SELECT pg_sleep(0.2)")
            writer.commit()
    assert database.ask(catalog.invalid_indexes) == []


def test_a_partitioned_table_adopts_what_was_built_on_its_partitions(database):
    database.execute(PARTITIONED)
    oids = "SELECT string_agg(i.indexrelid::text, ' ' ORDER BY 1) FROM pg_index i WHERE i.indrelid::regclass::text ~ "
    create = 'op.create_index_concurrently("ix", "orders", ["id", "region"], unique=True, postgresql_include=["name"])'
    database.execute("CREATE UNIQUE INDEX ix ON ONLY orders (id, region) INCLUDE (name)")  # what somebody gave up
    with stopped_before(database, "CREATE UNIQUE INDEX ix "), pytest.raises(Stopped):
        database.run(create)
    built = database.scalar(oids + "'orders_(eu|us_1)'")

    database.run(create)

    assert database.scalar(oids + "'orders_(eu|us_1)'") == built and len(built.split()) == 2
    assert database.ask(catalog.invalid_indexes) == []
    database.execute("CREATE TABLE orders_as PARTITION OF orders FOR VALUES IN ('as')")
    assert [len(each.indexes) for each in tables(database, "orders")] == [1] * 5
    before = database.look()
    database.run(create)
    database.run('op.reindex_concurrently("ix")')
    assert database.look() == before
    database.run('op.drop_index_concurrently("ix")')
    assert [len(each.indexes) for each in tables(database, "orders")] == [0] * 5
    with pytest.raises(FeatureNotSupported, match="is a partitioned table"):
        database.run('op.add_unique("uq", "orders", ["id", "region"])')


def test_on_a_hypertable_chunk_by_chunk(timescaledb):
    timescaledb.execute(TICKS)
    before = tables(timescaledb)

    with timescaledb.engine.connect() as vacuum:
        vacuum.exec_driver_sql(f"LOCK TABLE {before[1]} IN SHARE UPDATE EXCLUSIVE MODE")
        create = 'op.create_index_concurrently("ix", "ticks", ["symbol", sa.text("time DESC")])'
        with working(timescaledb, create) as created:
            wait_until(lambda: created.done() or timescaledb.scalar("SELECT to_regclass('ix')"))
            assert not created.done()  # the chunk waits, the root does not
            vacuum.rollback()

    definition = 'USING btree (symbol, "time" DESC)'
    assert valid(timescaledb, definition) == (5, 5)
    timescaledb.execute("INSERT INTO ticks VALUES ('2026-02-01', 'NEW', 1)")
    assert valid(timescaledb, definition) == (6, 6)
    with pytest.raises(DBAPIError), timescaledb.engine.connect() as writer:
        writer.exec_driver_sql("INSERT INTO ticks VALUES ('2026-01-01', 'W', 1)")
        timescaledb.run('op.execute("SET statement_timeout = 300")\nop.reindex_concurrently("ix")')
    (left,) = timescaledb.ask(catalog.invalid_indexes)
    assert left.endswith("_ccnew")
    timescaledb.run('op.reindex_concurrently("ix")')
    assert timescaledb.ask(catalog.invalid_indexes) == []
    assert valid(timescaledb, definition) == (6, 6)

    timescaledb.run('op.drop_index_concurrently("ix", "ticks")')
    timescaledb.execute("SELECT drop_chunks('ticks', newer_than => TIMESTAMPTZ '2026-01-31')")
    assert tables(timescaledb) == before


def test_on_a_hypertable_without_chunks(timescaledb):
    timescaledb.execute(TICKS, "SELECT drop_chunks('ticks', newer_than => TIMESTAMPTZ '2000-01-01')")
    timescaledb.run('op.create_index_concurrently("ix", "ticks", ["symbol"], postgresql_where="price > 1")')
    timescaledb.execute("INSERT INTO ticks VALUES ('2026-02-01', 'NEW', 1)")
    assert [len(each.indexes) for each in tables(timescaledb)] == [1, 1]  # its text is another: price > '1'::numeric
    timescaledb.run('op.create_index_concurrently("ix", "ticks", ["symbol"], postgresql_where="price > 1")')
    timescaledb.run('op.reindex_concurrently("ix")')
    assert [len(each.indexes) for each in tables(timescaledb)] == [1, 1]
    timescaledb.run('op.drop_index_concurrently("ix")')
    assert [len(each.indexes) for each in tables(timescaledb)] == [0, 0]


def test_what_an_interrupted_transaction_per_chunk_left_is_built_again(timescaledb):
    timescaledb.execute(TICKS)
    autocommit = timescaledb.engine.execution_options(isolation_level="AUTOCOMMIT")
    last = timescaledb.scalar("SELECT max(c::text) FROM show_chunks('ticks') AS c")
    with timescaledb.engine.connect() as writer, autocommit.connect() as connection:
        writer.exec_driver_sql(f"LOCK TABLE {last} IN ROW EXCLUSIVE MODE")
        connection.exec_driver_sql("SET lock_timeout = '50ms'")
        with pytest.raises(OperationalError):
            connection.exec_driver_sql("CREATE INDEX ix ON ticks (symbol) WITH (timescaledb.transaction_per_chunk)")
    assert timescaledb.ask(catalog.invalid_indexes) == ["public.ix"]

    timescaledb.run('op.create_index_concurrently("ix", "ticks", ["symbol"])')

    assert timescaledb.ask(catalog.invalid_indexes) == []
    assert valid(timescaledb, "USING btree (symbol)") == (5, 5)


def test_dropping_one_of_two_equal_indexes_leaves_the_other_whole(timescaledb):
    timescaledb.execute(TICKS, "CREATE INDEX one ON ticks (symbol)", "CREATE INDEX two ON ticks (symbol)")
    timescaledb.execute("INSERT INTO ticks VALUES ('2026-02-01', 'NEW', 1)")  # from 2.22 on, with one index for both
    timescaledb.run('op.drop_index_concurrently("one")')
    assert valid(timescaledb, "USING btree (symbol)") == (6, 6)


def test_a_unique_index_of_a_hypertable_serves_on_conflict(timescaledb):
    timescaledb.execute(TICKS)

    create = 'op.create_index_concurrently("ix", "ticks", ["time", "symbol"], unique=True)'
    with stopped_before(timescaledb, "INSERT INTO _timescaledb_catalog.chunk_index"), suppress(Stopped):
        timescaledb.run(create)
    timescaledb.run(create)

    upsert = "INSERT INTO ticks VALUES ('2026-01-01', 'S0', 9) ON CONFLICT (time, symbol) DO UPDATE SET price = 9"
    timescaledb.execute(upsert)
    assert timescaledb.scalar("SELECT count(*) FROM ticks WHERE price = 9 AND symbol = 'S0'") == 1
    timescaledb.execute("DROP INDEX ix")
    assert valid(timescaledb, 'UNIQUE USING btree ("time", symbol)') == (0, 5)


@pytest.fixture
def migrator(timescaledb):
    """An ordinary role that owns the hypertable."""
    owns = ["CREATE ROLE migrator", "GRANT ALL ON SCHEMA public TO migrator", "ALTER TABLE ticks OWNER TO migrator"]
    timescaledb.execute(TICKS, *owns)
    yield timescaledb
    timescaledb.execute("DROP OWNED BY migrator CASCADE", "DROP ROLE migrator")


def as_migrator(database, code):
    database.run(f'op.execute("SET ROLE migrator")\n{code}')


def test_an_ordinary_role_needs_a_grant(migrator):
    create = 'op.create_index_concurrently("ix", "ticks", ["symbol"])'
    with pytest.raises(PreflightFailed, match="GRANT CREATE ON SCHEMA _timescaledb_internal"):
        as_migrator(migrator, create)
    migrator.execute("GRANT CREATE ON SCHEMA _timescaledb_internal TO migrator")

    as_migrator(migrator, create)
    assert valid(migrator, "USING btree (symbol)") == (5, 5)
    as_migrator(migrator, 'op.drop_index_concurrently("ix")')

    assert valid(migrator, "USING btree (symbol)") == (0, 5)


def test_below_2_22_a_unique_index_needs_the_owner_of_the_extension(migrator):
    migrator.execute("GRANT CREATE ON SCHEMA _timescaledb_internal TO migrator")
    create = 'op.create_index_concurrently("ix", "ticks", ["time", "symbol"], unique=True)'
    if migrator.ask(catalog.timescaledb).number < (2, 22):
        with pytest.raises(FeatureNotSupported, match="only the owner of the extension"):
            as_migrator(migrator, create)
        return
    as_migrator(migrator, create)
    migrator.execute("INSERT INTO ticks VALUES ('2026-01-01', 'S0', 9) ON CONFLICT (time, symbol) DO NOTHING")


def test_two_equal_indexes_of_a_hypertable_are_refused(timescaledb):
    timescaledb.execute(TICKS, "CREATE INDEX one ON ticks (symbol)")
    with pytest.raises(InvalidObject, match="same definition: one"):
        timescaledb.run('op.create_index_concurrently("two", "ticks", ["symbol"])')


def test_it_goes_on_after_being_killed_before_any_step(timescaledb):
    timescaledb.execute(TICKS)
    code = 'op.create_index_concurrently("ix", "ticks", ["symbol"])'
    for last in (1, 2, 2, 3):  # before the root, before a chunk, in turn
        assert timescaledb.killed_before(last, ("CREATE INDEX", "DROP INDEX"), code)

    timescaledb.run(code)

    assert valid(timescaledb, "USING btree (symbol)") == (5, 5)
    assert [len(table.indexes) for table in tables(timescaledb)] == [1] * 6


def test_what_a_killed_client_has_left_running_is_waited_for(timescaledb):
    timescaledb.execute(TICKS, "CREATE INDEX ix ON ONLY ticks (symbol)")
    code = 'op.create_index_concurrently("ix", "ticks", ["symbol"])'
    with timescaledb.engine.connect() as writer:
        writer.exec_driver_sql("INSERT INTO ticks VALUES ('2026-01-01 01:00', 'W', 1)")
        pid = writer.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        # that of the chunk of the writer, and not one that is about to be done
        building = f"SELECT index_relid::text FROM pg_stat_progress_create_index WHERE current_locker_pid = {pid}"
        with subprocess.Popen(timescaledb.command(code)) as client:
            try:
                wait_until(lambda: timescaledb.scalar(building) not in (None, "0"))
                orphan = timescaledb.scalar(building)
            finally:
                client.kill()
        with working(timescaledb, code) as again:
            time.sleep(0.5)
            assert not again.done()
            assert timescaledb.scalar(building) == orphan
            writer.commit()

    assert valid(timescaledb, "USING btree (symbol)") == (5, 5)
    assert timescaledb.scalar(f"SELECT indisvalid FROM pg_index WHERE indexrelid = {orphan}")  # not built twice


def test_chunks_come_and_go_while_it_is_built(timescaledb):
    timescaledb.execute(TICKS)
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            day = f"'2026-03-01'::timestamptz + {number} * INTERVAL '1 day'"
            timescaledb.execute(f"INSERT INTO ticks VALUES ({day}, 'W', 1)")
            if number == 3:
                drop_old()
        return number

    def drop_old():
        """As the job of a retention policy, which is run again after a deadlock."""
        try:
            timescaledb.execute("SELECT drop_chunks('ticks', older_than => TIMESTAMPTZ '2026-01-03')")
        except OperationalError:
            drop_old()

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        try:
            timescaledb.run('op.create_index_concurrently("ix", "ticks", ["symbol"])')
        finally:
            stop.set()
    assert writer.result() > 0

    built, chunks = valid(timescaledb, "USING btree (symbol)")
    assert built == chunks


SCRIPT = """
op.create_index_concurrently("Ix", "ticks", ["symbol"], postgresql_where="symbol <> '5%' || ':a'")
op.create_index_concurrently("ix_orders", "orders", ["id", "region"], unique=True)
op.create_index_concurrently("ix_plain", "plain", ["name"])
op.reindex_concurrently("Ix")
op.reindex_concurrently("ix_orders")
op.reindex_concurrently("ix_plain")
"""
UNDONE = """
op.drop_index_concurrently("Ix")
op.drop_index_concurrently("ix_orders")
op.drop_index_concurrently("ix_plain", if_exists=True)
"""


def test_a_script_does_the_same(timescaledb, timescaledb_server):
    timescaledb.execute(TICKS, PLAIN, PARTITIONED)
    url = timescaledb.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    psql = [str(timescaledb_server.bindir / "psql"), "-v", "ON_ERROR_STOP=1", "-X", "-q", url]

    def script(code):
        buffer = io.StringIO()
        options = {"as_sql": True, "output_buffer": buffer, "transaction_per_migration": True}
        context = MigrationContext.configure(dialect_name="postgresql", opts=options)
        with context.begin_transaction(_per_migration=True):
            exec(code, {"op": Operations(context)})
        return subprocess.run(psql, input=buffer.getvalue(), capture_output=True, text=True, check=False).stderr

    def look():
        return timescaledb.look(), [tables(timescaledb, each) for each in ("ticks", "orders", "plain")]

    before = look()
    assert script(SCRIPT) == ""
    by_script = look()
    assert script(UNDONE) == ""
    assert look() == before
    timescaledb.run(SCRIPT)
    assert look() == by_script
    unique = script('op.create_index_concurrently("uq", "ticks", ["time", "symbol"], unique=True)')
    if timescaledb.ask(catalog.timescaledb).number < (2, 28):
        assert "cannot be built by a script below TimescaleDB 2.28" in unique
    else:
        assert unique == ""
        assert valid(timescaledb, 'UNIQUE USING btree ("time", symbol)') == (5, 5)


COLUMNSTORE = [
    *TICKS.split(";"),
    "ALTER TABLE ticks SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol')",
    "SELECT compress_chunk(c) FROM show_chunks('ticks', older_than => TIMESTAMPTZ '2026-01-02') AS c",
]


@pytest.mark.licensed
def test_what_would_not_be_checked_in_the_columnstore_is_refused(licensed):
    """The build itself cannot be tested here: CONCURRENTLY breaks this server."""
    licensed.execute(*COLUMNSTORE)
    before = tables(licensed)
    with pytest.raises(FeatureNotSupported, match="chunks in the columnstore below"):
        licensed.run('op.create_index_concurrently("ix", "ticks", ["time", "symbol"], unique=True)')
    assert tables(licensed) == before
