"""What the server would refuse of policies is refused first, with what to do; in the Apache edition, all of it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tsext import RetentionPolicy, catalog
from tsext.errors import FeatureNotSupported, PreflightFailed

from .declaring import AGGREGATE, models


@pytest.mark.licensed
def test_what_the_server_would_refuse_is_refused_first(licensed):
    licensed.migrate(models(RetentionPolicy("6 months")))
    licensed.execute(
        AGGREGATE,
        "CREATE TABLE plain (time timestamptz)",
        "CREATE SCHEMA s",
        "CREATE TABLE s.far (time timestamptz NOT NULL)",
        "SELECT create_hypertable('s.far', by_range('time'))",
    )
    for code, fact in {
        'op.add_retention_policy("plain", "1 day")': "plain is neither a hypertable nor a continuous aggregate",
        'op.add_retention_policy("none", "1 day")': "there is no table none",
        'op.add_retention_policy("ticks", "1 day")': "ticks has a retention policy already",
        'op.add_retention_policy("far", "1 day", schema="public")': "there is no table public.far",
        'op.add_retention_policy("hourly", 5)': "its rows have times",
        'op.add_columnstore_policy("ticks", "1 day")': "the columnstore of ticks is off",
        'op.add_columnstore_policy("hourly", "1 day")': "the columnstore of hourly is off",
        'op.add_reorder_policy("ticks", "ix_none")': "has no index ix_none",
        'op.add_reorder_policy("hourly", "ix_none")': "is a continuous aggregate",
        'op.add_continuous_aggregate_policy("ticks", "1 day", None, "1 hour")': "not a continuous aggregate",
        'op.alter_retention_policy("far", drop_after="1 day")': "far has no retention policy",
        'op.alter_reorder_policy("ticks", index_name="x")': "ticks has no reorder policy",
        'op.alter_retention_policy("ticks", timezone=None)': "timezone cannot be taken away",
        'op.remove_columnstore_policy("ticks")': "ticks has no columnstore policy",
        'op.remove_continuous_aggregate_policy("hourly")': "hourly has no continuous aggregate policy",
        'op.resume_jobs("plain")': "there is no hypertable or continuous aggregate plain",
    }.items():
        assert fact in licensed.refused(code)
    licensed.run('op.add_retention_policy("ticks", "1 day", if_not_exists=True, max_retries=3)')
    assert licensed.ask(catalog.policies)[0].drop_after == "6 months"
    licensed.run('op.remove_columnstore_policy("ticks", if_exists=True)')
    licensed.run('op.enable_columnstore("hourly")')
    code = 'op.add_columnstore_policy("hourly", "60 days")'
    assert "hourly has no refresh policy" in licensed.refused(code)
    assert "goes by created_before" in licensed.refused(code.replace('"60 days"', 'created_before="60 days"'))
    licensed.run('op.add_continuous_aggregate_policy("hourly", "1 month", "1 day", "1 hour")')
    code = 'op.add_continuous_aggregate_policy("hourly", "1 year", "2 days", "1 hour")'
    assert "overlaps one that is there" in licensed.refused(code)
    licensed.run('op.add_continuous_aggregate_policy("hourly", "1 year", "1 month", "1 hour")')
    assert "has 2 policies" in licensed.refused('op.alter_continuous_aggregate_policy("hourly", max_retries=1)')
    code = 'op.alter_continuous_aggregate_policy("hourly", window=("2 years", None), max_retries=1)'
    assert "no continuous aggregate policy from 2 years to None" in licensed.refused(code)
    licensed.run('op.alter_continuous_aggregate_policy("hourly", window=("12 months", "1 month"), max_retries=1)')
    assert sorted(each.max_retries for each in licensed.ask(catalog.policies) if each.name == "hourly") == [-1, 1]


@pytest.mark.licensed
def test_a_table_that_keys_point_to_gets_no_retention(licensed):
    licensed.migrate(models(sa.UniqueConstraint("time", "device", name="uq")))
    licensed.execute(
        "CREATE TABLE alarms (time timestamptz, device int, "
        "CONSTRAINT fk FOREIGN KEY (time, device) REFERENCES ticks (time, device))"
    )
    assert "foreign keys point to it: fk of alarms" in licensed.refused('op.add_retention_policy("ticks", "1 day")')


APACHE_REFUSES = [
    'op.add_retention_policy("ticks", "1 day")',
    'op.alter_retention_policy("ticks", drop_after="1 day")',
    'op.remove_retention_policy("ticks")',
    'op.add_columnstore_policy("ticks", "1 day")',
    'op.alter_columnstore_policy("ticks", after="1 day")',
    'op.remove_columnstore_policy("ticks")',
    'op.add_reorder_policy("ticks", "ix_ticks")',
    'op.alter_reorder_policy("ticks", index_name="ix_ticks")',
    'op.remove_reorder_policy("ticks")',
    'op.add_continuous_aggregate_policy("ticks", "1 day", None, "1 hour")',
    'op.alter_continuous_aggregate_policy("ticks", end_offset="1 day")',
    'op.remove_continuous_aggregate_policy("ticks")',
    'op.add_job("p", "1 hour", job_name="mine")',
    'op.alter_job("p", schedule_interval="1 hour")',
    'op.delete_job("p")',
    'op.run_job("p")',
    'op.resume_jobs("ticks")',
    'with op.pause_jobs("ticks"): raise AssertionError("it is not reached")',
]


def test_the_apache_edition_refuses(timescaledb):
    timescaledb.migrate(models())
    for code in APACHE_REFUSES:
        told = timescaledb.refused(code, FeatureNotSupported)
        assert "needs background jobs" in told
        assert "under the Apache licence" in told
    assert timescaledb.ask(catalog.policies) == timescaledb.ask(catalog.jobs) == []
    timescaledb.assert_clean(models())
    revision = timescaledb.autogenerate(models(RetentionPolicy("1 day")))
    assert "op.add_retention_policy" in revision.upgrade


def test_without_the_extension_there_are_none(database):
    assert database.ask(catalog.policies) == database.ask(catalog.jobs) == []
    assert "run op.create_extension" in database.refused(
        'op.drop_chunks("t", older_than="1 day", allow_data_loss="x")', PreflightFailed
    )
