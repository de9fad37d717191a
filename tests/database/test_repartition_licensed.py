"""What only the licensed build has goes with a table that gets another shape: policies, jobs, the columnstore."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tsext import catalog
from tsext.backfill import kinds, ledger, workers
from tsext.command import backfills
from tsext.errors import BackfillError, InvalidObject
from tsext.model.repartitions import Repartition
from tsext.operations.repartition import RepartitionHypertable
from tsext.settings import Settings
from tsext.sql.sending import ask, send

pytestmark = pytest.mark.licensed

TICKS = """
CREATE TABLE venues (id int PRIMARY KEY);
CREATE TABLE "Ticks" (time timestamptz NOT NULL, symbol text NOT NULL, price float8, PRIMARY KEY (symbol, time));
SELECT create_hypertable('"Ticks"', by_range('time', INTERVAL '7 days'), create_default_indexes => false);
CREATE INDEX ix_ticks ON "Ticks" (time DESC);
INSERT INTO "Ticks" SELECT '2026-01-01'::timestamptz + g * INTERVAL '1 hour', 'S' || g % 7, g
FROM generate_series(0, 299) AS g
"""
JOBS = """
ALTER TABLE "Ticks" OWNER TO keeper;
CREATE PROCEDURE tidy(job_id int, config jsonb) LANGUAGE sql AS 'SELECT 1';
SET ROLE keeper;
SELECT add_retention_policy('"Ticks"', INTERVAL '10 years', initial_start => '2040-01-01 03:00+00',
                            timezone => 'Europe/Berlin');
RESET ROLE;
SELECT alter_job(job_id, fixed_schedule => true, initial_start => '2040-01-01 03:00+00', timezone => 'Europe/Berlin',
    max_runtime => '7 minutes', retry_period => '9 minutes', next_start => '2041-01-01 02:00+00')
FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention';
SELECT add_reorder_policy('"Ticks"', 'ix_ticks', if_not_exists => true);
SELECT alter_job(job_id, schedule_interval => '5 hours', max_retries => 3, scheduled => false)
FROM timescaledb_information.jobs WHERE proc_name = 'policy_reorder';
SELECT add_job('tidy', '1 hour', config => '{"of": {"table": "public.\\"Ticks\\""}}');
SELECT add_job('tidy', '2 hours', config => '{"table": "Other"}')
"""
LOOK = """
SELECT j.proc_name, j.owner, j.hypertable_schema, j.hypertable_name, j.schedule_interval::text, j.max_runtime::text,
       j.max_retries, j.retry_period::text, j.scheduled, j.fixed_schedule, j.initial_start, b.timezone,
       j.config - 'hypertable_id' - 'mat_hypertable_id' AS config, j.next_start
