"""What cannot be done with aggregates is refused first."""

from __future__ import annotations

import pytest

from tsext import ContinuousAggregate
from tsext.errors import FeatureNotSupported, InvalidObject

from .declaring import DAILY, HOURLY, found, look, models


@pytest.mark.licensed
@pytest.mark.parametrize(
    ("call", "error", "fact"),
    [
        ('create_continuous_aggregate("hourly", "SELECT 1")', InvalidObject, "there is a continuous aggregate hourly"),
        (
            'create_continuous_aggregate("hourly", "SELECT 1", if_not_exists=True)',
            InvalidObject,
            "already, with another query",
        ),
        ('drop_continuous_aggregate("hourly", allow_data_loss="x")', InvalidObject, "daily is made of it"),
        ('drop_continuous_aggregate("nope", allow_data_loss="x")', InvalidObject, "no continuous aggregate nope"),
        ('drop_continuous_aggregate("ticks", allow_data_loss="x")', InvalidObject, "no continuous aggregate ticks"),
        ('rename_continuous_aggregate("public.hourly", "x")', InvalidObject, 'give the schema apart: "hourly"'),
        ('alter_continuous_aggregate("nope", materialized_only=True)', InvalidObject, "no continuous aggregate nope"),
        ('refresh_continuous_aggregate("nope", None, None)', InvalidObject, "no continuous aggregate nope"),
        (
            'add_continuous_aggregate_column("hourly", "most", "numeric", "max(price)")',
            FeatureNotSupported,
            "TimescaleDB 2.28 or newer",
        ),
    ],
)
def test_refusals(licensed, call, error, fact):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY), ContinuousAggregate("daily", DAILY)))
    before = look(licensed)
    with pytest.raises(error, match=fact):
        licensed.run(f"op.{call}")
    assert look(licensed) == before


@pytest.mark.licensed
def test_if_not_exists(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY)))
    before = look(licensed)
    same = f"op.create_continuous_aggregate('hourly', {HOURLY.lower()!r}, if_not_exists=True, schema='public')"
    licensed.run(same)
    assert look(licensed) == before


CALLS = [
    f"create_continuous_aggregate('hourly', {HOURLY!r})",
    'drop_continuous_aggregate("hourly")',
    'alter_continuous_aggregate("hourly", materialized_only=True)',
    'rename_continuous_aggregate("hourly", "x")',
    'rename_continuous_aggregate_index("hourly", "x", "y")',
    'copy_continuous_aggregate_privileges("hourly", "x")',
    'add_continuous_aggregate_column("hourly", "most", "numeric", "max(price)")',
    'refresh_continuous_aggregate("hourly", None, None, force=True)',
]


@pytest.mark.parametrize("call", CALLS, ids=[call.partition("(")[0] for call in CALLS])
def test_the_apache_edition_refuses_before_anything_is_sent(timescaledb, call):
    timescaledb.migrate(models())
    with pytest.raises(FeatureNotSupported, match=r"under the Timescale licence; this server has .* Apache"):
        timescaledb.run(f'op.execute("CREATE TABLE first ()")\nop.{call}')
    assert timescaledb.scalar("SELECT to_regclass('first') IS NULL")


def test_on_the_apache_edition_there_are_none(timescaledb):
    assert found(timescaledb) == []
    revision = timescaledb.autogenerate(models(ContinuousAggregate("hourly", HOURLY)))
    assert "op.create_continuous_aggregate(" in revision.upgrade


def test_without_timescaledb_there_are_none(database):
    assert found(database) == []
    with pytest.raises(FeatureNotSupported, match="which this database does not have"):
        database.run('op.rename_continuous_aggregate("hourly", "x")')
