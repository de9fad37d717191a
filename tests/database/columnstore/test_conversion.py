"""Chunks that are converted to the columnstore, and back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tsext import Columnstore
from tsext.operations.conversion import ConvertToColumnstore, ConvertToRowstore

from .declaring import HYPERTABLE, ROWS, TABLE, execute, in_columnstore, models, refused


def test_chunks_are_converted_and_converted_back(ticks):
    ticks.run('op.enable_columnstore("ticks", segmentby=["device"])')
    ticks.run('op.convert_to_columnstore("ticks", older_than=datetime.datetime(2026, 1, 4, tzinfo=datetime.UTC))')
    assert in_columnstore(ticks) == [True, True, True, False, False]
    ticks.run('op.convert_to_columnstore("ticks", older_than="1 month")')
    assert in_columnstore(ticks) == [True] * 5
    ticks.run(
        'op.convert_to_rowstore("ticks", newer_than=datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), '
        "older_than=datetime.datetime(2026, 1, 4, tzinfo=datetime.UTC), schema='public')"
    )
    assert in_columnstore(ticks) == [True, False, False, True, True]
    ticks.run('op.convert_to_rowstore("ticks", newer_than=timedelta(days=36500))')
    assert in_columnstore(ticks) == [False] * 5
    assert ticks.scalar("SELECT count(*) FROM ticks") == 5


def test_a_conversion_whose_chunks_are_known_is_reversed_exactly(ticks):
    ticks.run('op.enable_columnstore("ticks")')
    convert = ConvertToColumnstore("ticks", older_than=datetime(2026, 1, 3, tzinfo=UTC), idempotent=False)
    execute(ticks, convert)
    assert in_columnstore(ticks) == [True, True, False, False, False]
    back = convert.reverse()
    assert isinstance(back, ConvertToRowstore)
    execute(ticks, back)
    assert in_columnstore(ticks) == [False] * 5
    execute(ticks, back.reverse())
    assert in_columnstore(ticks) == [True, True, False, False, False]
    code = 'op.convert_to_columnstore("ticks", if_not_columnstore=False)'
    assert "2 of the chunks of ticks are there already" in refused(ticks, code)
    code = 'op.convert_to_rowstore("ticks", if_columnstore=False)'
    assert "3 of the chunks of ticks are there already" in refused(ticks, code)


def test_chunks_are_recompressed_to_other_settings(ticks):
    ticks.run('op.enable_columnstore("ticks", segmentby=["device"])')
    ticks.run('op.convert_to_columnstore("ticks")')
    ticks.run('op.alter_columnstore("ticks", segmentby=["site"])')
    of_chunks = "_timescaledb_catalog.compression_settings WHERE relid <> 'ticks'::regclass"
    query = f"SELECT DISTINCT segmentby::text FROM {of_chunks}"
    assert ticks.scalar(query) == "{device}"
    ticks.run('op.convert_to_columnstore("ticks", recompress=True)')
    assert ticks.scalar(query) == "{site}"


def test_the_loop_that_is_printed_does_the_same(ticks):
    ticks.run('op.enable_columnstore("ticks")')
    ticks.execute(*ConvertToColumnstore("ticks", older_than=datetime(2026, 1, 3, tzinfo=UTC)).statements())
    assert in_columnstore(ticks) == [True, True, False, False, False]
    ticks.execute(*ConvertToRowstore("ticks", older_than="1 day").statements())
    assert in_columnstore(ticks) == [False] * 5


def test_each_chunk_may_have_a_transaction(new_project, licensed_url, monkeypatch):
    monkeypatch.setenv("TSEXT_DATABASE_URL", licensed_url)
    project = new_project(licensed_url)
    project.execute(TABLE, HYPERTABLE, ROWS)
    project.revision("001_enable", None, 'op.enable_columnstore("ticks")', 'op.disable_columnstore("ticks")')
    convert = """
    with op.get_context().autocommit_block():
        op.convert_to_{}("ticks", older_than="1 day")"""
    project.revision("002_convert", "001_enable", convert.format("columnstore"), convert.format("rowstore"))
    project.run("alembic", "upgrade", "head")
    assert project.scalar("SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed") == 5
    text = project.run("alembic", "downgrade", "base")
    assert project.scalar("SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed") == 0, text
    printed = project.run("alembic", "upgrade", "head", "--sql")
    assert "ALTER TABLE ticks SET (timescaledb.enable_columnstore = true);" in printed
    assert "FOR chunk IN SELECT show_chunks('ticks', older_than => INTERVAL '1 day') LOOP" in printed


def test_chunks_are_rolled_up(ticks):
    ticks.run('op.enable_columnstore("ticks", compress_chunk_interval="20 days")')
    ticks.run('op.convert_to_columnstore("ticks")')
    assert len(in_columnstore(ticks)) < 5
    assert set(in_columnstore(ticks)) == {True}
    ticks.run('op.convert_to_rowstore("ticks")')
    ticks.execute(*ConvertToColumnstore("ticks").statements())
    assert set(in_columnstore(ticks)) == {True}
    assert ticks.scalar("SELECT count(*) FROM ticks") == 5


def test_odd_names_are_converted(licensed):
    licensed.execute(
        'CREATE SCHEMA "My $$ Market"',
        'CREATE TABLE "My $$ Market"."it\'s" (n bigint NOT NULL, "v, w" int)',
        "SELECT create_hypertable('\"My $$ Market\".\"it''s\"', by_range('n', 10), create_default_indexes => false)",
        'INSERT INTO "My $$ Market"."it\'s" SELECT n, n FROM generate_series(1, 30) AS n',
    )
    licensed.run('op.enable_columnstore("it\'s", segmentby=["v, w"], schema="My $$ Market")')
    licensed.run('op.convert_to_columnstore("it\'s", older_than=20, schema="My $$ Market")')
    assert in_columnstore(licensed, "it''s").count(True) == 2
    licensed.execute(*ConvertToRowstore("it's", newer_than=0, schema="My $$ Market").statements())
    assert in_columnstore(licensed, "it''s").count(True) == 0


@pytest.mark.filterwarnings("ignore:Did not recognize type")
def test_chunks_in_a_schema_of_ones_own_are_no_noise(licensed):
    licensed.execute(
        "CREATE SCHEMA mine",
        TABLE,
        "SELECT create_hypertable('ticks', 'time', chunk_time_interval => INTERVAL '1 day', "
        "create_default_indexes => false, associated_schema_name => 'mine')",
        ROWS,
    )
    metadata = models(Columnstore(["device"]))
    licensed.migrate(metadata)
    licensed.run('op.convert_to_columnstore("ticks")')
    assert in_columnstore(licensed) == [True] * 5
    assert licensed.autogenerate(metadata, include_schemas=True).is_empty
    assert licensed.autogenerate(metadata, include_schemas=True, include_name=lambda *_: True).is_empty
