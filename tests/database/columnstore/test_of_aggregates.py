"""The columnstore of continuous aggregates."""

from __future__ import annotations

from tsext import Columnstore, ContinuousAggregate, catalog
from tsext.errors import PreflightFailed
from tsext.operations.columnstore import AlterColumnstore, EnableColumnstore

from .declaring import HOURLY, columnstore, execute, models, refused, stored


def test_an_aggregate_has_one_too(ticks):
    ticks.execute(HOURLY)
    before = stored(ticks)
    enable = EnableColumnstore(Columnstore(["device"], ["a DESC"], name="H ourly"))
    back = EnableColumnstore(enable.target, continuous_aggregate=True).reverse()
    execute(ticks, enable)
    found = columnstore(ticks, "H ourly")
    assert (found.key, found.segmentby, found.orderby) == ((None, "H ourly"), ("device",), ("a DESC", "B DESC"))
    assert ticks.ask(catalog.columnstores) == [found]
    enabled = stored(ticks)
    new, old = {"segmentby": [], "orderby": ["B"]}, {"segmentby": found.segmentby, "orderby": found.orderby}
    change = AlterColumnstore("H ourly", new, old, continuous_aggregate=True)
    execute(ticks, change)
    assert (columnstore(ticks, "H ourly").segmentby, columnstore(ticks, "H ourly").orderby) == ((), ("B",))
    execute(ticks, change.reverse())
    assert stored(ticks) == enabled
    assert "takes no sparse indexes" in refused(ticks, 'op.alter_columnstore("H ourly", index=["minmax(a)"])')
    assert "cannot be left to TimescaleDB" in refused(ticks, 'op.alter_columnstore("H ourly", segmentby=None)')
    assert "does not have" in refused(ticks, 'op.alter_columnstore("H ourly", segmentby=["value"])')
    ticks.run('op.alter_columnstore("H ourly", compress_chunk_interval="100 days")')
    ticks.run('op.alter_columnstore("H ourly", compress_chunk_interval=None)')
    execute(ticks, back)
    assert stored(ticks) == before
    assert ticks.autogenerate(models()).is_empty


def aggregated(*objects, query="avg(value)"):
    metadata = models()
    query = f"SELECT time_bucket('1 hour', time) AS b, device, {query} AS a FROM ticks GROUP BY 1, 2"
    ContinuousAggregate("hourly", query, objects=objects, metadata=metadata)
    return metadata


def test_an_aggregate_declares_one(licensed):
    first, second = Columnstore(["device"], ["a DESC"]), Columnstore([])
    made = licensed.migrate(aggregated(first))
    assert "continuous_aggregate=True" in made.upgrade
    assert "columnstore" not in made.downgrade
    states = [stored(licensed)]
    revisions = []
    for declared in ([second], []):
        revisions.append(licensed.migrate(aggregated(*declared)))
        assert licensed.autogenerate(aggregated(*declared)).is_empty
        states.append(stored(licensed))
    assert states[0] != states[1] != states[2]
    for revision, state in zip(reversed(revisions), reversed(states[:-1]), strict=True):
        licensed.run(revision.downgrade)
        assert stored(licensed) == state
    assert licensed.autogenerate(aggregated(first)).is_empty
    upgrade = licensed.autogenerate(aggregated(first, query="max(value)")).upgrade
    verbs = ['op.rename_continuous_aggregate("hourly_new", "hourly")', 'op.enable_columnstore(\n        "hourly"']
    places = [upgrade.index(verb) for verb in verbs]
    assert places == sorted(places)
    licensed.run(made.downgrade)
    assert licensed.ask(catalog.columnstores) == []


def test_chunks_of_an_aggregate_are_converted(ticks):
    ticks.execute(HOURLY)
    with ticks.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CALL refresh_continuous_aggregate('\"H ourly\"', NULL, NULL)")
    ticks.run('op.enable_columnstore("H ourly")')
    ticks.run('op.convert_to_columnstore("H ourly")')
    assert "1 of its chunks" in refused(ticks, 'op.disable_columnstore("H ourly")', PreflightFailed)
    ticks.run('op.convert_to_rowstore("H ourly"); op.disable_columnstore("H ourly")')
    assert ticks.ask(catalog.columnstores) == []


def test_an_aggregate_with_a_policy_is_not_disabled(ticks):
    ticks.execute(
        HOURLY,
        "SELECT add_continuous_aggregate_policy('\"H ourly\"', NULL, INTERVAL '1 hour', INTERVAL '1 hour')",
        'ALTER MATERIALIZED VIEW "H ourly" SET (timescaledb.enable_columnstore = true)',
        "CALL add_columnstore_policy('\"H ourly\"', after => INTERVAL '700 days')",
    )
    assert "a policy converts chunks" in refused(ticks, 'op.disable_columnstore("H ourly")', PreflightFailed)
