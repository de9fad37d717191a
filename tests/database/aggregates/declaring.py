"""Models with continuous aggregates, and what is there of them."""

from __future__ import annotations

import sqlalchemy as sa

from tsext import Hypertable, catalog

HOURLY = "SELECT time_bucket('1 hour', time) AS bucket, symbol, avg(price) AS price\nFROM ticks GROUP BY 1, 2"
DAILY = "SELECT time_bucket('1 day', bucket) AS bucket, symbol, max(price) AS price FROM hourly GROUP BY 1, 2"

TIMESTAMPTZ = sa.DateTime(timezone=True)


def models(*aggregates, table="ticks", time="time", schema=None, kind=TIMESTAMPTZ):
    metadata = sa.MetaData()
    columns = [sa.Column(time, kind, nullable=False), sa.Column("symbol", sa.Text), sa.Column("price", sa.Numeric)]
    sa.Table(
        table,
        metadata,
        *columns,
        Hypertable(time, 100 if kind._type_affinity is sa.Integer else "7 days"),
        schema=schema,
    )
    metadata.info["timescaledb"] = list(aggregates)
    return metadata


def found(database):
    return [each.aggregate for each in database.ask(catalog.continuous_aggregates)]


def look(database):
    """All that matters; numbers that TimescaleDB gives are not told."""
    return database.look(), found(database)


def fill(database, table="ticks", days=5):
    database.execute(
        f"INSERT INTO {table} SELECT '2026-01-01 00:00+00'::timestamptz + n * interval '30 minutes', 'a', n "
        f"FROM generate_series(0, {days} * 48 - 1) AS n"
    )
