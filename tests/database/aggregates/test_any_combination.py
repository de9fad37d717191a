"""Any declaration becomes any other."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tsext import AggregateIndex, ContinuousAggregate, catalog
from tsext.testing import licensed as licensed_server

from .declaring import found, look, models

BUCKETS = st.sampled_from(["1 hour", "1 day", "7 days", "1 month"])
COLUMNS = st.sampled_from(["count(*)", "avg(price)", "first(symbol, time)", "sum(price) FILTER (WHERE symbol <> 'é')"])
INDEXES = st.sampled_from([["bucket"], ["x"], ["bucket DESC"], ["x NULLS FIRST", "bucket"], ["bucket", "x DESC"]])


@st.composite
def aggregates(draw):
    query = f"SELECT time_bucket('{draw(BUCKETS)}', time) AS bucket, {draw(COLUMNS)} AS x FROM ticks GROUP BY 1"
    columns = draw(st.none() | INDEXES)
    return ContinuousAggregate(
        "any",
        query,
        materialized_only=draw(st.none() | st.booleans()),
        create_group_indexes=draw(st.none() | st.booleans()),
        chunk_interval=draw(st.none() | st.timedeltas(timedelta(hours=1), timedelta(days=999))),
        indexes=[] if columns is None else [AggregateIndex("ix", columns)],
    )


@pytest.mark.licensed
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(aggregates(), aggregates())
def test_any_declaration_becomes_any_other(licensed, first, second):
    assert licensed_server.clean(licensed.engine.url.render_as_string(hide_password=False))
    states = []
    for aggregate in (first, second):
        revision = licensed.migrate(models(aggregate))
        licensed.assert_clean(models(aggregate))
        (there,) = (each for each in found(licensed) if each.name == "any")
        for field in ("materialized_only", "chunk_interval"):
            assert getattr(aggregate, field) in (None, getattr(there, field))
        assert (there.indexes, there.objects) == (aggregate.indexes, ())
        assert licensed.ask(catalog.is_query_of, aggregate.query, there)
        states.append((look(licensed), revision))
    licensed.run(states[1][1].downgrade)
    assert look(licensed) == states[0][0]
