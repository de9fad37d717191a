"""Columns that are added in steps and filled in batches: life-cycles, interruptions, and others who write meanwhile."""

import threading
import time

import pytest
import sqlalchemy as sa

from tsext.errors import FeatureNotSupported, InvalidObject

KEYED = """
CREATE SCHEMA "My app";
CREATE TABLE "My app"."Örders" (code text, id integer, note text, PRIMARY KEY (code, id));
INSERT INTO "My app"."Örders" SELECT 'it''s ' || g % 7, g, 'x' FROM generate_series(1, 5000) AS g
"""
WITHOUT_KEY = "CREATE TABLE plain AS SELECT g AS id, 'x' AS note FROM generate_series(1, 20000) AS g"
PARTITIONED = """
CREATE TABLE parted (id integer NOT NULL, note text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted (PRIMARY KEY (id)) FOR VALUES FROM (0) TO (3000);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (3000) TO (9000);
INSERT INTO parted SELECT g, 'x' FROM generate_series(1, 5000) AS g
"""
TICKS = """
CREATE TABLE ticks (time timestamptz NOT NULL, id integer, note text);
SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'));
INSERT INTO ticks SELECT '2026-01-01'::timestamptz + g * INTERVAL '1 minute', g, 'x' FROM generate_series(1, 5000) AS g
"""


def adding(table, schema=None, nullable=False):
    column = f'sa.Column("token", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable={nullable})'
    return f"op.add_column_with_default({table!r}, {column}, schema={schema!r})"


def filled(database, table):
    return database.scalar(f"SELECT count(DISTINCT token) = count(*) AND count(*) > 0 FROM {table}")


def test_there_and_back(both_drivers):
    database = both_drivers
    database.execute("CREATE EXTENSION timescaledb", KEYED, WITHOUT_KEY, PARTITIONED, TICKS)
    tables = [("Örders", "My app"), ("plain", None), ("parted", None), ("ticks", None)]
    before = seen(database)

    for table, schema in tables:
        database.run(adding(table, schema))
        name = f'"{schema}"."{table}"' if schema else table
        assert filled(database, name)
        after = database.look(), database.scalar(f"SELECT min(token::text) FROM {name}")
        database.run(adding(table, schema))  # there is nothing left to do
        assert (database.look(), database.scalar(f"SELECT min(token::text) FROM {name}")) == after
    assert database.scalar(
        "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'ticks'::regclass AND attname = 'token'"
    )
    database.execute("INSERT INTO ticks VALUES ('2026-03-01', 1, 'of a new chunk')")
    assert filled(database, "ticks")
    database.execute("SELECT drop_chunks('ticks', newer_than => TIMESTAMPTZ '2026-02-01')")
    for table, schema in tables:
        database.run(f"op.drop_column({table!r}, 'token', schema={schema!r})")

    assert seen(database) == before


def seen(database):
    return [each for each in database.look()[1] if "pg.dropped" not in each[2]]


def test_it_goes_on_after_being_killed_before_any_step(database):
    table = "parted"  # one partition goes by its key, the other by its pages
    database.execute(PARTITIONED)
    deaths, was_filled = 0, 0
    while True:  # each time killed before its fourth statement: SET DEFAULT and an UPDATE of nothing come first
        was_killed = database.killed_before(4, ("UPDATE", "ALTER TABLE"), adding(table))
        now_filled = database.scalar(f"SELECT count(token) FROM {table}")
        assert now_filled >= was_filled
        was_filled = now_filled
        if not was_killed:
            break
        deaths += 1
        assert deaths < 20

    assert deaths > 2
    assert filled(database, table)
    assert database.scalar("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'tsext%%'") == 0


class Writer(threading.Thread):
    """Somebody who knows nothing of the new column: updates rows, which moves them, and inserts others."""

    def __init__(self, database, table):
        super().__init__(daemon=True)
        self.database, self.table = database, table
        self.done = threading.Event()
        self.longest = 0.0
        self.writes = 0

    def run(self):
        with self.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not self.done.is_set():
                self.writes += 1
                begun = time.monotonic()
                moved = f"UPDATE {self.table} SET note = note || 'y' WHERE id = {self.writes * 37 % 5000}"
                connection.exec_driver_sql(moved)
                added = {"ticks": "('2026-01-02', 1, 'n')", "parted": f"({5000 + self.writes % 3999}, 'n')"}
                connection.exec_driver_sql(f"INSERT INTO {self.table} VALUES {added.get(self.table, '(1, $$n$$)')}")
                self.longest = max(self.longest, time.monotonic() - begun)


