"""Models with policies, and what is there of their jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from tsext import Hypertable

DAY = timedelta(days=1)
START = datetime(2040, 1, 1, 3, tzinfo=UTC)

EVERYTHING = {
    "initial_start": START,
    "timezone": "Europe/Berlin",
    "max_runtime": timedelta(minutes=7),
    "max_retries": 3,
    "retry_period": timedelta(minutes=9),
    "scheduled": False,
    "fixed_schedule": False,
}

AGGREGATE = """
CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS
SELECT time_bucket('1 hour', time) AS bucket, avg(value) FROM ticks GROUP BY 1 WITH NO DATA
"""


def models(*items, name="ticks", kind=None, schema=None):
    metadata = sa.MetaData()
    time = sa.Column("time", kind or sa.DateTime(timezone=True), nullable=False)
    columns = [time, sa.Column("device", sa.Integer), sa.Column("value", sa.Float)]
    index = sa.Index(f"ix_{name}"[:63], "time")
    hypertable = Hypertable("time", 100_000 if kind is not None else DAY)
    sa.Table(name, metadata, *columns, index, hypertable, *items, schema=schema)
    return metadata


def look(database):
    return database.jobs(), database.look()
