"""Chunks that are dropped once, and those that are not."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from .declaring import models


@pytest.fixture
def filled(timescaledb):
    timescaledb.migrate(models(sa.UniqueConstraint("time", "device", name="uq")))
    timescaledb.execute("INSERT INTO ticks SELECT now() - n * interval '1 day', n FROM generate_series(0, 9) AS n")
    return timescaledb


def rows(database):
    return database.scalar("SELECT count(*) FROM ticks")


def test_drop_chunks(filled):
    filled.run('op.drop_chunks("ticks", older_than="7 days", allow_data_loss="test")')
    assert 7 <= rows(filled) <= 8
    filled.run('op.drop_chunks("ticks", older_than=timedelta(days=2), newer_than="5 days", allow_data_loss="test")')
    assert 4 <= rows(filled) <= 6
    code = (
        "from datetime import UTC, datetime\n"
        'op.drop_chunks("ticks", created_before=datetime.now(UTC), allow_data_loss="test", schema="public")'
    )
    filled.run(code)
    assert rows(filled) == 0
    filled.refused('op.drop_chunks("none", older_than="1 day", allow_data_loss="test")')
    filled.execute("CREATE TABLE plain (time timestamptz)")
    assert "is a plain table" in filled.refused('op.drop_chunks("plain", older_than="1 day", allow_data_loss="x")')


def test_no_chunk_of_a_table_that_keys_point_to_is_dropped(filled):
    filled.execute(
        "CREATE TABLE alarms (time timestamptz, device int, "
        "CONSTRAINT fk FOREIGN KEY (time, device) REFERENCES ticks (time, device))"
    )
    told = filled.refused('op.drop_chunks("ticks", older_than="1 day", allow_data_loss="test")')
    assert "foreign keys point to it: fk of alarms" in told
    with pytest.raises(sa.exc.DBAPIError, match="depend"):
        filled.execute("SELECT drop_chunks('ticks', older_than => INTERVAL '1 day')")
    assert rows(filled) == 10


def test_chunks_of_integer_time_are_dropped(timescaledb):
    timescaledb.migrate(models(kind=sa.BigInteger()))
    timescaledb.execute("INSERT INTO ticks SELECT n * 100000, n FROM generate_series(0, 9) AS n")
    timescaledb.execute(
        "CREATE FUNCTION now_int() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT 1000000::bigint'",
        "SELECT set_integer_now_func('ticks', 'now_int')",
    )
    timescaledb.run('op.drop_chunks("ticks", older_than=500_000, allow_data_loss="test")')
    assert rows(timescaledb) == 5