FROM timescaledb_information.jobs AS j JOIN _timescaledb_config.bgw_job AS b ON b.id = j.job_id
WHERE job_id >= 1000 ORDER BY j.proc_name, j.config
"""
SCHEDULED = (
    "SELECT string_agg(proc_name, ' ' ORDER BY 1) FROM timescaledb_information.jobs WHERE job_id >= 1000 AND scheduled"
)
FORTH = 'op.repartition_hypertable("Ticks", chunk_time_interval=timedelta(days=1))'
BACK = 'op.undo_repartition_hypertable("Ticks")'


def listed(database, query):
    with database.engine.connect() as connection:
        return [tuple(row) for row in ask(connection, query)]


def jobs(database):
    return listed(database, LOOK)


@pytest.fixture
def ticks(licensed):
    licensed.execute("CREATE ROLE keeper LOGIN", *TICKS.split(";\n"))
    yield licensed
    licensed.execute('DROP TABLE IF EXISTS "Ticks" CASCADE', "DROP OWNED BY keeper", "DROP ROLE keeper")


def test_policies_and_jobs_go_with_the_table(ticks):
    ticks.execute(*JOBS.split(";\n"))
    before = jobs(ticks)
    assert len(before) == 4
    for code in (FORTH, BACK):
        ticks.run(code)
        assert jobs(ticks) == before
    ticks.run('op.convert_to_table("Ticks")')  # which can have none: they are kept with the old one
    assert ticks.scalar(SCHEDULED) == "tidy tidy"
    ticks.run(BACK)
    assert jobs(ticks) == before


def test_jobs_run_again_when_it_fails_or_is_cancelled(ticks, new_project, licensed_url, monkeypatch):
    monkeypatch.setenv("TSEXT_DATABASE_URL", licensed_url)
    project = new_project(licensed_url)
    ticks.execute(*JOBS.split(";\n"))
    before = jobs(ticks)
    with pytest.raises(BackfillError, match="failed"):
        ticks.run(f'{FORTH[:-1]}, types={{"price": sa.Integer()}}, using={{"price": "1 / (price::int - 5)"}})')
    assert jobs(ticks) == before

    def put_off(connection):
        move = RepartitionHypertable(Repartition("Ticks", chunk_time_interval=timedelta(days=1)))
        move.settings = Settings(backfill_in_upgrade=10)
        with pytest.raises(BackfillError, match=r"more than backfill_in_upgrade \(10\)"):
            move.run(connection.execution_options(isolation_level="AUTOCOMMIT"))

    ticks.run(BACK)
    ticks.execute('ANALYZE "Ticks"')
    ticks.ask(put_off)
    assert jobs(ticks) == before

    def go_on(connection):
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        found = ledger.find(connection, "repartition_Ticks")
        ledger.set_state(connection, found, ledger.State.RUNNING)
        kinds.of(found).prepare(connection, found)

    ticks.ask(go_on)
    assert ticks.scalar(SCHEDULED) == "tidy"
    backfills.change_state(project.config, "repartition_Ticks", "cancel")
    assert jobs(ticks) == before
    ticks.ask(go_on)
    assert jobs(ticks) != before
    ticks.run(BACK)
    assert jobs(ticks) == before


def test_policies_that_would_do_something_else_are_refused_first(ticks):
    ticks.execute(
        'ALTER TABLE "Ticks" ADD seen timestamptz NOT NULL DEFAULT now()',
        "SELECT add_retention_policy('\"Ticks\"', INTERVAL '10 years')",
    )
    with pytest.raises(InvalidObject, match="has a retention policy, which would go by the age of seen then"):
        ticks.run('op.repartition_hypertable("Ticks", "seen", chunk_time_interval=timedelta(days=1))')


def work(connection):
    """All up to the swap, as workers do it."""
    connection = connection.execution_options(isolation_level="AUTOCOMMIT")
    move = RepartitionHypertable(Repartition("Ticks", chunk_time_interval=timedelta(days=1)))
    workers.work_on(connection, move.declare(connection).name)


COLUMNSTORE = """
ALTER TABLE "Ticks" SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol',
                         timescaledb.compress_orderby = 'time DESC');
