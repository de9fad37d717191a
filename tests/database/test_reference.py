"""The trading schema that ships with tsext: up, clean, down to nothing, up again; seeds twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from tsext import catalog, command

ROOT = Path(__file__).parents[2]

OBJECTS = """
SELECT 'relation', n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relname NOT LIKE 'alembic_version%%' AND c.relname NOT LIKE 'migration_history%%'
UNION ALL SELECT 'function', n.nspname, p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'public'
UNION ALL SELECT 'extension', '', extname FROM pg_extension WHERE extname <> 'plpgsql'
"""


@pytest.fixture
def config(database_url, monkeypatch):
    monkeypatch.setenv("TSEXT_DATABASE_URL", database_url)
    return Config(ROOT / "alembic.ini")


@pytest.fixture
def engine(database_url):
    """Each look on a connection of its own: one that outlives DROP EXTENSION meets relations that are gone."""
    return create_engine(database_url, poolclass=NullPool)


def one(engine, query):
    with engine.connect() as connection:
        return connection.exec_driver_sql(query).one()


def test_life_cycle(config, engine):
    command.upgrade(config)
    assert command.validate(config) == []
    with engine.connect() as connection:
        assert [each.name for each in catalog.hypertables(connection)] == ["market_data", "signals", "trades"]
    assert [line.rollback_available for line in command.status(config)] == [True, True, True]
    command.rollback(config, "0")
    with engine.connect() as connection:
        assert list(connection.exec_driver_sql(OBJECTS)) == []
    command.migrate(config)
    assert command.validate(config) == []


def test_seeds_may_be_loaded_twice(config, engine, monkeypatch):
    monkeypatch.setenv("TSEXT_ENV", "development")
    command.upgrade(config)
    count = "SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM {}), (SELECT count(*) FROM {})"
    query = count.format("personality_profiles", "orders", "positions")
    loaded = one(engine, query)
    assert min(loaded) > 0
    assert command.seed(config) == ["personality_profiles.sql", "test_data.sql"]
    assert one(engine, query) == loaded
    assert command.validate(config) == []  # checks/001_check.sql holds of the seeds
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE positions SET quantity = quantity + 1 WHERE quantity > 0")
    assert [each.rule for each in command.validate(config, models=False)] == ["check-failed"]


def test_production_gets_no_test_data(config, engine):
    command.upgrade(config)
    assert one(engine, "SELECT count(*) FROM personality_profiles") == (0,)
    assert command.seed(config) == ["personality_profiles.sql"]
    with pytest.raises(Exception, match="test data"):
        command.seed(config, ["test_data.sql"])
