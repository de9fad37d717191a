"""Tables that get another shape while others write: life-cycles, interruptions, refusals."""

import random
import re
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.backfill import kinds, ledger
from tsext.backfill.repartition import indexing
from tsext.errors import BackfillError, InvalidObject, IrreversibleOperation
from tsext.history import bookkeeping
from tsext.sql.sending import ask, send

TICKS = """
CREATE SCHEMA "Äpp";
CREATE TABLE accounts (id integer PRIMARY KEY);
INSERT INTO accounts SELECT generate_series(1, 10);
CREATE TABLE "Äpp"."Tícks" (
    id bigserial, "Tíme" timestamptz NOT NULL, symbol text NOT NULL, price numeric, note jsonb, raw json, tags text[],
    twice numeric GENERATED ALWAYS AS (price * 2) STORED, account integer REFERENCES accounts,
    CHECK (price > -1000000), PRIMARY KEY (symbol, "Tíme", id)
);
SELECT create_hypertable('"Äpp"."Tícks"', by_range('Tíme', INTERVAL '7 days'), create_default_indexes => false);
CREATE INDEX "ix Tíme" ON "Äpp"."Tícks" ("Tíme" DESC);
CREATE INDEX part ON "Äpp"."Tícks" (account) WHERE account > 3;
CREATE TABLE mirror (LIKE "Äpp"."Tícks");
CREATE FUNCTION reflect() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN DELETE FROM public.mirror WHERE id = OLD.id; END IF;
    IF TG_OP <> 'DELETE' THEN INSERT INTO public.mirror SELECT NEW.*; END IF;
    RETURN NULL;
END $$;
CREATE INDEX ON mirror (id);
CREATE TRIGGER "Reflect" AFTER INSERT OR UPDATE OR DELETE ON "Äpp"."Tícks" FOR EACH ROW EXECUTE FUNCTION reflect();
COMMENT ON TABLE "Äpp"."Tícks" IS '100%';
COMMENT ON COLUMN "Äpp"."Tícks".price IS 'it''s';
CREATE VIEW latest WITH (security_barrier) AS SELECT symbol, max("Tíme") AS at FROM "Äpp"."Tícks" GROUP BY symbol;
GRANT SELECT ON "Äpp"."Tícks" TO PUBLIC;
INSERT INTO "Äpp"."Tícks" ("Tíme", symbol, price, note, raw, tags, account)
SELECT '2026-03-20'::timestamptz + g * INTERVAL '5 minutes', 'S' || g % 7, CASE WHEN g % 11 <> 0 THEN g END,
       jsonb_build_object('g', g), '{"a": 1}', CASE WHEN g % 3 = 0 THEN ARRAY['x', NULL] END, g % 10 + 1
FROM generate_series(0, 5999) AS g;
INSERT INTO "Äpp"."Tícks" ("Tíme", symbol, note)
SELECT '1969-12-31 23:59:59.5', 'toast', to_jsonb(string_agg(md5(g::text), '')) FROM generate_series(1, 2000) AS g
"""
TABLE = '"Äpp"."Tícks"'
FORTH = 'op.repartition_hypertable("Tícks", chunk_time_interval=timedelta(days=1), schema="Äpp")'
BACK = 'op.undo_repartition_hypertable("Tícks", schema="Äpp")'


def look(database):
    """With what :meth:`look` leaves out."""
    more = """
        SELECT 'trigger', tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger
        WHERE NOT tgisinternal AND tgname NOT LIKE 'ts_%' AND tgname NOT LIKE 'zz_tsext%'
        AND tgrelid::regclass::text NOT LIKE '\\_timescaledb%'
        UNION ALL SELECT 'comment', attname::text, col_description(attrelid, attnum) FROM pg_attribute
        WHERE attnum > 0 AND col_description(attrelid, attnum) IS NOT NULL AND attrelid = '"Äpp"."Tícks"'::regclass
        UNION ALL SELECT 'table', obj_description(oid, 'pg_class'), relacl::text || relreplident::text
        FROM pg_class WHERE oid = '"Äpp"."Tícks"'::regclass
        UNION ALL SELECT 'view', pg_get_viewdef(oid), reloptions::text FROM pg_class WHERE relname = 'latest'
        UNION ALL SELECT 'sequence', pg_get_serial_sequence('"Äpp"."Tícks"', 'id'), ''
    """
    hypertables, objects = database.look()
    with database.engine.connect() as connection:
        rows = ask(connection, more)
        found = sorted(map(tuple, rows))
    return hypertables, [each for each in objects if "tsext_" not in str(each)], found