def test_while_others_write(timescaledb):
    timescaledb.execute(WITHOUT_KEY, PARTITIONED, TICKS, "CREATE INDEX ON plain (id)", "CREATE INDEX ON ticks (id)")
    for table in ("plain", "parted", "ticks"):
        writer = Writer(timescaledb, table)
        writer.start()
        while writer.writes < 5:
            time.sleep(0.01)
        timescaledb.run(adding(table))
        writer.done.set()
        writer.join()

        assert filled(timescaledb, table)
        assert writer.writes > 5


def test_batches_follow_the_key(database):
    database.execute(
        KEYED, "CREATE TABLE keyed (id integer PRIMARY KEY)", "INSERT INTO keyed SELECT generate_series(1, 5000)"
    )
    sizes = {"keyed": [], "Örders": []}

    @sa.event.listens_for(database.engine, "after_cursor_execute")
    def note(connection, cursor, statement, *_):
        for table in sizes:
            if statement.startswith("UPDATE ONLY") and table in statement:
                sizes[table].append(cursor.rowcount)

    database.run(adding("keyed") + ";" + adding("Örders", "My app"))

    for of_table in sizes.values():
        assert of_table[0] == 1000 and sum(of_table) == 5000 and max(of_table) <= 2000


def run_with(database, code, meanwhile, batch):
    """Run a verb while somebody does something before one of its batches."""
    batches = []

    @sa.event.listens_for(database.engine, "before_cursor_execute")
    def interrupt(connection, cursor, statement, *_):
        if "UPDATE ONLY" in statement:
            batches.append(statement)
            if len(batches) == batch:
                with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
                    for each in meanwhile:
                        other.exec_driver_sql(each)

    database.run(code)
    assert len(batches) >= batch


def test_rows_that_are_moved_behind_the_batches_are_found(database):
    database.execute(WITHOUT_KEY)
    behind = "SELECT 1 / count(*) FROM plain WHERE note = 'moved' AND ctid < '(4,0)'"  # fails if there are none
    meanwhile = ["VACUUM plain", "UPDATE plain SET note = 'moved' WHERE id > 19000", behind]

    run_with(database, adding("plain"), meanwhile, batch=2)

    assert filled(database, "plain")


def test_a_chunk_that_is_dropped_meanwhile_does_not_matter(timescaledb):
    timescaledb.execute(TICKS)

    run_with(timescaledb, adding("ticks"), ["SELECT drop_chunks('ticks', TIMESTAMPTZ '2026-01-03')"], batch=1)

    assert filled(timescaledb, "ticks")


def test_what_cannot_be_is_refused_first(database):
    database.execute(WITHOUT_KEY, "ALTER TABLE plain ADD token text")
    before = database.look()
    for code, fact in ((adding("plain"), "is there, but of type text"), (adding("nope"), "there is no table nope")):
        with pytest.raises(InvalidObject, match=fact):
            database.run(code)
    assert database.look() == before


@pytest.mark.licensed
def test_a_columnstore_is_refused_with_the_way_round(licensed):
    licensed.execute(TICKS, "ALTER TABLE ticks SET (timescaledb.enable_columnstore)")
    with pytest.raises(FeatureNotSupported, match="has the columnstore"):
        licensed.run(adding("ticks"))


def test_production_takes_it_at_any_time(project):
    project.environment["TSEXT_ENV"] = "production"
    project.execute("CREATE TABLE orders AS SELECT g AS id FROM generate_series(1, 100000) AS g")
    project.revision("001_a", None, "pass")
    added = f'op.rename_table_with_view("orders", "trades"); import sqlalchemy as sa; {adding("trades")}'
    back = 'op.drop_column("trades", "token"); op.rename_table_over_view("trades", "orders")'
    project.revision("002_b", "001_a", added, back)

    project.run("alembic", "upgrade", "head")
    assert filled(project, "trades")
    assert project.scalar("SELECT count(id) FROM orders") == 100000
    project.run("alembic", "-x", "maintenance-window=a column is dropped", "downgrade", "001")
    assert project.scalar("SELECT count(*) FROM orders WHERE id > 0") == 100000
