"""All kinds of objects in one schema: declared, made, changed, dropped, and made again."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tsext import Columnstore, ContinuousAggregate, Hypertable, catalog

pytestmark = pytest.mark.licensed

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
    )
    ContinuousAggregate(
        "hourly", QUERY.format(function), metadata=metadata, objects=[Columnstore(segmentby=["symbol"])]
    )
    return metadata


def everything(database):
    return database.look(), database.ask(catalog.columnstores)


def test_there_and_back(licensed):
    empty = everything(licensed)
    revision = licensed.migrate(models())
    made = everything(licensed)
    assert {each.name for each in made[1]} == {"ticks", "hourly"}
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
    assert everything(licensed)[1] == []
    licensed.run(revision.downgrade)
    assert everything(licensed) == made