SELECT add_compression_policy('"Ticks"', INTERVAL '20 years', schedule_interval => INTERVAL '1 day');
SELECT compress_chunk(c) FROM show_chunks('"Ticks"', older_than => TIMESTAMPTZ '2026-01-08') AS c
"""
CHANGES = """
INSERT INTO "Ticks" VALUES ('2026-01-02 00:30Z', 'S1', 1), ('2026-01-12 00:30Z', 'S1', 1), ('2026-01-25Z', 'S2', 2);
UPDATE "Ticks" SET price = price + 1000 WHERE time BETWEEN '2026-01-03Z' AND '2026-01-04Z';
DELETE FROM "Ticks" WHERE symbol = 'S3' AND time < '2026-01-10Z';
DELETE FROM "Ticks" WHERE time = '2026-01-05 07:00Z'
"""
ROWS = 'SELECT md5(string_agg(t::text, $$;$$ ORDER BY t::text)) FROM "Ticks" AS t'
CHUNKS = """
SELECT count(*) FILTER (WHERE is_compressed) || ' of ' || count(*) FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name = 'Ticks'
"""


def test_the_columnstore_goes_with_the_table(ticks):
    ticks.execute(*COLUMNSTORE.split(";\n"))
    before, settings = jobs(ticks), ticks.ask(catalog.columnstores)
    assert ticks.scalar(CHUNKS) == "1 of 2"

    ticks.ask(work)
    ticks.execute(*CHANGES.split(";\n"))
    rows = ticks.scalar(ROWS)
    ticks.run(FORTH)
    assert ticks.scalar(ROWS) == rows
    assert ticks.scalar(CHUNKS) == "7 of 14"
    assert [each for each in ticks.ask(catalog.columnstores) if each.schema is None] == settings
    assert jobs(ticks) == before
    ticks.execute(*CHANGES.split(";\n")[1:], "INSERT INTO \"Ticks\" VALUES ('2026-01-02 00:31Z', 'S1', 3)")
    rows = ticks.scalar(ROWS)
    for code, chunks in ((BACK, "1 of 3"), ('op.convert_to_table("Ticks")', "0 of 0"), (BACK, "1 of 3")):
        ticks.run(code)
        assert ticks.scalar(ROWS) == rows
        assert ticks.scalar(CHUNKS) == chunks
        ticks.execute(CHANGES.split(";\n")[1])
        rows = ticks.scalar(ROWS)
    assert ticks.ask(catalog.columnstores) == settings
    assert jobs(ticks) == before
    ticks.execute('ALTER TABLE "Ticks" ADD venue int', 'ALTER TABLE "Ticks" ADD FOREIGN KEY (venue) REFERENCES venues')
    with pytest.raises(InvalidObject, match="has the columnstore and foreign keys, Ticks_venue_fkey, which"):
        ticks.run(FORTH)


AGGREGATES = """
CREATE SCHEMA reports;
CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
    SELECT time_bucket('6 hours', t.time) AS at, symbol, avg(price) AS price, count(*) AS n
    FROM "Ticks" AS t GROUP BY 1, 2 WITH NO DATA;
CREATE MATERIALIZED VIEW reports."Daily" WITH (timescaledb.continuous, timescaledb.create_group_indexes = false) AS
    SELECT time_bucket('4 days', at) AS at, sum(n) AS n FROM hourly GROUP BY 1 WITH NO DATA;
SELECT set_chunk_time_interval('hourly', INTERVAL '20 days');
CREATE INDEX ix_hourly ON hourly (lower(symbol), at DESC) WHERE n > 0;
COMMENT ON VIEW hourly IS 'of ticks';
GRANT SELECT ON hourly TO keeper;
CREATE VIEW latest AS SELECT max(at) AS at, sum(n) AS n FROM hourly JOIN "Ticks" ON time = at;
ALTER MATERIALIZED VIEW reports."Daily" SET (timescaledb.compress);
SELECT add_continuous_aggregate_policy('hourly', INTERVAL '100 years', INTERVAL '1 hour', INTERVAL '1 hour',
                                       initial_start => '2040-01-01 03:00+00');
SELECT add_retention_policy('reports."Daily"', INTERVAL '100 years')
"""
REFRESHED = """
CALL refresh_continuous_aggregate('hourly', NULL, '2026-01-12 00:00Z');
CALL refresh_continuous_aggregate('reports."Daily"', NULL, NULL);
SELECT drop_chunks('"Ticks"', older_than => TIMESTAMPTZ '2026-01-08')
"""
GROUPS = """
SELECT md5(string_agg(t, ';' ORDER BY t)) || count(*)
FROM (SELECT h::text FROM hourly AS h UNION ALL SELECT d::text FROM reports."Daily" AS d) AS groups (t)
"""
RELATIONS = """
SELECT regexp_replace(indexdef, '_materialized_hypertable_[0-9]+', '') AS it FROM pg_indexes
WHERE indexname = 'ix_hourly'
UNION ALL SELECT obj_description(oid, 'pg_class') || relacl::text FROM pg_class WHERE oid = 'hourly'::regclass
UNION ALL SELECT pg_get_viewdef('latest'::regclass)
UNION ALL SELECT format('%s %s %s %s %s', view_schema, view_name, materialized_only, compression_enabled,
    view_definition) FROM timescaledb_information.continuous_aggregates WHERE view_schema !~ '^tsext_'
