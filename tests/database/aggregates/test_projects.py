"""Aggregates as a user has them: in the documentation, in a project."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tsext import catalog
from tsext.testing import licensed as licensed_server

from .declaring import HOURLY, fill, look


@pytest.mark.licensed
def test_the_examples_of_the_documentation(licensed):
    page = (Path(__file__).parents[3] / "docs" / "continuous_aggregates.md").read_text()
    declaration, drop, verbs = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {}
    exec(declaration, names)
    licensed.migrate(names["metadata"])
    licensed.assert_clean(names["metadata"])
    before = look(licensed)
    fill(licensed)
    licensed.run(verbs)
    assert look(licensed) == before
    changed = names["hourly"].query.replace("1 hour", "2 hours")
    names["metadata"].info["timescaledb"] = [replace(names["hourly"], query=changed), names["daily"]]
    assert "ohlcv_1d_old" in licensed.migrate(names["metadata"]).upgrade
    licensed.run(drop.replace("_1h", "_1d"))
    licensed.run(drop)
    licensed.assert_clean(names["metadata"])


@pytest.mark.licensed
def test_a_project_is_migrated(new_project, licensed_url, monkeypatch):
    monkeypatch.setenv("TSEXT_DATABASE_URL", licensed_url)
    project = new_project(licensed_url)
    project.revision(
        "001_ticks",
        None,
        'op.execute("CREATE TABLE ticks (time timestamptz NOT NULL, symbol text, price numeric)"); '
        'op.create_hypertable("ticks", column="time"); '
        f'op.create_continuous_aggregate("hourly", {HOURLY!r})',
        'op.drop_continuous_aggregate("hourly", allow_data_loss="made by it"); op.drop_table("ticks")',
    )
    project.revision("002_fill", "001_ticks", 'op.refresh_continuous_aggregate("hourly", None, None)')
    project.run("alembic", "upgrade", "001")
    engine = licensed_server.engine(licensed_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO ticks VALUES ('2026-01-01', 'a', 1)")
    project.run("alembic", "upgrade", "head")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM hourly").scalar() == 1
        outcomes = connection.exec_driver_sql("SELECT outcome FROM tsext.event ORDER BY id").scalars().all()
    assert outcomes == ["succeeded", "succeeded"]
    offline = project.run("alembic", "upgrade", "base:head", "--sql")
    assert "COMMIT;\n\nCALL refresh_continuous_aggregate('hourly', NULL, NULL);\n\nBEGIN;" in offline
    project.run("alembic", "downgrade", "base")
    with engine.connect() as connection:
        assert catalog.continuous_aggregates(connection) == []
