"""``tsext reflect``: what it prints declares the database as it is."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tsext import Hypertable, reflection
from tsext.errors import InvalidObject

ROOT = Path(__file__).parents[2]

ODD = r"""
CREATE SCHEMA "My Schema";
CREATE TYPE "My Schema"."Mood" AS ENUM ('so so', 'it''s "fine"');
CREATE TYPE plain_mood AS ENUM ('a', 'b');
CREATE DOMAIN posint AS int CHECK (VALUE > 0);
CREATE TABLE "My Schema"."Odd ""table"" 100%" (
  "Id" bigint GENERATED ALWAYS AS IDENTITY (START WITH 5 INCREMENT BY 2) PRIMARY KEY,
  serial_one serial NOT NULL, "it's :name" text COLLATE "C" DEFAULT 'a''b:c%', mood "My Schema"."Mood" NOT NULL,
  doubled int GENERATED ALWAYS AS (serial_one * 2) STORED, tags text[] DEFAULT '{}', matrix int[][],
  doc jsonb DEFAULT '{"a": ":b"}'::jsonb, price numeric(20,8), u uuid DEFAULT gen_random_uuid(),
  iv interval DAY TO SECOND(3), ip inet, r tstzrange, bits bit varying(5), ts timestamp(3), t time with time zone,
  pi posint, m plain_mood[], b bytea, c char(5), v varchar(10), d date, f float4,
  CONSTRAINT "ck Odd" CHECK ("it's :name" <> 'x:y%' AND v <> E'back\\:slash'),
  CONSTRAINT uq UNIQUE (serial_one, "it's :name"));
