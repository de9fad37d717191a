"""Models with a columnstore, and what is there of it."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from tsext import Hypertable, catalog
from tsext.errors import InvalidObject

DAY = timedelta(days=1)
TABLE = "CREATE TABLE ticks (time timestamptz NOT NULL, device text, site int, value float)"
HYPERTABLE = "SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'), create_default_indexes => false)"
ROWS = "INSERT INTO ticks SELECT '2026-01-01'::timestamptz + n * interval '1 day', n, n FROM generate_series(0, 4) AS n"
HOURLY = (
    'CREATE MATERIALIZED VIEW "H ourly" WITH (timescaledb.continuous) AS '
    "SELECT time_bucket('1 hour', time) AS \"B\", device, avg(value) AS a FROM ticks GROUP BY 1, 2 WITH NO DATA"
)


def models(*items, columns=(), name="ticks", schema=None):
    metadata = sa.MetaData()
    sa.Table(
        name,
        metadata,
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device", sa.Text),
        sa.Column("site", sa.Integer),
        sa.Column("value", sa.Float),
        *columns,
        Hypertable("time", DAY),
        *items,
        schema=schema,
    )
    return metadata


def columnstore(database, name="ticks", schema=None):
    return database.ask(catalog.columnstore, name, schema)


def stored(database):
    """The settings as the server keeps them, and the chunks that are in the columnstore."""
    columns = "segmentby, orderby, orderby_desc, orderby_nullsfirst, index"
    query = f"SELECT relid::text, {columns} FROM _timescaledb_catalog.compression_settings ORDER BY 1"
    with database.engine.connect() as connection:
        lengths = "SELECT hypertable_id, compress_interval_length FROM _timescaledb_catalog.dimension ORDER BY id"
        found = [list(connection.exec_driver_sql(each)) for each in (query, lengths)]
    return found, in_columnstore(database)


def in_columnstore(database, name="ticks"):
    chunks = f"timescaledb_information.chunks WHERE hypertable_name = '{name}'"
    return database.scalar(f"SELECT array_agg(is_compressed ORDER BY range_start) FROM {chunks}")


def execute(database, *operations):
    with database.engine.begin() as connection:
        for operation in operations:
            Operations(MigrationContext.configure(connection)).invoke(operation)


def refused(database, code, error=InvalidObject):
    before = stored(database)
    told = database.refused(code, error)
    assert stored(database) == before
    return told