def all_rows(database, table=TABLE):
    return database.scalar(f"SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM {table} AS t")


def intervals(database):
    return [(each.name, each.chunk_time_interval.days) for each in database.hypertables if "tsext_" not in each.schema]


class Writer(threading.Thread):
    """Inserts, updates, deletes, late rows; keeps what it was told, to be compared in the end."""

    def __init__(self, database):
        super().__init__(daemon=True)
        self.database = database
        self.stopped = threading.Event()
        self.statements = 0
        self.error = None

    def run(self):
        numbers = random.Random(1)
        try:
            with self.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                while not self.stopped.is_set():
                    send(connection, self.statement(numbers))
                    self.statements += 1
                    self.stopped.wait(0.01)
        except Exception as error:
            self.error = error

    def statement(self, numbers):
        at = f"'2026-03-20'::timestamptz + {numbers.randrange(30 * 86400)} * INTERVAL '1 second'"
        insert = f'INSERT INTO {TABLE} ("Tíme", symbol, price, account)'
        near = f"\"Tíme\" BETWEEN {at} AND {at} + INTERVAL '1 hour'"
        return numbers.choice(
            [
                f"{insert} VALUES ({at}, 'W', 1, 1)",
                f"{insert} SELECT {at} + g * INTERVAL '1 hour', 'M', g, 2 FROM generate_series(1, 20) AS g",
                f"{insert} VALUES ('2026-05-20'::timestamptz + {numbers.randrange(9)} * INTERVAL '1 day', 'F', 1, 1)",
                f"UPDATE {TABLE} SET price = price + 1 WHERE {near}",
                f"UPDATE {TABLE} SET \"Tíme\" = \"Tíme\" + INTERVAL '1 second' WHERE symbol = 'M' AND {near} "
                f"AND \"Tíme\"::time < '23:00'",
                f"DELETE FROM {TABLE} WHERE {near} AND symbol <> 'S1'",
            ]
        )

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()
        assert self.error is None, self.error


def test_life_cycle(timescaledb):
    database = timescaledb
    database.execute(TICKS)
    database.ask(lambda connection: bookkeeping.upgrade(connection, ledger=True))
    before, rows = look(database), all_rows(database)

    database.run(FORTH)
    assert intervals(database) == [("Tícks", 1)]
    assert all_rows(database) == rows
    after = look(database)
    assert after[1:] == before[1:]

    database.run(FORTH)  # there is nothing to do
    database.execute(f"INSERT INTO {TABLE} (\"Tíme\", symbol, account) VALUES ('2026-03-21', 'new', 3)")
    rows = all_rows(database)
    database.run(BACK)
    assert intervals(database) == [("Tícks", 7)]
    assert look(database) == before
    assert all_rows(database) == rows
    database.run(FORTH)
    assert look(database) == after
    assert all_rows(database) == rows


DIFFERENCE = f"""
    SELECT count(*) FROM (
        (SELECT t::text FROM {TABLE} AS t EXCEPT ALL SELECT t::text FROM mirror AS t)
        UNION ALL (SELECT t::text FROM mirror AS t EXCEPT ALL SELECT t::text FROM {TABLE} AS t)
    ) AS different
"""