COMMENT ON TABLE "My Schema"."Odd ""table"" 100%" IS 'it''s "odd" % :x';
COMMENT ON COLUMN "My Schema"."Odd ""table"" 100%"."Id" IS E'two\nlines';
CREATE INDEX part ON "My Schema"."Odd ""table"" 100%" (serial_one) WHERE "it's :name" = ':so %';
CREATE UNIQUE INDEX expr ON "My Schema"."Odd ""table"" 100%" (lower(v || '%'), serial_one) INCLUDE (price);
CREATE INDEX gin ON "My Schema"."Odd ""table"" 100%" USING gin (doc jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX direction ON "My Schema"."Odd ""table"" 100%" (price DESC NULLS LAST, u);
CREATE TABLE child (id serial PRIMARY KEY, me int REFERENCES child (id), name text UNIQUE NULLS NOT DISTINCT,
  parent bigint REFERENCES "My Schema"."Odd ""table"" 100%" ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE a (id int PRIMARY KEY, b int);
CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
ALTER TABLE a ADD CONSTRAINT ab FOREIGN KEY (b) REFERENCES b;
CREATE TABLE empty_one ();
CREATE TABLE logged (id bigserial, at date DEFAULT now(), PRIMARY KEY (id, at));
CREATE EXTENSION btree_gist;
CREATE TABLE rooms (room int, during tstzrange, "Who" text,
  CONSTRAINT plain EXCLUDE USING gist (room WITH =, during WITH &&),
  CONSTRAINT "Odd one" EXCLUDE USING btree (lower("Who" || ':x%') text_pattern_ops WITH =) WHERE ("Who" <> ':y%')
  DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE parts (id int, "At" date, PRIMARY KEY (id, "At")) PARTITION BY RANGE ("At");
CREATE TABLE parts_2025 PARTITION OF parts FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE "My Schema".parts_rest PARTITION OF parts DEFAULT PARTITION BY LIST (id);
CREATE TABLE parts_of_rest PARTITION OF "My Schema".parts_rest DEFAULT;
CREATE INDEX parts_at ON parts ("At");
CREATE TABLE to_parts (id int, at date, FOREIGN KEY (id, at) REFERENCES parts);
CREATE VIEW v AS SELECT 1 AS one;
"""
HYPERTABLES = (
    'CREATE TABLE "My Schema"."Ticks \'n\' %" ("At" bigint NOT NULL, device int, sent timestamptz, n int, '
    'CONSTRAINT pk PRIMARY KEY ("At", device))',
    "SELECT create_hypertable('\"My Schema\".\"Ticks ''n'' %\"', by_range('At', 100))",
    "SELECT add_dimension('\"My Schema\".\"Ticks ''n'' %\"', by_hash('device', 3))",
    "CREATE FUNCTION now_is() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT 1::bigint'",
    "SELECT set_integer_now_func('\"My Schema\".\"Ticks ''n'' %\"', 'now_is')",
    "SELECT set_config('timescaledb.enable_chunk_skipping', 'on', true), "
    "enable_chunk_skipping('\"My Schema\".\"Ticks ''n'' %\"', 'n')",
    'INSERT INTO "My Schema"."Ticks \'n\' %" SELECT n * 100, n FROM generate_series(1, 5) AS n',
    "CREATE TABLE alarm (at bigint, device int, "
    'CONSTRAINT fk FOREIGN KEY (at, device) REFERENCES "My Schema"."Ticks \'n\' %")',
    "CREATE TABLE conditions (time timestamptz NOT NULL)",
    "SELECT create_hypertable('conditions', by_range('time', INTERVAL '90 minutes'))",
    'CREATE TABLE held ("At" bigint NOT NULL, rooms int8range, EXCLUDE USING gist (rooms WITH &&, "At" WITH =))',
    "SELECT create_hypertable('held', by_range('At', 100))",
    "INSERT INTO held VALUES (1, '[1,2]'), (300, '[1,2]')",
)
BOTH = (None, "My Schema")


def reflected(database, schemas=BOTH, tables=()):
    return database.ask(reflection.module, reflection.Wanted(schemas, tables))


def metadata_of(text):
    module = {}
    exec(text, module)
    return module["metadata"]


@pytest.fixture
def odd(timescaledb):
    timescaledb.execute(ODD, *HYPERTABLES)
    return timescaledb


def test_autogenerate_finds_nothing(odd):
    metadata = metadata_of(reflected(odd))
    assert odd.autogenerate(metadata, include_schemas=True, compare_type=True).is_empty
    assert len(metadata.tables) == 13
    odd.execute("ALTER TABLE rooms DROP CONSTRAINT plain")
    revision = odd.migrate(metadata, include_schemas=True)  # what is declared and missing comes back
    assert revision.upgrade.count("op.create_exclude_constraint") == 1 and "plain" in revision.upgrade
    assert odd.autogenerate(metadata, include_schemas=True).is_empty
    odd.run(revision.downgrade)
    assert odd.scalar("SELECT count(*) FROM pg_constraint WHERE contype = 'x' AND conname ~ 'Odd'") == 1
    metadata.tables["rooms"].constraints.clear()  # what is not declared is left alone
    assert odd.autogenerate(metadata, include_schemas=True).is_empty
    only_here = metadata_of(reflected(odd, [None]))
    assert {table.schema for table in only_here.tables.values()} == {None}


def test_defaults_indexes_and_chunks_of_timescaledb_are_left_out(odd):
    text = reflected(odd)
    for word in ("conditions_time_idx", "_At_idx", "_hyper_", "timescaledb_", "alembic_version"):
        assert word not in text
    assert 'Hypertable(column="time", chunk_time_interval=timedelta(seconds=5400))' in text
    assert 'integer_now_func="public.now_is"' in text
    assert 'chunk_skipping=["n"]' in text


def test_an_empty_database_made_of_it_is_the_same(odd):
    """Everything SQLAlchemy sees: made anew from the module, the database looks as before, and so does the module."""
    text = reflected(odd)
    rest = '"My Schema".parts_rest'
    odd.execute(*(f"ALTER TABLE parts DETACH PARTITION {each}" for each in ("parts_2025", rest)))
    odd.execute(f"DROP TABLE parts_2025, {rest}")  # partitions are the data's
    before = odd.look()
    views = (
        "DROP VIEW v",
        'DROP TABLE "My Schema"."Odd ""table"" 100%" CASCADE',
        "DROP TABLE child, a, b, empty_one, logged, rooms, parts, to_parts",
    )
    odd.execute(
        *views, "DROP TABLE alarm", "DROP TABLE conditions", "DROP TABLE held", 'DROP TABLE "My Schema"."Ticks \'n\' %"'
    )
    odd.execute('CREATE SEQUENCE "My Schema"."Odd ""table"" 100%_serial_one_seq"', "DROP TYPE plain_mood")
    odd.execute('DROP TYPE "My Schema"."Mood"')
    metadata = metadata_of(text)
    with odd.engine.begin() as connection:
        metadata.create_all(connection)
    odd.migrate(metadata, include_schemas=True)
    assert reflected(odd) == text
    hypertables, objects = odd.look()
    assert hypertables == before[0]
    gone = {"conditions_time_idx", "held_At_idx", "Ticks 'n' %_At_idx", "Ticks 'n' %_device_At_idx"}
    assert objects == [each for each in before[1] if each[2] not in gone and each[1] != "v"]


def test_what_does_not_exist_is_refused(odd):
    with pytest.raises(InvalidObject, match="no schema nothing"):
        reflected(odd, ["nothing"])
    with pytest.raises(InvalidObject, match=r"no table market\.ticks"):
        reflected(odd, BOTH, ["child", "market.ticks"])
    assert list(metadata_of(reflected(odd, ["public"], ["child"])).tables) == ["child"]


def test_unknown_types_are_named_as_such(timescaledb):
    timescaledb.execute("CREATE TABLE t (p pg_lsn, q polygon)", "ALTER TABLE t ADD CHECK (p IS NULL) NOT VALID")
    with pytest.warns(sa.exc.SAWarning):
        text = reflected(timescaledb, [None])
    with warnings.catch_warnings(action="error"):
        metadata = metadata_of(text)
    assert timescaledb.autogenerate(metadata).is_empty


def test_the_reference_schema(project):
    shutil.copytree(ROOT / "alembic" / "versions", project.versions, dirs_exist_ok=True)
    shutil.copytree(ROOT / "migrations_sql", project.sql, dirs_exist_ok=True)
    project.run("alembic", "upgrade", "head")
    (project.path / "alembic" / "models.py").unlink()  # which env.py imports
    project.run("tsext", "reflect", "--output", str(project.path / "alembic" / "models.py"))
    text = (project.path / "alembic" / "models.py").read_text()
    assert text.count("Hypertable(") == project.scalar("SELECT count(*) FROM timescaledb_information.hypertables")
    assert "No new upgrade operations detected" in project.run("alembic", "check")
    assert project.run("tsext", "reflect", "--schema", "public").endswith(text)
    one = project.run("tsext", "reflect", "--table", "trades")
    assert one.count("sa.Table(") == 1
    assert "there is no table nothing" in project.run("tsext", "reflect", "--table", "nothing", fails=True)
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F,E7,E9", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if "No module named ruff" not in done.stderr:
        assert done.returncode == 0, done.stdout


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=NAMES,
    column=NAMES,
    days=st.integers(1, 400),
    default=st.none() | NAMES,
    comment=st.none() | NAMES,
)
def test_whatever_is_declared_is_reflected(timescaledb, name, column, days, default, comment):
    declared = sa.MetaData()
    server_default = None if default is None else sa.text("'" + default.replace("'", "''").replace(":", r"\:") + "'")
    columns = [
        sa.Column(column, sa.DateTime(timezone=True), nullable=False),
        sa.Column("the other one, too", sa.Text, server_default=server_default, comment=comment),
    ]
    hypertable = Hypertable(column, timedelta(days=days))
    sa.Table(name, declared, *columns, hypertable, comment=comment)
    with timescaledb.engine.begin() as connection:
        declared.create_all(connection)
    try:
        timescaledb.migrate(declared)
        metadata = metadata_of(reflected(timescaledb, [None]))
        options = {"compare_server_default": True}
        assert timescaledb.autogenerate(metadata, **options).is_empty
        (table,) = metadata.tables.values()
        assert table.name == name
        assert table.comment == comment
    finally:
        with timescaledb.engine.begin() as connection:
            declared.drop_all(connection)


@pytest.mark.licensed
def test_columnstores_and_continuous_aggregates(licensed):
    licensed.execute(
        "CREATE TABLE ticks (time timestamptz NOT NULL, symbol text, price float)",
        "SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'))",
        "ALTER TABLE ticks SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol')",
        "SELECT add_reorder_policy('ticks', 'ticks_time_idx')",  # a default index
        'CREATE MATERIALIZED VIEW "Hourly %" WITH (timescaledb.continuous) AS '
        "SELECT time_bucket('1 hour', time) AS h, symbol, avg(price) FROM ticks WHERE symbol <> 'a:b%' GROUP BY 1, 2 "
        "WITH NO DATA",
        'ALTER MATERIALIZED VIEW "Hourly %" SET (timescaledb.compress)',
        'CREATE INDEX hourly_symbol ON "Hourly %" (symbol, h DESC)',
        """CREATE INDEX odd ON "Hourly %" ((symbol || ':x%'), lower(symbol) DESC) WHERE avg > 0""",
    )
    text = reflected(licensed, [None])
    assert text.count("Columnstore(") == 2
    assert "    name=" in text
    metadata = metadata_of(text)
    assert licensed.autogenerate(metadata).is_empty
    assert [each.name for each in metadata.tables["ticks"].indexes] == ["ticks_time_idx"]
    assert reflected(licensed, [None], ["Hourly %"]).count("sa.Table(") == 0
