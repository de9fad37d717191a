"""Indexes that are built, dropped and rebuilt while others write: on tables, and on hypertables chunk by chunk."""

import signal
import subprocess
import sys
import threading

import pytest
from sqlalchemy.exc import DBAPIError

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


def tables(database, name="ticks", schema=None):
    return database.ask(catalog.indexed_tables, name, schema)


def valid(database, definition, name="ticks"):
    """On how many chunks an index is whole, and how many there are."""
    _, *chunks = tables(database, name)
    return sum(any(each.valid for each in chunk.like(definition)) for chunk in chunks), len(chunks)


@pytest.mark.parametrize(
    ("arguments", "definition"),
    [
        ('"ix", "plain", ["name"]', "USING btree (name)"),
        ('"Ix Ä", "plain", ["Odd Näme", sa.text("lower(name) DESC")]', 'USING btree ("Odd Näme", lower(name) DESC)'),
        ('"ix", "plain", ["name"], postgresql_where=sa.text("name <> \'100%\'")', "name <> '100%'"),
        ('"ix", "plain", ["id"], unique=True, postgresql_include=["name"]', "(id) INCLUDE (name)"),
        ('"ix", "plain", ["name"], postgresql_using="hash"', "USING hash (name)"),
        ('"ix", "plain", ["name"], postgresql_ops={"name": "text_pattern_ops"}', "text_pattern_ops"),
    ],
)
def test_on_a_plain_table(database, arguments, definition):
    database.execute(PLAIN)
    before = database.look()

    for _ in range(2):  # the second time there is nothing to do
        database.run(f"op.create_index_concurrently({arguments})")
        assert definition in str(database.look())
    name = arguments.split(",")[0]
    database.run(f"op.reindex_concurrently({name})")
    database.run(f"op.drop_index_concurrently({name})")
    database.run(f"op.drop_index_concurrently({name}, if_exists=True)")

    assert database.look() == before


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


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ('op.create_index_concurrently("ix", "nope", ["a"])', "there is no table nope"),
        ('op.create_index_concurrently("ix", "part", ["a"])', "partitioned table"),
        ('op.create_index_concurrently("ix", "v", ["a"])', "neither a table nor a materialized view"),
        ('op.drop_index_concurrently("nope")', "there is no index nope"),
        ('op.drop_index_concurrently("plain_pkey")', "belongs to a constraint"),
        ('op.reindex_concurrently("nope")', "there is no index nope"),
        ('op.create_index_concurrently("ix", "plain", ["id"], postgresql_concurrently=True)', "leave it out"),
    ],
)
def test_bad_input_is_refused_first(database, code, message):
    database.execute(PLAIN, "CREATE TABLE part (a int) PARTITION BY LIST (a)", "CREATE VIEW v AS SELECT 1 AS a")
    with pytest.raises(InvalidObject, match=message):
        database.run(code)


def test_on_a_hypertable_chunk_by_chunk(timescaledb):
    timescaledb.execute(TICKS)
    before = tables(timescaledb)

    timescaledb.run('op.create_index_concurrently("ix", "ticks", ["symbol", sa.text("time DESC")])')

    definition = 'USING btree (symbol, "time" DESC)'
    assert valid(timescaledb, definition) == (5, 5)
    timescaledb.execute("INSERT INTO ticks VALUES ('2026-02-01', 'NEW', 1)")
    assert valid(timescaledb, definition) == (6, 6)
    timescaledb.run('op.reindex_concurrently("ix")')
    assert valid(timescaledb, definition) == (6, 6)

    timescaledb.run('op.drop_index_concurrently("ix", "ticks")')
    timescaledb.execute("SELECT drop_chunks('ticks', newer_than => TIMESTAMPTZ '2026-01-31')")
    assert tables(timescaledb) == before


def test_a_unique_index_of_a_hypertable_serves_on_conflict(timescaledb):
    timescaledb.execute(TICKS)

    timescaledb.run('op.create_index_concurrently("ix", "ticks", ["time", "symbol"], unique=True)')

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


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

url, last = sys.argv[1], int(sys.argv[2])
engine = sa.create_engine(url)
seen = 0

@sa.event.listens_for(engine, "before_cursor_execute")
def killed(connection, cursor, statement, *_):
    global seen
    if statement.startswith(("CREATE INDEX", "DROP INDEX")):
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)

with engine.connect() as connection:
    context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
    with context.begin_transaction(_per_migration=True):
        Operations(context).create_index_concurrently("ix", "ticks", ["symbol"])
"""


def test_it_goes_on_after_being_killed_before_any_step(timescaledb):
    timescaledb.execute(TICKS)
    url = timescaledb.engine.url.render_as_string(hide_password=False)
    for last in range(1, 7):
        done = subprocess.run([sys.executable, "-c", KILLED, url, "2" if last > 1 else "1"], capture_output=True)
        assert done.returncode in (-signal.SIGKILL, 0), done.stderr.decode()

    timescaledb.run('op.create_index_concurrently("ix", "ticks", ["symbol"])')

    assert valid(timescaledb, "USING btree (symbol)") == (5, 5)
    assert [len(table.indexes) for table in tables(timescaledb)] == [1] * 6


def test_chunks_come_and_go_while_it_is_built(timescaledb):
    timescaledb.execute(TICKS)
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            timescaledb.execute(
                f"INSERT INTO ticks VALUES ('2026-03-01'::timestamptz + {number} * INTERVAL '1 day', 'W', 1)"
            )
            if number == 3:
                timescaledb.execute("SELECT drop_chunks('ticks', older_than => TIMESTAMPTZ '2026-01-03')")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        timescaledb.run('op.create_index_concurrently("ix", "ticks", ["symbol"])')
    finally:
        stop.set()
        writer.join()

    built, chunks = valid(timescaledb, "USING btree (symbol)")
    assert built == chunks