def test_while_others_write(timescaledb):
    database = timescaledb
    database.execute(TICKS)
    with Writer(database) as writer:
        for direction, days in ((FORTH, 1), (BACK, 7)):
            database.run(direction)
            before = writer.statements
            while writer.statements < before + 20:
                assert writer.error is None
            assert intervals(database) == [("Tícks", days)]
    assert database.scalar(DIFFERENCE) == 0
    assert database.scalar("SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == 0


# --- workers, before the upgrade

MANY = """
CREATE TABLE ticks (time timestamptz NOT NULL, symbol text NOT NULL, price float8, PRIMARY KEY (symbol, time));
SELECT create_hypertable('ticks', by_range('time', INTERVAL '7 days'), create_default_indexes => false);
INSERT INTO ticks SELECT '2026-01-01'::timestamptz + g * INTERVAL '7 seconds', 'S' || g % 7, g
FROM generate_series(0, 399999) AS g
"""
SUM = "SELECT count(*) || ' ' || sum(hashtextextended(t::text, 0)) FROM ticks AS t"


def test_workers_that_are_killed_and_an_upgrade_that_swaps(project):
    project.environment["TSEXT_ENV"] = "production"
    project.execute("CREATE EXTENSION timescaledb", MANY)
    project.revision("001_a", None)
    page = (Path(__file__).parents[2] / "docs" / "repartition.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    ids = 'revision = "061_daily_chunks"\ndown_revision = "001_a"\n'
    (project.versions / "061_daily_chunks.py").write_text(ids + example)
    done = "SELECT count(*) FROM tsext.backfill_task WHERE state = 'done'"
    for least in (1, 3):
        with project.command("tsext", "backfill", "run", "061_daily_chunks") as process:
            deadline = time.monotonic() + 60
            while not (project.scalar("SELECT to_regclass('tsext.backfill_task')") and project.scalar(done) >= least):
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.01)
            process.kill()
    project.execute("UPDATE ticks SET price = price + 1 WHERE symbol = 'S3'", "DELETE FROM ticks WHERE price < 1000")
    rows = project.scalar(SUM)
    assert "done" in project.run("tsext", "backfill", "run", "061_daily_chunks")
    assert project.scalar("SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_schema = 'public'") < 7
    tasks = project.scalar("SELECT count(*) FROM tsext.backfill_task")
    assert project.scalar("SELECT count(*) FROM tsext.backfill_attempt") <= tasks + 2 * 2  # two workers, killed twice

    project.execute("ALTER TABLE ticks ADD note text")
    assert "column note text differs" in project.run("alembic", "upgrade", "head", fails=True)
    project.execute("ALTER TABLE ticks DROP note")
    project.run("alembic", "upgrade", "head")

    assert project.scalar("SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_schema = 'public'") > 30
    assert project.scalar(SUM) == rows
    assert "writers waited" in project.run("tsext", "backfill", "status", "repartition_ticks")
    project.run("tsext", "backfill", "finish", "repartition_ticks")
    assert project.scalar("SELECT count(*) FROM pg_namespace WHERE starts_with(nspname, 'tsext_')") == 0
    project.run("alembic", "downgrade", "001")
    assert project.scalar("SELECT count(*) FROM show_chunks('ticks')") == 5
    assert project.scalar(SUM) == rows
    assert project.scalar("SELECT count(*) FROM tsext.backfill") == 0  # of the way back, nothing is left


def finish(connection, name):
    connection = connection.execution_options(isolation_level="AUTOCOMMIT")
    found = ledger.find(connection, name)
    kinds.of(found).finish(connection, found)
    ledger.set_state(connection, found, ledger.State.FINISHED)


def test_a_table_becomes_a_hypertable_with_another_type_and_a_table_again(timescaledb):
    timescaledb.execute(
        "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY, at date NOT NULL, cents int DEFAULT 5, who text)",
        "INSERT INTO orders (at, cents) SELECT DATE '2026-01-01' + g % 40, g FROM generate_series(1, 2000) AS g",
    )
    forth = """op.repartition_hypertable(
        "orders", "at", chunk_time_interval=timedelta(days=10), types={"cents": sa.Numeric(9, 2)},
        using={"cents": "cents / 100.0"}, existing_using={"cents": "cents * 100"}, dimensions=[])"""
    timescaledb.run(forth)
    timescaledb.execute("INSERT INTO orders (at) VALUES ('2026-03-01')")
    query = "SELECT pg_typeof(cents)::text FROM orders LIMIT 1"
    assert timescaledb.scalar(query) == "numeric"
    assert timescaledb.scalar("SELECT sum(cents) || ' ' || max(id) FROM orders") == "20015.00 2001"
    assert [each.column for each in timescaledb.hypertables if each.schema is None] == ["at"]
    former = '{"plain": True, "types": {"cents": sa.Integer()}, "using": {"cents": "cents * 100"}}'
    undo = f'op.undo_repartition_hypertable("orders", former={former})'
    for finished in (False, True):
        timescaledb.run(forth)
        assert timescaledb.scalar(query) == "numeric"
        if finished:
            timescaledb.ask(finish, "repartition_orders")
            with pytest.raises(IrreversibleOperation, match="was dropped by tsext backfill finish"):
                timescaledb.run('op.undo_repartition_hypertable("orders")')
        timescaledb.run(undo)
        assert timescaledb.scalar(query) == "integer"
        assert [each for each in timescaledb.hypertables if each.schema is None] == []
        assert timescaledb.scalar("SELECT sum(cents) || ' ' || max(id) FROM orders") == "2001500 2001"
        timescaledb.run(undo)  # there is nothing to undo any more
    timescaledb.run('op.repartition_hypertable("orders", "at", chunk_time_interval=timedelta(days=10))')
    assert [each.column for each in timescaledb.hypertables if each.schema is None] == ["at"]


def retry(connection, name):
    connection = connection.execution_options(isolation_level="AUTOCOMMIT")
    found = ledger.find(connection, name)
    ledger.retry(connection, found)
    ledger.set_state(connection, found, ledger.State.RUNNING)


@pytest.mark.one_version
def test_what_another_type_cannot_hold_is_never_cut_off(timescaledb):
    timescaledb.execute(
        "CREATE DOMAIN code AS varchar(3)",
        "CREATE TABLE t (at date NOT NULL, a text, b text[], c bit(4), d text)",
        "INSERT INTO t VALUES ('2026-01-01', 'abc', '{abc}', '0101', 'abc')",
    )
    narrow = """op.repartition_hypertable("t", "at", chunk_time_interval=timedelta(days=10), types={
        "a": sa.String(3), "b": sa.ARRAY(sa.CHAR(3)), "c": "bit(4)", "d": "code"})"""
    for column, long in (("a", "long"), ("b", "{long}"), ("d", "long")):
        timescaledb.execute(f"INSERT INTO t (at, {column}) VALUES ('2026-01-02', '{long}')")
        with pytest.raises(BackfillError, match="1 task failed, the first for: value too long for type character"):
            timescaledb.run(narrow)
        timescaledb.execute("DELETE FROM t WHERE at > '2026-01-01'")
        timescaledb.ask(retry, "repartition_t")
        timescaledb.run(narrow)
        assert timescaledb.scalar("SELECT t::text FROM t") == "(2026-01-01,abc,{abc},0101,abc)"
        timescaledb.run('op.undo_repartition_hypertable("t")')
    defaults = {"a": "'abcd'", "b": "'{abcd}'", "c": "'00001111'", "d": "upper('abcd')"}
    for column, default in defaults.items():
        timescaledb.execute(f"ALTER TABLE t ALTER {column} SET DEFAULT {default}")
    timescaledb.run(narrow)
    for column in defaults:
        others = {"a": "'a'", "b": "'{b}'", "c": "'0101'", "d": "'d'"} | {column: "DEFAULT"}
        with pytest.raises(DBAPIError, match=r"value too long for type char|does not match type bit"):
            timescaledb.execute(f"INSERT INTO t VALUES ('2026-01-03', {', '.join(others.values())})")


@pytest.mark.parametrize("key", ["at", "n, at"], ids=["by index", "in one pass"])
@pytest.mark.parametrize(
    ("type_", "interval", "smaller", "values"),
    [
        (
            "timestamptz",
            "INTERVAL '30 days'",
            "timedelta(days=1)",
            ["'infinity'", "'1999-12-31'", "'2026-03-29 01:30+00'"],
        ),
        ("smallint", "10000", "100", ["32767", "-3", "0"]),
    ],
)
def test_chunks_with_gaps_and_one_without_an_end(timescaledb, type_, interval, smaller, values, key):
    database = timescaledb
    some = "'2026-03-20'::timestamptz + g * g * INTERVAL '1 hour'" if type_ == "timestamptz" else "g * g * 15"
    database.execute(
        f"CREATE TABLE far (at {type_} NOT NULL, n integer, PRIMARY KEY ({key}))",
        f"SELECT create_hypertable('far', by_range('at', {interval}), create_default_indexes => false)",
        f"INSERT INTO far SELECT {some}, g FROM generate_series(1, 45) AS g",
        f"INSERT INTO far VALUES {', '.join(f'({each}, -1)' for each in values)}",
    )
    rows = all_rows(database, "far")
    database.run(f'op.repartition_hypertable("far", chunk_time_interval={smaller})')
    assert all_rows(database, "far") == rows
    assert database.scalar("SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'far'") > 45
    database.run('op.undo_repartition_hypertable("far")')
    assert all_rows(database, "far") == rows


def test_what_would_not_follow_is_refused_first(timescaledb):
    timescaledb.execute(
        "CREATE TABLE t (time timestamptz NOT NULL, a int, b text, may timestamptz)",
        "CREATE MATERIALIZED VIEW seen AS SELECT a FROM t",
    )
    verb = 'op.repartition_hypertable("t", "time", chunk_time_interval=timedelta(days=1){})'
    for code, fact in (
        (verb.format(""), "is read by .*seen, which cannot be pointed at another table"),
        ('op.repartition_hypertable("t")', "is a plain table, and no column is given"),
        ('op.repartition_hypertable("t", "may")', "may of t may be NULL"),
        ('op.repartition_hypertable("t", "b")', "cannot be moved by ranges of b: it is of type text"),
        (verb.format(', types={"c": sa.Integer()}'), "has no column c"),
        ('op.convert_to_table("t")', "is no hypertable"),
    ):
        with pytest.raises(InvalidObject, match=fact):
            timescaledb.run(code)
        if "seen" in fact:
            timescaledb.execute("DROP MATERIALIZED VIEW seen")
    assert timescaledb.scalar("SELECT to_regclass('tsext.backfill')") is None


EVERYTHING = """
CREATE TABLE venues (id int PRIMARY KEY);
INSERT INTO venues VALUES (1), (2);
CREATE TABLE fills (
    id bigint NOT NULL, at timestamptz NOT NULL, venue int NOT NULL REFERENCES venues, size int,
    seen timestamptz NOT NULL,
    CONSTRAINT fills_pk PRIMARY KEY (at, id, seen, venue)
);
SELECT create_hypertable('fills', by_range('at', INTERVAL '7 days'), create_default_indexes => false);
INSERT INTO fills SELECT g, '2026-01-01'::timestamptz + g * INTERVAL '1 hour', 1 + g % 2, g, '2026-03-01'::timestamptz +
    g * INTERVAL '1 minute' FROM generate_series(1, 900) AS g;
ALTER TABLE fills REPLICA IDENTITY USING INDEX fills_pk;
CREATE PUBLICATION changes FOR TABLE fills;
ALTER TABLE fills ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON fills AS RESTRICTIVE FOR SELECT USING (size > 5)
"""


def everything(database):
    """What belongs to the table, by whatever schema its objects are in."""
    query = """
        SELECT 'identity', relreplident::text, relrowsecurity::text FROM pg_class WHERE oid = 'fills'::regclass
        UNION ALL SELECT 'policy', polname::text, pg_get_expr(polqual, polrelid) FROM pg_policy
        WHERE polrelid = 'fills'::regclass
        UNION ALL SELECT 'published', pubname::text, '' FROM pg_publication_tables WHERE tablename = 'fills'
        UNION ALL SELECT 'key', conname::text, pg_get_constraintdef(oid) || convalidated FROM pg_constraint
        WHERE conrelid = 'fills'::regclass AND contype <> 'n'
        UNION ALL SELECT 'identified', indexrelid::regclass::text, '' FROM pg_index
        WHERE indrelid = 'fills'::regclass AND indisreplident
    """
    with database.engine.connect() as connection:
        return sorted(map(tuple, ask(connection, query)))


def test_all_that_belongs_to_a_table_goes_with_it(timescaledb):
    timescaledb.execute(*EVERYTHING.split(";\n"))
    before, rows = everything(timescaledb), all_rows(timescaledb, "fills")
    assert len(before) == 6
    other = 'op.repartition_hypertable("fills", "seen", chunk_time_interval=timedelta(days=1), dimensions=[{}])'
    for forth, dimensions in (
        (other.format('Dimension("venue", number_partitions=2)'), ["venue"]),
        ('op.repartition_hypertable("fills", dimensions=[Dimension("venue", number_partitions=3)])', ["venue"]),
        ('op.convert_to_table("fills")', None),
    ):
        timescaledb.run(forth)
        assert everything(timescaledb) == before, forth
        assert all_rows(timescaledb, "fills") == rows
        found = [each for each in timescaledb.hypertables if each.name == "fills" and each.schema is None]
        assert [[d.column for d in each.dimensions] for each in found] == ([] if dimensions is None else [dimensions])
        timescaledb.execute("UPDATE fills SET size = size + 1 WHERE id = 7")
        rows = all_rows(timescaledb, "fills")
        timescaledb.run('op.undo_repartition_hypertable("fills")')
        assert everything(timescaledb) == before, forth
        assert all_rows(timescaledb, "fills") == rows


# --- keys and indexes

KEYED = """
CREATE TABLE quotes (id bigint NOT NULL, time timestamptz NOT NULL, symbol text, price numeric, PRIMARY KEY (id, time));
SELECT create_hypertable('quotes', by_range('time', INTERVAL '7 days'), create_default_indexes => false);
CREATE UNIQUE INDEX once ON quotes (symbol, time DESC) INCLUDE (price);
CREATE INDEX "Lower" ON quotes (lower(symbol) text_pattern_ops) WHERE symbol <> 'S1';
INSERT INTO quotes SELECT g, '2026-01-01'::timestamptz + g * INTERVAL '1 minute', 'S' || g % 9, g
FROM generate_series(1, 9000) AS g
"""
INDEXES = """
    SELECT c.oid, array_agg(i.indisunique || substring(pg_get_indexdef(i.indexrelid) FROM ' USING .*'))
    FROM (SELECT 'quotes'::regclass UNION ALL SELECT show_chunks('quotes')) AS c (oid)
    JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisvalid GROUP BY 1
"""

ANALYZED = """
    SELECT count(DISTINCT starelid) FROM pg_statistic WHERE starelid = 'quotes'::regclass AND stainherit
    OR starelid IN (SELECT show_chunks('quotes')) AND NOT stainherit
"""


@pytest.mark.parametrize("largest", [4_000_000, 500])
def test_chunks_have_the_keys_of_the_table(timescaledb, monkeypatch, largest):
    monkeypatch.setattr("tsext.backfill.repartition.planning.LARGEST", largest)
    database = timescaledb
    database.execute(*KEYED.split(";\n"))
    database.run('op.repartition_hypertable("quotes", chunk_time_interval=timedelta(days=1))')
    steps = {"copy chunks"} if largest > 9000 else {"copy", "key chunk"}
    if database.ask(catalog.timescaledb).number < indexing.CONSTRAINTS_SINCE:
        steps.add("key")
    with database.engine.connect() as connection:
        taken = connection.exec_driver_sql("SELECT DISTINCT step FROM tsext.backfill_task").scalars()
        assert set(taken) == {*steps, "analyze", "verify"}
        found = dict(ask(connection, INDEXES).all())
        analyzed = ask(connection, ANALYZED).scalar()
    assert len(found) == analyzed == 1 + 7
    (definitions,) = {tuple(sorted(each)) for each in found.values()}
    assert len(definitions) == 3
    assert database.ask(catalog.uncovered_indexes) == []
    for conflict in ("(id, time)", "(symbol, time)", "ON CONSTRAINT quotes_pkey"):
        rows = "SELECT * FROM quotes WHERE id % 1000 = 7 ON CONFLICT {} DO UPDATE SET price = -1"
        database.execute(f"INSERT INTO quotes {rows.format(conflict)}")
    assert database.scalar("SELECT count(*) FROM quotes WHERE price = -1") == 9
    database.execute("INSERT INTO quotes VALUES (1, '2026-03-01', 'new', 1)", "DROP INDEX once", 'DROP INDEX "Lower"')
    database.execute("ALTER TABLE quotes DROP CONSTRAINT quotes_pkey")
    assert database.scalar("SELECT count(*) FROM pg_index WHERE indrelid IN (SELECT show_chunks('quotes'))") == 0


# --- rows of one instant

HOT = """
CREATE TABLE hot (day date NOT NULL, symbol text NOT NULL, n int NOT NULL DEFAULT 0, PRIMARY KEY (symbol, day));
SELECT create_hypertable('hot', by_range('day', INTERVAL '7 days'), create_default_indexes => false);
INSERT INTO hot SELECT DATE '2026-01-01' + d, 'it''s ' || g
FROM generate_series(0, 1) AS d, generate_series(1, 20000) AS g
"""


class Updater(Writer):
    """Changes thirty rows of the last day at a time."""

    def statement(self, numbers):
        symbols = ", ".join(f"'it''s {each}'" for each in numbers.sample(range(1, 20001), 30))
        return f"UPDATE hot SET n = n + 1 WHERE day = '2026-01-02' AND symbol IN ({symbols})"


def test_of_rows_of_one_instant_those_that_change_are_brought_over(timescaledb):
    timescaledb.execute(*HOT.split(";\n"))
    with Updater(timescaledb) as updater:
        timescaledb.run('op.repartition_hypertable("hot", chunk_time_interval=timedelta(days=1))')
        timescaledb.run('op.undo_repartition_hypertable("hot")')
    assert timescaledb.scalar("SELECT sum(n) FROM hot") == 30 * updater.statements
    assert timescaledb.scalar("SELECT count(*) FROM hot") == 40_000