UNION ALL SELECT a.view_name || ' ' || time_interval FROM timescaledb_information.continuous_aggregates AS a
JOIN timescaledb_information.dimensions AS d ON d.hypertable_name = materialization_hypertable_name
WHERE view_schema !~ '^tsext_' ORDER BY it
"""


def call(database, *statements):
    """What cannot run in a transaction."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            send(connection, statement)


def test_continuous_aggregates_are_made_anew_with_their_history(ticks):
    ticks.execute(*AGGREGATES.split(";\n"))
    call(ticks, *REFRESHED.split(";\n"))
    ticks.ask(work)
    ticks.execute("INSERT INTO \"Ticks\" VALUES ('2026-01-12 07:00Z', 'late', 1)")
    # not from the beginning: TimescaleDB would forget what is there of dropped chunks
    call(
        ticks,
        "CALL refresh_continuous_aggregate('hourly', '2026-01-08 00:00Z', '2026-01-13 00:00Z')",
        "CALL refresh_continuous_aggregate('reports.\"Daily\"', '2026-01-08 00:00Z', NULL)",
    )
    groups, relations, before = ticks.scalar(GROUPS), listed(ticks, RELATIONS), jobs(ticks)
    ticks.run(FORTH)
    assert not re.search("tsext_(new|old)", ticks.autogenerate(sa.MetaData()).upgrade)
    assert ticks.scalar(GROUPS) == groups
    assert listed(ticks, RELATIONS) == relations
    assert jobs(ticks) == before

    ticks.execute(
        "UPDATE \"Ticks\" SET price = price + 1 WHERE time >= '2026-01-09Z'",
        "INSERT INTO \"Ticks\" VALUES ('2026-01-20Z', 'S1', 1)",
    )
    refresh = [each.replace("'2026-01-12 00:00Z'", "NULL") for each in REFRESHED.split(";\n")[:2]]
    call(ticks, *refresh)  # what is there of times whose raw rows are gone stays
    assert ticks.scalar(GROUPS) != groups
    assert ticks.scalar("SELECT sum(n) FROM hourly") == 302
    ticks.execute("SELECT drop_chunks('\"Ticks\"', older_than => TIMESTAMPTZ '2026-01-10')")
    groups, rows = ticks.scalar(GROUPS), ticks.scalar(ROWS)
    ticks.run(BACK)
    assert ticks.scalar(GROUPS) == groups
    assert ticks.scalar(ROWS) == rows
    assert listed(ticks, RELATIONS) == relations
    assert jobs(ticks) == before
    assert ticks.scalar("SELECT count(*) FROM timescaledb_information.continuous_aggregates") == 2
    others = f'{FORTH[:-1]}, types={{"price": sa.Numeric()}})'
    for code, why in (
        ('op.convert_to_table("Ticks")', "a plain table has none"),
        (others, "columns that they are made of are to have other"),
    ):
        with pytest.raises(
            InvalidObject, match=f"has continuous aggregates, hourly, reports.Daily, and {why}"
        ) as refusal:
            ticks.run(code)
        assert 'op.drop_continuous_aggregate("Daily"), op.drop_continuous_aggregate("hourly")' in refusal.value.hint


def test_aggregates_of_other_columns_than_those_that_get_other_types(ticks):
    ticks.execute(
        'ALTER TABLE "Ticks" ADD n int DEFAULT 7',
        "CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous) AS SELECT time_bucket('1 day', time) AS at, "
        'sum(price) AS price FROM "Ticks" GROUP BY 1 WITH NO DATA',
    )
    refresh = "CALL refresh_continuous_aggregate('daily', NULL, NULL)"
    ticks.ask(lambda it: it.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(refresh))
    rows = "SELECT array_agg(d ORDER BY at)::text FROM daily AS d"
    before = ticks.scalar(rows)
    with pytest.raises(InvalidObject, match="daily, and columns that they are made of are to have other types"):
        ticks.run(f'{FORTH[:-1]}, types={{"price": sa.Integer()}})')
    for code, type_ in ((f'{FORTH[:-1]}, types={{"n": sa.BigInteger()}})', "bigint"), (BACK, "integer")):
        ticks.run(code)
        assert ticks.scalar(rows) == before
        assert ticks.scalar('SELECT pg_typeof(n)::text FROM "Ticks" LIMIT 1') == type_
