"""Continuous aggregates from declaration to downgrade."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tsext import AggregateIndex, ContinuousAggregate, catalog
from tsext.errors import InvalidObject, IrreversibleOperation

from .declaring import DAILY, HOURLY, fill, found, look, models


@pytest.mark.licensed
def test_life_cycle(licensed):
    index = AggregateIndex("ix_hourly", ["price", sa.desc("bucket")])
    hourly = ContinuousAggregate("hourly", HOURLY, materialized_only=False, chunk_interval="3 days", indexes=[index])
    daily = ContinuousAggregate("daily", DAILY, create_group_indexes=False)
    metadata = models(daily, hourly)
    empty = look(licensed)
    revision = licensed.migrate(metadata)
    verbs = ["op.create_table", "op.create_hypertable", '"hourly"', "op.create_index", '"daily"']
    places = [revision.upgrade.index(verb) for verb in verbs]
    assert places == sorted(places)
    seen = look(licensed)
    base, above = seen[1]
    assert (base.materialized_only, base.chunk_interval, base.indexes) == (False, timedelta(days=3), (index,))
    assert (base.create_group_indexes, above.create_group_indexes) == (True, False)
    assert [each.source for each in licensed.ask(catalog.continuous_aggregates)] == [(None, "ticks"), (None, "hourly")]
    licensed.assert_clean(metadata)
    licensed.run(revision.downgrade)
    assert look(licensed) == empty
    licensed.run(revision.upgrade)
    assert look(licensed) == seen
    licensed.assert_clean(metadata)


@pytest.mark.licensed
def test_options_and_indexes_change_in_place(licensed):
    old = ContinuousAggregate("hourly", HOURLY, indexes=[AggregateIndex("a", "price"), AggregateIndex("b", "symbol")])
    licensed.migrate(models(old))
    fill(licensed)
    licensed.run('op.refresh_continuous_aggregate("hourly", None, None)')
    before = look(licensed)
    indexes = [
        AggregateIndex("a", "price DESC NULLS LAST"),
        AggregateIndex("c", "bucket", using="brin"),
        AggregateIndex("d", ["(LOWER(symbol)) DESC", "bucket", "(price*2)"], where="symbol<>':x%' and price>0"),
    ]
    new = ContinuousAggregate("hourly", HOURLY, materialized_only=False, chunk_interval="1 day", indexes=indexes)
    revision = licensed.migrate(models(new))
    assert "old_materialized_only=True" in revision.upgrade
    assert "create_continuous_aggregate" not in revision.upgrade
    *plain, printed = found(licensed)[0].indexes
    assert plain == indexes[:2]
    assert printed.columns == ("(lower(symbol)) DESC", "bucket", "(price * 2::numeric)")
    licensed.assert_clean(models(new))
    other = replace(indexes[2], where="symbol <> ':x%' AND price > 1")
    changed = licensed.autogenerate(models(replace(new, indexes=[*indexes[:2], other])))
    assert changed.upgrade.count("op.") == 3 and 'op.drop_index("d"' in changed.upgrade.replace("'", '"')
    assert licensed.autogenerate(models(replace(new, indexes=plain))).upgrade.count("op.") == 1
    assert licensed.scalar("SELECT count(*) FROM hourly") == 120
    licensed.run(revision.downgrade)
    assert look(licensed) == before


@pytest.mark.licensed
def test_removed_from_the_models(licensed):
    hourly = ContinuousAggregate("hourly", HOURLY, indexes=[AggregateIndex("ix", "price")])
    licensed.migrate(models(hourly, ContinuousAggregate("daily", DAILY)))
    before = look(licensed)
    revision = licensed.autogenerate(models())
    assert revision.upgrade.index('"daily", allow_data_loss=None') < revision.upgrade.index('"hourly", allow_data')
    assert "What it held of times whose raw data are gone" in " ".join(revision.downgrade.replace("# ", "").split())
    with pytest.raises(IrreversibleOperation, match="loses what it holds of times whose raw data are gone"):
        licensed.run(revision.upgrade)
    assert look(licensed) == before
    licensed.run(revision.upgrade.replace("=None", '="no longer read"'))
    assert found(licensed) == []
    licensed.assert_clean(models())
    licensed.run(revision.downgrade)
    assert look(licensed) == before


@pytest.mark.licensed
def test_metadata_that_declares_none_leaves_them_alone(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY)))
    metadata = models()
    del metadata.info["timescaledb"]
    licensed.assert_clean(metadata)


@pytest.mark.licensed
def test_with_their_table_they_go_first_and_come_back_last(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY), ContinuousAggregate("daily", DAILY)))
    before = look(licensed)
    revision = licensed.autogenerate(sa.MetaData())
    licensed.run(revision.upgrade.replace("=None", '="all of it goes"'))
    assert look(licensed)[1] == []
    licensed.run(revision.downgrade)
    assert look(licensed) == before


@pytest.mark.licensed
def test_a_table_goes_although_an_aggregate_is_declared(licensed):
    aggregate = ContinuousAggregate("hourly", HOURLY)
    licensed.migrate(models(aggregate))
    metadata = sa.MetaData()
    metadata.info["timescaledb"] = [aggregate]
    with pytest.raises(InvalidObject, match="ticks is to be dropped, but continuous aggregate hourly is made of it"):
        licensed.autogenerate(metadata)
    with pytest.raises(sa.exc.DBAPIError, match=r"cannot drop .* because other objects depend on"):
        licensed.run('op.drop_column("ticks", "price")')
