"""All kinds of objects in one schema: declared, made, changed, dropped, and made again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from tsext import (
    Columnstore,
    ColumnstorePolicy,
    ContinuousAggregate,
    Hypertable,
    Job,
    RefreshPolicy,
    RetentionPolicy,
    catalog,
    reflection,
)

pytestmark = pytest.mark.licensed

START = datetime(2026, 1, 1, tzinfo=UTC)

QUERY = "SELECT time_bucket('1 hour', time) AS bucket, symbol, {}(price) AS price FROM ticks GROUP BY 1, 2"


def models(function="max"):
    metadata = sa.MetaData()
    sa.Table(
        "ticks",
        metadata,
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("price", sa.Float),
        Hypertable("time", "1 day"),
        Columnstore(segmentby=["symbol"], orderby=["time DESC"]),
        ColumnstorePolicy(after="7 days"),
        RetentionPolicy(drop_after="1 year"),
    )
    belongs = [
        Columnstore(segmentby=["symbol"]),
        ColumnstorePolicy(after="30 days"),
        RefreshPolicy(start_offset="1 day", end_offset="1 hour", schedule_interval="1 hour"),
        RetentionPolicy(drop_after="5 years"),
    ]
    ContinuousAggregate("hourly", QUERY.format(function), metadata=metadata, objects=belongs)
    Job("report", schedule_interval="1 day", initial_start=START, config={"to": "desk"}, metadata=metadata)
    return metadata


@pytest.fixture
def licensed(licensed):
    licensed.execute("CREATE PROCEDURE report(job_id int, config jsonb) LANGUAGE sql AS 'SELECT 1'")
    return licensed


def everything(database):
    questions = (catalog.columnstores, catalog.policies, catalog.jobs)
    return database.look(), *(database.ask(question) for question in questions)


def test_there_and_back(licensed):
    empty = everything(licensed)
    revision = licensed.migrate(models())
    made = everything(licensed)
    assert {each.name for each in made[1]} == {"ticks", "hourly"}
    assert [len(each) for each in made[1:]] == [2, 5, 1]
    assert licensed.autogenerate(models()).is_empty
    assert licensed.autogenerate(models(), include_schemas=True).is_empty
    licensed.run(revision.downgrade)
    assert everything(licensed) == empty
    licensed.run(revision.upgrade)
    assert everything(licensed) == made
    assert licensed.autogenerate(models()).is_empty


def test_a_new_query_takes_over_what_belongs_to_the_aggregate(licensed):
    licensed.migrate(models())
    changed = models("min")
    revision = licensed.migrate(changed)
    assert "op.enable_columnstore(" in revision.upgrade
    assert {each.name for each in licensed.ask(catalog.columnstores)} == {"ticks", "hourly", "hourly_old"}
    assert licensed.autogenerate(changed).is_empty
    licensed.run(revision.downgrade)
    assert {each.name for each in licensed.ask(catalog.columnstores)} == {"ticks", "hourly"}
    assert licensed.autogenerate(models()).is_empty


def test_all_of_it_is_dropped_and_comes_back(licensed):
    licensed.migrate(models())
    made = everything(licensed)
    metadata = sa.MetaData()
    metadata.info["timescaledb"] = []
    revision = licensed.autogenerate(metadata)
    licensed.run(revision.upgrade.replace("allow_data_loss=None", 'allow_data_loss="a test"'))
    assert everything(licensed)[1:3] == ([], [])
    licensed.run(revision.downgrade)
    assert everything(licensed) == made


def test_what_is_reflected_declares_all_of_it(licensed):
    licensed.migrate(models())
    text = licensed.ask(reflection.module, reflection.Wanted())
    module: dict[str, object] = {}
    exec(text, module)
    assert licensed.autogenerate(module["metadata"]).is_empty
    for name in ("Hypertable", "Columnstore", "ColumnstorePolicy", "RetentionPolicy", "RefreshPolicy", "Job"):
        assert f"{name}(" in text
