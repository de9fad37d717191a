"""Aggregates that are filled, window by window."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tsext import ContinuousAggregate
from tsext.errors import InvalidObject

from .declaring import DAILY, HOURLY, fill, found, models


@pytest.mark.licensed
def test_windows_leave_no_bucket_out(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY), ContinuousAggregate("daily", DAILY)))
    fill(licensed, days=9)
    refresh = 'op.refresh_continuous_aggregate("{}", {}, window_size={})'
    licensed.run(refresh.format("hourly", '"2026-01-02", None', '"25 hours"'))  # no multiple of the bucket
    assert licensed.scalar("SELECT count(*) FROM hourly") == 8 * 24
    licensed.run(refresh.format("hourly", "None, None", "timedelta(days=1)"))
    assert licensed.scalar("SELECT count(*) FROM hourly") == 9 * 24
    licensed.run(refresh.format("daily", "None, None", '"3 days"'))
    assert licensed.scalar("SELECT count(*) FROM daily") == 9
    with pytest.raises(InvalidObject, match="window_size of hourly is 5, but its time is"):
        licensed.run(refresh.format("hourly", "None, None", "5"))
    with pytest.raises(sa.exc.DBAPIError, match="refresh window too small"):
        licensed.run('op.refresh_continuous_aggregate("hourly", "2026-01-01 00:30", "2026-01-01 00:40")')


@pytest.mark.licensed
def test_integer_time(licensed):
    licensed.execute("CREATE FUNCTION latest() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 1000::bigint'")
    query = "SELECT time_bucket(10, time) AS bucket, count(*) FROM ticks GROUP BY 1"
    plain = models(kind=sa.BigInteger())
    licensed.migrate(plain)
    licensed.execute(
        "SELECT set_integer_now_func('ticks', 'latest')", "INSERT INTO ticks SELECT n FROM generate_series(0, 999) AS n"
    )
    metadata = models(ContinuousAggregate("tens", query), kind=sa.BigInteger())
    revision = licensed.migrate(metadata)
    licensed.assert_clean(metadata)
    licensed.run('op.refresh_continuous_aggregate("tens", None, None, window_size=100)')
    assert licensed.scalar("SELECT count(*) FROM tens") == 100
    dropped = licensed.autogenerate(plain)
    licensed.run(dropped.upgrade.replace("=None", '="x"'))
    licensed.run(dropped.downgrade)
    licensed.assert_clean(metadata)
    licensed.run(revision.downgrade)
    assert found(licensed) == []


@pytest.mark.licensed
def test_what_was_done_before_filling_is_committed(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY)))
    with pytest.raises(sa.exc.DBAPIError, match="invalid"):
        licensed.run('op.execute("CREATE TABLE first ()")\nop.refresh_continuous_aggregate("hourly", "no time", None)')
    assert licensed.scalar("SELECT to_regclass('first') IS NOT NULL")
