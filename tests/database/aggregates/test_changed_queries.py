"""An aggregate whose query is another: it is built beside the old one, and takes its place."""

from __future__ import annotations

import pytest

from tsext import AggregateIndex, ContinuousAggregate, catalog
from tsext.errors import InvalidObject
from tsext.model import TableObject
from tsext.sql.quoting import identifier

from .declaring import DAILY, HOURLY, fill, found, look, models


@pytest.mark.licensed
def test_a_changed_query_keeps_history(licensed):
    index = AggregateIndex("ix_hourly", ["price"])
    old = models(ContinuousAggregate("hourly", HOURLY, indexes=[index]), ContinuousAggregate("daily", DAILY))
    licensed.migrate(old)
    fill(licensed)
    licensed.run('op.refresh_continuous_aggregate("hourly", None, None)')
    licensed.run('op.refresh_continuous_aggregate("daily", None, None)')
    licensed.execute("SELECT drop_chunks('ticks', '2026-01-02'::timestamptz)")
    before, rows = look(licensed), licensed.scalar("SELECT array_agg(d ORDER BY bucket)::text FROM daily AS d")
    changed = HOURLY.replace("avg", "min")
    new = models(
        ContinuousAggregate("hourly", changed, indexes=[index], materialized_only=False),
        ContinuousAggregate("daily", DAILY),
    )
    revision = licensed.migrate(new)
    assert "\n    op.drop" not in revision.upgrade
    assert revision.upgrade.count("op.refresh_continuous_aggregate") == 2
    licensed.assert_clean(new)
    hourly, daily, hourly_old, daily_old = sorted(
        found(licensed), key=lambda each: ("_old" in each.name, each.name != "hourly")
    )
    assert [each.name for each in (hourly, daily, hourly_old, daily_old)] == [
        "hourly",
        "daily",
        "hourly_old",
        "daily_old",
    ]
    assert (hourly.indexes, hourly_old.indexes) == ((index,), (AggregateIndex("ix_hourly_old", "price"),))
    assert licensed.scalar("SELECT array_agg(d ORDER BY bucket)::text FROM daily_old AS d") == rows
    assert licensed.scalar("SELECT count(*) FROM hourly") == licensed.scalar(
        "SELECT count(DISTINCT time_bucket('1 hour', time)) FROM ticks"
    )
    assert licensed.scalar("SELECT count(*) FROM daily") > 0
    licensed.run(revision.downgrade)
    assert look(licensed) == before
    assert licensed.scalar("SELECT array_agg(d ORDER BY bucket)::text FROM daily AS d") == rows
    licensed.assert_clean(old)
    licensed.run(revision.upgrade)
    licensed.assert_clean(new)
    again = models(ContinuousAggregate("hourly", HOURLY), ContinuousAggregate("daily", DAILY))
    assert '"hourly_old2"' in licensed.migrate(again).upgrade
    licensed.assert_clean(again)


@pytest.mark.licensed
def test_the_same_roles_may_read_the_new_one(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY)))
    roles = ["reader", "the \"owner\" 'of' it"]
    granted = "SELECT relowner::regrole || relacl::text FROM pg_class WHERE relname = 'hourly'"
    try:
        licensed.execute(
            *(f"CREATE ROLE {identifier(role)}" for role in roles),
            f"GRANT ALL ON SCHEMA public TO {identifier(roles[1])}",
            f"GRANT SELECT ON ticks TO {identifier(roles[1])}",
            f"ALTER MATERIALIZED VIEW hourly OWNER TO {identifier(roles[1])}",
            "GRANT SELECT ON hourly TO reader WITH GRANT OPTION",
            "GRANT SELECT ON hourly TO PUBLIC",
        )
        before = licensed.scalar(granted)
        licensed.migrate(models(ContinuousAggregate("hourly", HOURLY.replace("avg", "min"))))
        assert licensed.scalar(granted) == before
        assert licensed.scalar("SELECT has_table_privilege('reader', 'hourly', 'SELECT WITH GRANT OPTION')")
    finally:
        licensed.execute(*(f"DROP MATERIALIZED VIEW {each.name}" for each in found(licensed)))
        licensed.execute(*(f"DROP OWNED BY {identifier(role)} CASCADE" for role in roles))
        licensed.execute(*(f"DROP ROLE {identifier(role)}" for role in roles))


@pytest.mark.licensed
def test_an_interrupted_swap_runs_again(licensed):
    metadata = models(
        ContinuousAggregate("hourly", HOURLY, indexes=[AggregateIndex("ix", "price")]),
        ContinuousAggregate("daily", DAILY),
    )
    licensed.migrate(metadata)
    fill(licensed)
    weekly = DAILY.replace("1 day", "7 days").replace("hourly", "daily")
    new = models(
        ContinuousAggregate("hourly", HOURLY.replace("avg", "min"), indexes=[AggregateIndex("ix", "price")]),
        ContinuousAggregate("daily", DAILY),
        ContinuousAggregate("weekly", weekly, indexes=[AggregateIndex("iw", "price")]),
    )
    revision = licensed.autogenerate(new)
    lines = revision.upgrade.splitlines(keepends=True)
    second = [number for number, line in enumerate(lines) if "op.refresh" in line][1]
    with pytest.raises(ZeroDivisionError):
        licensed.run("".join([*lines[:second], "    1 / 0\n"]))
    assert {each.name for each in found(licensed)} == {"hourly", "daily", "hourly_new", "daily_new", "weekly"}
    licensed.run(revision.upgrade)
    licensed.assert_clean(new)
    assert licensed.scalar("SELECT count(*) FROM daily") == 5
    source = {each.key: each.source for each in licensed.ask(catalog.continuous_aggregates)}
    assert source[None, "weekly"] == (None, "daily")


@pytest.mark.licensed
def test_another_aggregate_under_the_name_of_the_new_one_is_refused(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY)))
    licensed.run(f'op.create_continuous_aggregate("hourly_new", {HOURLY!r})')
    changed = ContinuousAggregate("hourly", HOURLY.replace("avg", "min"))
    revision = licensed.autogenerate(models(changed), theirs=lambda name, type_, parents: name != "hourly_new")
    with pytest.raises(InvalidObject, match="hourly_new already, with another query"):
        licensed.run(revision.upgrade)


class Mark(TableObject):
    """What belongs to an aggregate."""


@pytest.mark.licensed
def test_what_belongs_to_it_is_known_to_other_comparisons(licensed, monkeypatch):
    from tsext.autogenerate import compare

    seen = []

    class Marks:
        @staticmethod
        def compare(comparison):
            seen.append((comparison.declared(Mark), comparison.tables, comparison.replaced, comparison.dropped))

    monkeypatch.setattr(compare, "_KINDS", (*compare._KINDS, Marks))
    daily = ContinuousAggregate("daily", DAILY)
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY, objects=[Mark()]), daily))
    hourly = ContinuousAggregate("hourly", HOURLY.replace("avg", "min"), objects=[Mark()], schema="public")
    licensed.autogenerate(models(hourly, daily))
    licensed.autogenerate(models(hourly))
    key, both = (None, "hourly"), {(None, "hourly"), (None, "daily")}
    assert seen[0] == ({key: Mark(name="hourly")}, both | {(None, "ticks")}, set(), set())
    assert seen[1] == ({key: Mark(name="hourly", schema="public")}, both | {(None, "ticks")}, both, set())
    assert seen[2][2:] == ({key}, {(None, "daily")})
