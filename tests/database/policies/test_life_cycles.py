"""Policies from declaration to downgrade."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from tsext import (
    Columnstore,
    ColumnstorePolicy,
    ContinuousAggregate,
    RefreshPolicy,
    ReorderPolicy,
    RetentionPolicy,
    catalog,
    reflection,
)
from tsext.autogenerate.policies import changes_of, matched, steps

from .declaring import AGGREGATE, DAY, EVERYTHING, START, look, models

CASES = [
    (RetentionPolicy("6 months"), RetentionPolicy("1 year")),
    (RetentionPolicy(timedelta(days=5)), RetentionPolicy("5 days", schedule_interval="1 month")),
    (RetentionPolicy("1 month 3 days", **EVERYTHING), RetentionPolicy("1 month 4 days", schedule_interval=2 * DAY)),
    (RetentionPolicy("1 day"), RetentionPolicy("1 day", **EVERYTHING)),
    (RetentionPolicy("1 day", **EVERYTHING), RetentionPolicy("2 days", **EVERYTHING | {"initial_start": START + DAY})),
    (RetentionPolicy("1 day", config={"a": {"b": [1]}}), RetentionPolicy("1 day", config={"a": 1, "c": "it's"})),
    (ColumnstorePolicy("7 days"), ColumnstorePolicy("1 month", schedule_interval="12 hours")),
    (ColumnstorePolicy("7 days"), ColumnstorePolicy(created_before=DAY)),
    (
        ColumnstorePolicy(created_before="1 month", **EVERYTHING),
        ColumnstorePolicy("1 year", config={"verbose_log": True}),
    ),
    (ReorderPolicy("ix_ticks"), ReorderPolicy("ix_other")),
    (ReorderPolicy("ix_ticks"), ReorderPolicy("ix_ticks", schedule_interval="3 days", **EVERYTHING)),
]


@pytest.mark.licensed
@pytest.mark.parametrize(("first", "second"), CASES, ids=range(len(CASES)))
def test_life_cycle(licensed, first, second):
    database = licensed
    on = [Columnstore(orderby="time DESC")] if isinstance(first, ColumnstorePolicy) else []
    database.migrate(models(sa.Index("ix_other", "device", "time"), *on))
    states, revisions = [look(database)], []
    for policy in (first, second):
        metadata = models(policy, sa.Index("ix_other", "device", "time"), *on)
        revisions.append(database.migrate(metadata, include_schemas=True))
        states.append(look(database))
        database.assert_clean(metadata)
        (found,) = database.ask(catalog.policies)
        assert changes_of(found, replace(policy, name="ticks")) == {}
    assert states[1] != states[2] != states[0]
    without = models(sa.Index("ix_other", "device", "time"), *on)
    removal = database.migrate(without)
    assert f"op.remove_{first.word()}" in removal.upgrade
    assert look(database) == states[0]
    for revision, state in zip([removal, *reversed(revisions)], [states[2], states[1], states[0]], strict=True):
        database.run(revision.downgrade)
        assert look(database) == state
    database.run(revisions[0].upgrade)
    database.run(revisions[1].upgrade)
    assert look(database) == states[2]


REFRESHES = [
    [[RefreshPolicy("1 month", "1 hour", schedule_interval="1 hour")]],
    [
        [RefreshPolicy(None, None, schedule_interval="1 day")],
        [RefreshPolicy(None, "1 hour", schedule_interval="1 day")],
    ],
    [
        [RefreshPolicy("1 month", "1 hour", schedule_interval="1 hour", buckets_per_batch=5)],
        [RefreshPolicy("3 months", "1 hour", schedule_interval="2 hours", refresh_newest_first=False, **EVERYTHING)],
        [RefreshPolicy("3 months", "-1 hour", schedule_interval="1 hour", max_batches_per_execution=7)],
    ],
    [
        [RefreshPolicy("1 month", "1 hour", schedule_interval="1 hour")],
        [
            RefreshPolicy("1 month", "1 hour", schedule_interval="1 hour"),
            RefreshPolicy(None, "1 month", schedule_interval="1 day", initial_start=START),
        ],
        [
            RefreshPolicy("1 month", "1 hour", schedule_interval="2 hours"),
            RefreshPolicy("1 year", "1 month", schedule_interval="1 day"),
        ],
        [RefreshPolicy("1 year", "1 month", schedule_interval="2 days", buckets_per_batch=0)],
    ],
]


class Aggregate:
    """Steps from policies to policies of one aggregate, until models can declare aggregates."""

    def __init__(self, database):
        self.database = database

    def migrate(self, wanted):
        found = self.database.ask(catalog.policies)
        wanted = [replace(each, name="hourly") for each in wanted]
        several = max(len(found), len(wanted)) > 1
        pairs = [steps(*pair, several=several) for pair in matched(found, wanted)]
        operations = [each for removed, _ in pairs for each in removed] + [each for _, added in pairs for each in added]
        for operation in operations:
            self.invoke(operation)
        return operations

    def invoke(self, operation):
        with self.database.engine.begin() as connection:
            Operations(MigrationContext.configure(connection)).invoke(operation)


@pytest.mark.licensed
@pytest.mark.parametrize("states", REFRESHES, ids=range(len(REFRESHES)))
def test_refresh_policies(licensed, states):
    licensed.migrate(models())
    licensed.execute(AGGREGATE)
    aggregate = Aggregate(licensed)
    seen, done = [look(licensed)], []
    for wanted in [*states, []]:
        done.append(aggregate.migrate(wanted))
        seen.append(look(licensed))
        assert aggregate.migrate(wanted) == []
    assert seen[-1] == seen[0]
    for operations, state in zip(reversed(done), reversed(seen[:-1]), strict=True):
        for operation in reversed(operations):
            aggregate.invoke(operation.reverse())
        assert look(licensed) == state
    # A policy of a view is known by the view, and none is taken for the hypertable's.
    aggregate.migrate(states[-1])
    assert {each.key for each in licensed.ask(catalog.policies)} == {(None, "hourly")}
    assert licensed.autogenerate(models()).is_empty


@pytest.mark.licensed
def test_policies_of_an_aggregate_beside_those_of_its_hypertable(licensed):
    licensed.migrate(models(RetentionPolicy("1 month")))
    licensed.execute(AGGREGATE)
    before = licensed.jobs()
    licensed.run('op.add_retention_policy("hourly", "1 year", schedule_interval=timedelta(days=3))')
    licensed.run('op.alter_retention_policy("hourly", drop_after="2 years")')
    found = {each.name: each for each in licensed.ask(catalog.policies)}
    assert (found["ticks"].drop_after, found["hourly"].drop_after) == ("1 month", "2 years")
    licensed.run('op.remove_retention_policy("hourly")')
    assert licensed.jobs() == before


@pytest.mark.licensed
def test_a_dropped_table_comes_back_with_its_policies(licensed):
    metadata = models(RetentionPolicy("6 months", **EVERYTHING), ReorderPolicy("ix_ticks"))
    created = licensed.migrate(metadata)
    before = look(licensed)
    assert created.upgrade.index("op.create_index") < created.upgrade.index("op.add_retention_policy")
    revision = licensed.migrate(sa.MetaData())
    assert revision.upgrade.index("op.remove_retention_policy") < revision.upgrade.index("op.drop_table")
    assert licensed.jobs() == []
    licensed.run(revision.downgrade)
    assert look(licensed) == before
    licensed.assert_clean(metadata)
    licensed.run(created.downgrade)
    licensed.run(created.upgrade)
    assert look(licensed) == before


@pytest.mark.licensed
def test_a_policy_gets_another_index_with_the_index(licensed):
    def declared(name):
        return models(sa.Index(name, "device", "time"), ReorderPolicy(name))

    licensed.migrate(declared("ix_1"))
    before = look(licensed)
    revision = licensed.migrate(declared("ix_2"))
    licensed.assert_clean(declared("ix_2"))
    after = look(licensed)
    licensed.run(revision.downgrade)
    assert look(licensed) == before
    licensed.run(revision.upgrade)
    assert look(licensed) == after


@pytest.mark.licensed
def test_the_examples_of_the_documentation(licensed):
    page = (Path(__file__).parents[3] / "docs" / "policies.md").read_text()
    declaration, pausing = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {}
    exec(declaration, names)
    metadata = names["metadata"]
    empty = look(licensed)
    created = licensed.migrate(metadata)
    licensed.assert_clean(metadata)
    before = look(licensed)
    assert len(before[0]) == 5
    licensed.run(pausing)
    assert licensed.jobs() == before[0]
    licensed.run('op.drop_column("ticks", "venue")')
    with licensed.engine.connect() as connection:
        reflected = {}
        exec(reflection.module(connection, reflection.Wanted()), reflected)
    assert licensed.autogenerate(reflected["metadata"]).is_empty
    dropped = licensed.autogenerate(sa.MetaData())
    licensed.run(dropped.upgrade.replace("allow_data_loss=None", 'allow_data_loss="it is empty"'))
    assert licensed.jobs() == []
    licensed.run(dropped.downgrade)
    assert licensed.jobs() == before[0]
    licensed.assert_clean(metadata)
    licensed.run(created.downgrade)
    assert look(licensed) == empty


@pytest.mark.licensed
def test_an_aggregate_in_whose_place_another_comes_keeps_its_policies(licensed):
    query = "SELECT time_bucket('1 hour', time) AS bucket, {}(value) AS value FROM ticks GROUP BY 1"
    policy = RefreshPolicy("1 month", "1 hour", schedule_interval="1 hour")

    def declared(function, *objects):
        metadata = models(RetentionPolicy("1 year"))
        ContinuousAggregate("hourly", query.format(function), objects=objects, metadata=metadata)
        return metadata

    licensed.migrate(declared("avg", policy, RetentionPolicy("2 years")))
    before = [each for each in licensed.jobs() if each[2] == "hourly"]
    metadata = declared("max", policy, RetentionPolicy("2 years"))
    licensed.run(licensed.autogenerate(metadata).upgrade)
    assert [each for each in licensed.jobs() if each[2] == "hourly"] == before
    assert "policy" not in licensed.autogenerate(metadata).upgrade
    licensed.run(licensed.autogenerate(declared("max")).upgrade)
    assert [each for each in licensed.jobs() if each[2] == "hourly"] == []
