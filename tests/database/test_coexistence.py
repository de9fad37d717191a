"""Other libraries for autogenerate beside tsext: none of them proposes to take away what TimescaleDB made."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.licensed

ENV = """
import alembic_postgresql_enum
import alembic_pg_autogen
from alembic import context
from alembic_utils.pg_function import PGFunction
from alembic_utils.replaceable_entity import register_entities
from models import metadata

from tsext import environment

F1 = PGFunction(schema="public", signature="f1()", definition="RETURNS int LANGUAGE sql AS $$ SELECT 1 $$")
register_entities([F1])
environment.run(
    context,
    metadata,
    include_schemas=SCHEMAS,
    autogenerate_plugins=["alembic.autogenerate.*", "tsext.autogenerate", PLUGINS],
    pg_views=[],
    pg_triggers=[],
)
"""

MODELS = """
import sqlalchemy as sa
from datetime import timedelta
from tsext import Hypertable

metadata = sa.MetaData()
sa.Table(
    "ticks", metadata,
    sa.Column("time", sa.DateTime(timezone=True), nullable=False),
    sa.Column("mood", sa.Enum("good", "bad", name="mood")),
    sa.Column("price", sa.Float),
    Hypertable(column="time", chunk_time_interval=timedelta(days=1)),
)
"""

DATABASE = (
    "DROP TYPE IF EXISTS mood",
    "CREATE TYPE mood AS ENUM ('good', 'bad')",
    "CREATE TABLE ticks (time timestamptz NOT NULL, mood mood, price float)",
    "SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'))",
    "INSERT INTO ticks SELECT timestamptz '2026-01-01' + n * interval '1 day' FROM generate_series(1, 5) AS n",
    'CREATE MATERIALIZED VIEW "Hourly %" WITH (timescaledb.continuous) AS '
    "SELECT time_bucket('1 hour', time) AS h, avg(price) FROM ticks GROUP BY 1 WITH NO DATA",
    "CREATE FUNCTION f1() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$",
)

UTILS_ONLY, PG_AUTOGEN = '"tsext.autogenerate"', '"alembic_pg_autogen.*"'


@pytest.fixture
def neighbours(licensed, licensed_url, new_project, monkeypatch):
    """A project beside all of them, whose database equals its models."""
    project = new_project(licensed_url)
    licensed.execute(*DATABASE)
    project.models(MODELS)

    def configure(plugins=PG_AUTOGEN, schemas=False):
        env = ENV.replace("SCHEMAS", str(schemas)).replace("PLUGINS", plugins)
        (project.path / "alembic" / "env.py").write_text(env)
        return project

    return configure


@pytest.mark.parametrize("schemas", [False, True])
@pytest.mark.parametrize("plugins", [UTILS_ONLY, PG_AUTOGEN])
def test_nothing_of_timescaledb_is_proposed(neighbours, plugins, schemas):
    output = neighbours(plugins, schemas).run("alembic", "check")
    assert "No new upgrade operations detected" in output


def test_without_tsext_they_would(neighbours):
    """So that the other tests prove something."""
    project = neighbours()
    env = project.path / "alembic" / "env.py"
    env.write_text(env.read_text().replace('"tsext.autogenerate", ', ""))
    output = project.run("alembic", "check", fails=True)
    for what in ("Hourly", "timescaledb", "ts_cagg_invalidation_trigger"):
        assert what in output


def test_what_is_the_projects_own_is_still_theirs(neighbours, licensed):
    project = neighbours()
    licensed.execute(
        "CREATE VIEW mine AS SELECT 1 AS one",
        "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "CREATE TRIGGER mine AFTER INSERT ON ticks FOR EACH ROW EXECUTE FUNCTION mine()",
        "ALTER TYPE mood ADD VALUE 'so so'",
    )
    output = project.run("alembic", "check", fails=True)
    for what in ("drop_view", "drop_trigger", "drop_entity", "change_enum_variants"):
        assert what in output, output
    assert "ts_cagg" not in output
    assert "Hourly" not in output
