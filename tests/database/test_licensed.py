"""The build under the Timescale licence: one client at a time, no background workers."""

from __future__ import annotations

import pytest

from tsext import catalog, command
from tsext.testing import licensed

pytestmark = pytest.mark.licensed


def test_what_the_apache_edition_lacks_is_there(licensed_url):
    with licensed.engine(licensed_url).connect() as connection:
        assert catalog.timescaledb(connection).license == "timescale"
        for statement in (
            "CREATE TABLE ticks (time timestamptz NOT NULL, device int, price numeric)",
            "SELECT create_hypertable('ticks', by_range('time'))",
            "ALTER TABLE ticks SET (timescaledb.compress, timescaledb.compress_segmentby = 'device')",
            "SELECT add_retention_policy('ticks', INTERVAL '1 year')",
            "CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS SELECT time_bucket('1 hour', time) AS h, "
            "avg(price) FROM ticks GROUP BY 1 WITH NO DATA",
        ):
            connection.exec_driver_sql(statement)
        assert [each.name for each in catalog.hypertables(connection)] == ["ticks"]


def test_a_project_is_migrated_although_it_takes_one_client(new_project, licensed_url, monkeypatch):
    monkeypatch.setenv("TSEXT_DATABASE_URL", licensed_url)
    project = new_project(licensed_url)
    project.revision(
        "001_ticks",
        None,
        'op.execute("CREATE TABLE ticks (time timestamptz NOT NULL)"); op.create_hypertable("ticks", column="time")',
        'op.drop_table("ticks")',
    )
    assert "one client at a time" in project.run("alembic", "upgrade", "head")
    assert command.validate(project.config, models=False) == []
    monkeypatch.setenv("TSEXT_ENV", "staging")  # production refuses what it cannot read
    project.revision("002_bad", "001_ticks", 'raise ValueError("no")')
    project.run("alembic", "upgrade", "head", fails=True)
    with licensed.engine(licensed_url).connect() as connection:
        outcomes = connection.exec_driver_sql("SELECT outcome FROM tsext.event ORDER BY id").scalars().all()
    assert outcomes == ["succeeded", "failed"]
