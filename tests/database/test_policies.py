"""Policies from declaration to downgrade, on the licensed build; and refused in the Apache edition."""

from __future__ import annotations

import io
import re
import textwrap
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tsext import (
    Columnstore,
    ColumnstorePolicy,
    ContinuousAggregate,
    Hypertable,
    RefreshPolicy,
    ReorderPolicy,
    RetentionPolicy,
    catalog,
    reflection,
)
from tsext.autogenerate.policies import changes_of, matched, steps
from tsext.errors import FeatureNotSupported, InvalidObject, PreflightFailed, TsextError
from tsext.operations.pausing import wait_for
from tsext.sql.sending import ask

DAY = timedelta(days=1)
START = datetime(2040, 1, 1, 3, tzinfo=UTC)

JOBS = """
SELECT j.proc_name, hypertable_schema, hypertable_name, j.schedule_interval::text, j.max_runtime::text, j.max_retries,
       j.retry_period::text, j.scheduled, j.fixed_schedule, j.initial_start, b.timezone,
       (j.config - 'hypertable_id' - 'mat_hypertable_id')::text AS config
FROM timescaledb_information.jobs AS j JOIN _timescaledb_config.bgw_job AS b ON b.id = j.job_id
WHERE job_id >= 1000 ORDER BY hypertable_schema, hypertable_name, proc_name, config
"""

licensed_build = pytest.mark.licensed


def models(*items, name="ticks", kind=None, schema=None):
    metadata = sa.MetaData()
    time = sa.Column("time", kind or sa.DateTime(timezone=True), nullable=False)
    columns = [time, sa.Column("device", sa.Integer), sa.Column("value", sa.Float)]
    index = sa.Index(f"ix_{name}"[:63], "time")
    hypertable = Hypertable("time", 100_000 if kind is not None else DAY)
    sa.Table(name, metadata, *columns, index, hypertable, *items, schema=schema)
    return metadata


def jobs(database):
    with database.engine.connect() as connection:
        return [tuple(row) for row in ask(connection, JOBS)]


def look(database):
    return jobs(database), database.look()


def run_revision(database, code):
    """As Alembic does, in a transaction that an autocommit block may end."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
        with context.begin_transaction(_per_migration=True):
            names = {"op": Operations(context), "sa": sa, "timedelta": timedelta}
            exec(textwrap.dedent(code), names)


def assert_clean(database, metadata):
    assert database.autogenerate(metadata).is_empty
    assert database.autogenerate(metadata, include_schemas=True).is_empty


# --- there and back


EVERYTHING = {
    "initial_start": START,
    "timezone": "Europe/Berlin",
    "max_runtime": timedelta(minutes=7),
    "max_retries": 3,
    "retry_period": timedelta(minutes=9),
    "scheduled": False,
    "fixed_schedule": False,
}

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


@licensed_build
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
        assert_clean(database, metadata)
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


AGGREGATE = """
CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS
SELECT time_bucket('1 hour', time) AS bucket, avg(value) FROM ticks GROUP BY 1 WITH NO DATA
"""

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


@licensed_build
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


@licensed_build
def test_policies_of_an_aggregate_beside_those_of_its_hypertable(licensed):
    licensed.migrate(models(RetentionPolicy("1 month")))
    licensed.execute(AGGREGATE)
    before = jobs(licensed)
    licensed.run('op.add_retention_policy("hourly", "1 year", schedule_interval=timedelta(days=3))')
    licensed.run('op.alter_retention_policy("hourly", drop_after="2 years")')
    found = {each.name: each for each in licensed.ask(catalog.policies)}
    assert (found["ticks"].drop_after, found["hourly"].drop_after) == ("1 month", "2 years")
    licensed.run('op.remove_retention_policy("hourly")')
    assert jobs(licensed) == before


@licensed_build
def test_a_dropped_table_comes_back_with_its_policies(licensed):
    metadata = models(RetentionPolicy("6 months", **EVERYTHING), ReorderPolicy("ix_ticks"))
    created = licensed.migrate(metadata)
    before = look(licensed)
    assert created.upgrade.index("op.create_index") < created.upgrade.index("op.add_retention_policy")
    revision = licensed.migrate(sa.MetaData())
    assert revision.upgrade.index("op.remove_retention_policy") < revision.upgrade.index("op.drop_table")
    assert jobs(licensed) == []
    licensed.run(revision.downgrade)
    assert look(licensed) == before
    assert_clean(licensed, metadata)
    licensed.run(created.downgrade)
    licensed.run(created.upgrade)
    assert look(licensed) == before


@licensed_build
def test_a_policy_gets_another_index_with_the_index(licensed):
    def declared(name):
        return models(sa.Index(name, "device", "time"), ReorderPolicy(name))

    licensed.migrate(declared("ix_1"))
    before = look(licensed)
    revision = licensed.migrate(declared("ix_2"))
    assert_clean(licensed, declared("ix_2"))
    after = look(licensed)
    licensed.run(revision.downgrade)
    assert look(licensed) == before
    licensed.run(revision.upgrade)
    assert look(licensed) == after


@licensed_build
def test_the_examples_of_the_documentation(licensed):
    page = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()
    declaration, pausing = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {}
    exec(declaration, names)
    metadata = names["metadata"]
    empty = look(licensed)
    created = licensed.migrate(metadata)
    assert_clean(licensed, metadata)
    before = look(licensed)
    assert len(before[0]) == 5
    run_revision(licensed, pausing)
    assert jobs(licensed) == before[0]
    run_revision(licensed, 'op.drop_column("ticks", "venue")')
    with licensed.engine.connect() as connection:
        reflected = {}
        exec(reflection.module(connection, reflection.Wanted()), reflected)
    assert licensed.autogenerate(reflected["metadata"]).is_empty
    dropped = licensed.autogenerate(sa.MetaData())
    licensed.run(dropped.upgrade.replace("allow_data_loss=None", 'allow_data_loss="it is empty"'))
    assert jobs(licensed) == []
    licensed.run(dropped.downgrade)
    assert jobs(licensed) == before[0]
    assert_clean(licensed, metadata)
    licensed.run(created.downgrade)
    assert look(licensed) == empty


@licensed_build
def test_an_aggregate_in_whose_place_another_comes_keeps_its_policies(licensed):
    query = "SELECT time_bucket('1 hour', time) AS bucket, {}(value) AS value FROM ticks GROUP BY 1"
    policy = RefreshPolicy("1 month", "1 hour", schedule_interval="1 hour")

    def declared(function, *objects):
        metadata = models(RetentionPolicy("1 year"))
        ContinuousAggregate("hourly", query.format(function), objects=objects, metadata=metadata)
        return metadata

    licensed.migrate(declared("avg", policy, RetentionPolicy("2 years")))
    before = [each for each in jobs(licensed) if each[2] == "hourly"]
    metadata = declared("max", policy, RetentionPolicy("2 years"))
    run_revision(licensed, licensed.autogenerate(metadata).upgrade)
    assert [each for each in jobs(licensed) if each[2] == "hourly"] == before
    assert "policy" not in licensed.autogenerate(metadata).upgrade
    run_revision(licensed, licensed.autogenerate(declared("max")).upgrade)
    assert [each for each in jobs(licensed) if each[2] == "hourly"] == []


NAMES = [
    ("ticks", "market"),
    ('Odd: 100% "so"', 'a "b" c'),
    ("größe", "schéma"),
    ("user", "order"),
    ("n" * 63, "s" * 63),
    ("it's", "e.f"),
    ("back\\slash", "%(time)s"),
]


@licensed_build
@pytest.mark.parametrize(("name", "schema"), NAMES, ids=range(len(NAMES)))
def test_any_name_in_any_schema(licensed, name, schema):
    quote = licensed.engine.dialect.identifier_preparer.quote
    licensed.execute(f"CREATE SCHEMA {quote(schema)}".replace("%%", "%"))
    index = f"ix_{name}"[:63]
    states, revisions = [], []
    for policies in (
        [],
        [RetentionPolicy("1 month"), ReorderPolicy(index, **EVERYTHING)],
        [
            RetentionPolicy("2 months", timezone="Europe/Berlin", initial_start=START),
            ReorderPolicy(index, max_retries=1),
        ],
        [],
    ):
        metadata = models(*policies, name=name, schema=schema)
        revisions.append(licensed.migrate(metadata, include_schemas=True))
        states.append(look(licensed))
        assert licensed.autogenerate(metadata, include_schemas=True).is_empty
    for revision, state in zip(reversed(revisions[1:]), reversed(states[:-1]), strict=True):
        licensed.run(revision.downgrade)
        assert look(licensed) == state


@licensed_build
def test_integer_time(licensed):
    metadata = models(kind=sa.BigInteger())
    licensed.migrate(metadata)
    assert "tells the present" in refused(licensed, 'op.add_retention_policy("ticks", 500)')
    licensed.execute(
        "CREATE FUNCTION now_int() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT 5000::bigint'",
        "SELECT set_integer_now_func('ticks', 'now_int')",
    )
    assert "integer time" in refused(licensed, 'op.add_retention_policy("ticks", "5 days")')
    states = [look(licensed)]
    revisions = []
    for policy in (RetentionPolicy(500), RetentionPolicy(700)):
        metadata = models(policy, kind=sa.BigInteger())
        revisions.append(licensed.migrate(metadata))
        states.append(look(licensed))
        assert_clean(licensed, metadata)
    for revision, state in zip(reversed(revisions), reversed(states[:-1]), strict=True):
        licensed.run(revision.downgrade)
        assert look(licensed) == state


@licensed_build
def test_retention_by_creation(licensed):
    licensed.migrate(models(kind=sa.BigInteger()))
    states, revisions = [look(licensed)], []
    for policy in (
        RetentionPolicy(drop_created_before="1 day"),
        RetentionPolicy(drop_created_before="2 months", max_retries=4),
    ):
        metadata = models(policy, kind=sa.BigInteger())
        revisions.append(licensed.migrate(metadata))
        states.append(look(licensed))
        assert_clean(licensed, metadata)
    for revision, state in zip(reversed(revisions), reversed(states[:-1]), strict=True):
        licensed.run(revision.downgrade)
        assert look(licensed) == state
    code = 'op.add_retention_policy("ticks", drop_created_before="1 day", schema="public")'
    licensed.migrate(sa.MetaData())
    licensed.migrate(models())
    told = refused(licensed, code, FeatureNotSupported)
    assert "needs retention by drop_created_before: TimescaleDB 2.26.3" in told


@licensed_build
def test_what_is_not_declared_is_not_compared(licensed):
    metadata = models(RetentionPolicy("6 months"))
    licensed.migrate(metadata)
    licensed.run(
        'op.alter_retention_policy("ticks", schedule_interval="3 days", max_retries=5, scheduled=False, '
        'config={"mine": 1})'
    )
    assert_clean(licensed, metadata)
    metadata = models(RetentionPolicy("7 months", config={"more": 2}))
    licensed.migrate(metadata)
    (found,) = licensed.ask(catalog.policies)
    assert (found.config, found.max_retries, found.scheduled) == ({"mine": 1, "more": 2}, 5, False)


@licensed_build
def test_no_policy_is_ever_added_by_itself(licensed):
    revision = licensed.migrate(models())
    assert "policy" not in revision.upgrade
    assert jobs(licensed) == []


@licensed_build
def test_an_alteration_does_not_forget_the_time_zone(licensed):
    licensed.migrate(models(RetentionPolicy("6 months", initial_start=START, timezone="Europe/Berlin")))
    licensed.run('op.alter_retention_policy("ticks", schedule_interval="3 days")')
    (found,) = licensed.ask(catalog.policies)
    assert found.timezone == "Europe/Berlin"


@licensed_build
def test_the_projects_own_filters_hold(licensed):
    licensed.migrate(models())
    metadata = models(RetentionPolicy("6 months"))
    asked = []

    def nothing(object_, name, type_, reflected, compare_to):
        asked.append((type(object_), name, type_, reflected, compare_to))
        return type_ != "retention_policy"

    assert licensed.autogenerate(metadata, include_object=nothing).is_empty
    licensed.migrate(metadata)
    assert licensed.autogenerate(models(RetentionPolicy("1 year")), include_object=nothing).is_empty
    assert licensed.autogenerate(models(), include_object=nothing).is_empty
    found = [each[3:] for each in asked if each[2] == "retention_policy"]
    assert [(reflected, there is not None) for reflected, there in found] == [
        (False, False),
        (False, True),
        (True, False),
    ]

    def no_ticks(_, name, *__):
        return name != "ticks"

    assert licensed.autogenerate(models(), include_object=no_ticks).is_empty
    assert "drop_table" in licensed.autogenerate(sa.MetaData()).upgrade


@licensed_build
def test_a_policy_that_makes_no_sense_is_left_alone(licensed, caplog):
    licensed.migrate(models())
    licensed.execute("SELECT add_retention_policy('ticks', INTERVAL '0 days')")
    assert licensed.autogenerate(models()).is_empty
    assert "retention policy of ticks is left alone" in caplog.text


# --- refusals


def refused(database, code, error=InvalidObject, run=None):
    before = database.look()
    with pytest.raises(error) as refusal:
        (run or database.run)(code)
    assert isinstance(refusal.value, TsextError)
    assert refusal.value.hint
    assert database.look() == before
    return str(refusal.value)


@licensed_build
def test_what_the_server_would_refuse_is_refused_first(licensed):
    licensed.migrate(models(RetentionPolicy("6 months")))
    licensed.execute(
        AGGREGATE,
        "CREATE TABLE plain (time timestamptz)",
        "CREATE SCHEMA s",
        "CREATE TABLE s.far (time timestamptz NOT NULL)",
        "SELECT create_hypertable('s.far', by_range('time'))",
    )
    for code, fact in {
        'op.add_retention_policy("plain", "1 day")': "plain is neither a hypertable nor a continuous aggregate",
        'op.add_retention_policy("none", "1 day")': "there is no table none",
        'op.add_retention_policy("ticks", "1 day")': "ticks has a retention policy already",
        'op.add_retention_policy("far", "1 day", schema="public")': "there is no table public.far",
        'op.add_retention_policy("hourly", 5)': "its rows have times",
        'op.add_columnstore_policy("ticks", "1 day")': "the columnstore of ticks is off",
        'op.add_columnstore_policy("hourly", "1 day")': "the columnstore of hourly is off",
        'op.add_reorder_policy("ticks", "ix_none")': "has no index ix_none",
        'op.add_reorder_policy("hourly", "ix_none")': "is a continuous aggregate",
        'op.add_continuous_aggregate_policy("ticks", "1 day", None, "1 hour")': "not a continuous aggregate",
        'op.alter_retention_policy("far", drop_after="1 day")': "far has no retention policy",
        'op.alter_reorder_policy("ticks", index_name="x")': "ticks has no reorder policy",
        'op.alter_retention_policy("ticks", timezone=None)': "timezone cannot be taken away",
        'op.remove_columnstore_policy("ticks")': "ticks has no columnstore policy",
        'op.remove_continuous_aggregate_policy("hourly")': "hourly has no continuous aggregate policy",
        'op.resume_jobs("plain")': "there is no hypertable or continuous aggregate plain",
    }.items():
        assert fact in refused(licensed, code)
    licensed.run('op.add_retention_policy("ticks", "1 day", if_not_exists=True, max_retries=3)')
    assert licensed.ask(catalog.policies)[0].drop_after == "6 months"
    licensed.run('op.remove_columnstore_policy("ticks", if_exists=True)')
    licensed.run('op.enable_columnstore("hourly")')
    code = 'op.add_columnstore_policy("hourly", "60 days")'
    assert "hourly has no refresh policy" in refused(licensed, code)
    assert "goes by created_before" in refused(licensed, code.replace('"60 days"', 'created_before="60 days"'))
    licensed.run('op.add_continuous_aggregate_policy("hourly", "1 month", "1 day", "1 hour")')
    code = 'op.add_continuous_aggregate_policy("hourly", "1 year", "2 days", "1 hour")'
    assert "overlaps one that is there" in refused(licensed, code)
    licensed.run('op.add_continuous_aggregate_policy("hourly", "1 year", "1 month", "1 hour")')
    assert "has 2 policies" in refused(licensed, 'op.alter_continuous_aggregate_policy("hourly", max_retries=1)')
    code = 'op.alter_continuous_aggregate_policy("hourly", window=("2 years", None), max_retries=1)'
    assert "no continuous aggregate policy from 2 years to None" in refused(licensed, code)
    licensed.run('op.alter_continuous_aggregate_policy("hourly", window=("12 months", "1 month"), max_retries=1)')
    assert sorted(each.max_retries for each in licensed.ask(catalog.policies) if each.name == "hourly") == [-1, 1]


@licensed_build
def test_a_table_that_keys_point_to_gets_no_retention(licensed):
    licensed.migrate(models(sa.UniqueConstraint("time", "device", name="uq")))
    licensed.execute(
        "CREATE TABLE alarms (time timestamptz, device int, "
        "CONSTRAINT fk FOREIGN KEY (time, device) REFERENCES ticks (time, device))"
    )
    assert "foreign keys point to it: fk of alarms" in refused(licensed, 'op.add_retention_policy("ticks", "1 day")')


APACHE_REFUSES = [
    'op.add_retention_policy("ticks", "1 day")',
    'op.alter_retention_policy("ticks", drop_after="1 day")',
    'op.remove_retention_policy("ticks")',
    'op.add_columnstore_policy("ticks", "1 day")',
    'op.alter_columnstore_policy("ticks", after="1 day")',
    'op.remove_columnstore_policy("ticks")',
    'op.add_reorder_policy("ticks", "ix_ticks")',
    'op.alter_reorder_policy("ticks", index_name="ix_ticks")',
    'op.remove_reorder_policy("ticks")',
    'op.add_continuous_aggregate_policy("ticks", "1 day", None, "1 hour")',
    'op.alter_continuous_aggregate_policy("ticks", end_offset="1 day")',
    'op.remove_continuous_aggregate_policy("ticks")',
    'op.add_job("p", "1 hour", job_name="mine")',
    'op.alter_job("p", schedule_interval="1 hour")',
    'op.delete_job("p")',
    'op.run_job("p")',
    'op.resume_jobs("ticks")',
    'with op.pause_jobs("ticks"): raise AssertionError("it is not reached")',
]


def test_the_apache_edition_refuses(timescaledb):
    timescaledb.migrate(models())
    for code in APACHE_REFUSES:
        told = refused(timescaledb, code, FeatureNotSupported, lambda code: run_revision(timescaledb, code))
        assert "needs background jobs" in told
        assert "under the Apache licence" in told
    assert timescaledb.ask(catalog.policies) == timescaledb.ask(catalog.jobs) == []
    assert_clean(timescaledb, models())
    revision = timescaledb.autogenerate(models(RetentionPolicy("1 day")))
    assert "op.add_retention_policy" in revision.upgrade


def test_without_the_extension_there_are_none(database):
    assert database.ask(catalog.policies) == database.ask(catalog.jobs) == []
    assert "run op.create_extension" in refused(
        database, 'op.drop_chunks("t", older_than="1 day", allow_data_loss="x")', PreflightFailed
    )


# --- drop_chunks


@pytest.fixture
def filled(timescaledb):
    timescaledb.migrate(models(sa.UniqueConstraint("time", "device", name="uq")))
    timescaledb.execute("INSERT INTO ticks SELECT now() - n * interval '1 day', n FROM generate_series(0, 9) AS n")
    return timescaledb


def rows(database):
    return database.scalar("SELECT count(*) FROM ticks")


def test_drop_chunks(filled):
    filled.run('op.drop_chunks("ticks", older_than="7 days", allow_data_loss="test")')
    assert 7 <= rows(filled) <= 8
    filled.run('op.drop_chunks("ticks", older_than=timedelta(days=2), newer_than="5 days", allow_data_loss="test")')
    assert 4 <= rows(filled) <= 6
    code = (
        "from datetime import UTC, datetime\n"
        'op.drop_chunks("ticks", created_before=datetime.now(UTC), allow_data_loss="test", schema="public")'
    )
    filled.run(code)
    assert rows(filled) == 0
    refused(filled, 'op.drop_chunks("none", older_than="1 day", allow_data_loss="test")')
    filled.execute("CREATE TABLE plain (time timestamptz)")
    assert "is a plain table" in refused(filled, 'op.drop_chunks("plain", older_than="1 day", allow_data_loss="x")')


def test_no_chunk_of_a_table_that_keys_point_to_is_dropped(filled):
    filled.execute(
        "CREATE TABLE alarms (time timestamptz, device int, "
        "CONSTRAINT fk FOREIGN KEY (time, device) REFERENCES ticks (time, device))"
    )
    told = refused(filled, 'op.drop_chunks("ticks", older_than="1 day", allow_data_loss="test")')
    assert "foreign keys point to it: fk of alarms" in told
    with pytest.raises(sa.exc.DBAPIError, match="depend"):
        filled.execute("SELECT drop_chunks('ticks', older_than => INTERVAL '1 day')")
    assert rows(filled) == 10


def test_chunks_of_integer_time_are_dropped(timescaledb):
    timescaledb.migrate(models(kind=sa.BigInteger()))
    timescaledb.execute("INSERT INTO ticks SELECT n * 100000, n FROM generate_series(0, 9) AS n")
    timescaledb.execute(
        "CREATE FUNCTION now_int() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT 1000000::bigint'",
        "SELECT set_integer_now_func('ticks', 'now_int')",
    )
    timescaledb.run('op.drop_chunks("ticks", older_than=500_000, allow_data_loss="test")')
    assert rows(timescaledb) == 5


# --- pausing


@pytest.fixture
def paused(licensed):
    licensed.migrate(
        models(
            RetentionPolicy("6 months", initial_start=START, timezone="Europe/Berlin"),
            ReorderPolicy("ix_ticks", scheduled=False),
        )
    )
    licensed.execute(AGGREGATE)
    licensed.run('op.add_continuous_aggregate_policy("hourly", "1 month", "1 hour", "1 hour")')
    return licensed


SCHEDULED = "SELECT count(*) FROM timescaledb_information.jobs WHERE job_id >= 1000 AND scheduled"


@licensed_build
def test_jobs_are_paused_in_a_transaction_of_their_own(paused):
    before = look(paused)
    assert paused.scalar(SCHEDULED) == 2
    code = f"""
    def scheduled():
        return op.get_bind().exec_driver_sql({SCHEDULED!r}).scalar()

    with op.pause_jobs("ticks"):
        op.get_bind().rollback()
        assert scheduled() == 1
        op.get_bind().rollback()
        op.get_context()._transaction = op.get_bind().begin()
        with op.pause_jobs("ticks", "hourly", timeout="1 minute"):
            assert scheduled() == 0
        assert scheduled() == 2
    """
    run_revision(paused, code)
    assert look(paused) == before
    assert "paused_by_tsext" not in str(jobs(paused))


@licensed_build
def test_a_failure_undoes_the_block_and_resumes(paused):
    before = look(paused)
    for failure in ("raise KeyError", 'op.execute("SELECT 1 / 0")', "raise KeyboardInterrupt"):
        code = f"""
        with op.pause_jobs("ticks", "hourly"):
            op.execute("CREATE TABLE half (id int)")
            op.alter_retention_policy("ticks", drop_after="1 day")
            {failure}
        """
        with pytest.raises((KeyError, sa.exc.DBAPIError, KeyboardInterrupt)):
            run_revision(paused, code)
        assert look(paused) == before


@licensed_build
def test_what_stayed_paused_is_resumed_later(paused):
    before = look(paused)
    pause = """
    with op.pause_jobs("ticks", "hourly"):
        pass
    op.execute("SELECT 1 / 0")
    """
    with pytest.raises(sa.exc.DBAPIError):
        run_revision(paused, pause)
    assert paused.scalar(SCHEDULED) == 0
    found = {type(each): each.scheduled for each in paused.ask(catalog.policies)}
    assert found == {RetentionPolicy: True, RefreshPolicy: True, ReorderPolicy: False}
    for code in ('op.resume_jobs("ticks", "hourly")', pause.replace("1 / 0", "1")):
        with pytest.raises(sa.exc.DBAPIError):
            run_revision(paused, pause)
        assert look(paused) != before
        run_revision(paused, code)
        assert look(paused) == before


@licensed_build
def test_what_the_block_changes_stays_changed(paused):
    code = """
    with op.pause_jobs("ticks"):
        op.alter_retention_policy("ticks", drop_after="1 year", old_drop_after="6 months")
        op.remove_reorder_policy("ticks")
    """
    run_revision(paused, code)
    (found,) = (each for each in paused.ask(catalog.policies) if each.name == "ticks")
    assert (found.drop_after, found.scheduled, found.config) == ("1 year", True, None)
    assert found.timezone == "Europe/Berlin"


@licensed_build
def test_what_offline_mode_prints_does_the_same(paused):
    buffer = io.StringIO()
    options = {"as_sql": True, "output_buffer": buffer}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    with Operations(context).pause_jobs("ticks", "hourly", timeout="1 second"):
        buffer.write("@@@")
    # This build keeps the table where releases before 2.25 have it.
    text = buffer.getvalue().replace("_timescaledb_catalog.bgw_job", "_timescaledb_config.bgw_job")
    before = jobs(paused)
    for part, scheduled in zip(text.split("@@@"), (0, 2), strict=True):
        paused.execute(*(each for each in part.split(";\n\n") if each not in ("", "BEGIN", "COMMIT")))
        assert paused.scalar(SCHEDULED) == scheduled
    assert jobs(paused) == before


@licensed_build
def test_a_project_pauses_around_a_revision(paused, new_project, licensed_url, monkeypatch):
    monkeypatch.setenv("TSEXT_DATABASE_URL", licensed_url)
    project = new_project(licensed_url)
    body = """with op.pause_jobs("ticks", "hourly"):
        op.execute("CREATE TABLE half (id int)")
        op.execute("SELECT 1 / {}")"""
    before = jobs(paused)
    path = project.revision("001_half", None, body.format(0), 'op.drop_table("half")')
    told = project.run("alembic", "upgrade", "head", fails=True)
    assert "division by zero" in told
    assert jobs(paused) == before
    assert paused.scalar("SELECT to_regclass('half')") is None
    path.write_text(path.read_text().replace("1 / 0", "1 / 1"))
    project.run("alembic", "upgrade", "head")
    assert jobs(paused) == before
    assert paused.scalar("SELECT to_regclass('half')") == "half"
    assert paused.scalar("SELECT string_agg(outcome, ' ' ORDER BY id) FROM tsext.event") == "failed succeeded"
    offline = project.run("alembic", "upgrade", "base:head", "--sql")
    assert offline.count("paused_by_tsext") == 3
    project.run("alembic", "downgrade", "base")
    assert jobs(paused) == before


def test_a_job_that_runs_is_waited_for(timescaledb):
    """On a server with several sessions: one that calls itself as a job does."""
    name = "Retention Policy [1000]"
    connect = sa.create_engine(timescaledb.engine.url, connect_args={"application_name": name}).connect
    with timescaledb.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        wait_for(connection, [name], timedelta(0))
        with connect() as job:
            pid = job.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            with pytest.raises(
                PreflightFailed, match=rf"still run after 1s: Retention Policy \[1000\] \(process {pid}\)"
            ):
                wait_for(connection, [name, "other"], timedelta(seconds=1))
            wait_for(connection, ["other"], timedelta(0))
            job.detach()
            job.connection.close()
        wait_for(connection, [name], timedelta(seconds=30))


# --- any combination


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5)


def spans(low=1):
    return st.one_of(
        st.integers(low, 10**6).map(lambda n: timedelta(minutes=n)),
        st.integers(low, 100).map(lambda n: f"{n} months"),
        st.integers(low, 10).map(lambda n: f"{n} years {n} months {n} days"),
    )


def schedules():
    whole = st.integers(1, 10**5).map(lambda n: timedelta(minutes=n))
    return st.fixed_dictionaries(
        {},
        optional={
            "schedule_interval": st.one_of(whole, st.integers(1, 30).map(lambda n: f"{n} months")),
            "initial_start": st.just(START),
            "max_runtime": st.one_of(st.just(timedelta()), whole),
            "max_retries": st.integers(-1, 9),
            "retry_period": whole,
            "scheduled": st.booleans(),
            "config": st.dictionaries(
                st.sampled_from(["a", 'it\'s "b"', "é%:c"]), st.integers(-9, 9) | TEXT, min_size=1
            ),
        },
    )


def policies():
    retention = st.builds(
        lambda age, rest: RetentionPolicy(age, **rest),
        spans(),
        schedules(),
    )
    columnstore = st.builds(lambda age, rest: ColumnstorePolicy(age, **rest), spans(), schedules())
    reorder = st.builds(lambda rest: ReorderPolicy("ix_ticks", **rest), schedules())
    return st.tuples(*(st.none() | each for each in (retention, columnstore, reorder)))


@licensed_build
@settings(
    phases=[Phase.generate],
    deadline=None,
    max_examples=6,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(states=st.lists(policies(), min_size=2, max_size=3))
def test_any_combination(licensed, states):
    licensed.execute("DROP TABLE IF EXISTS ticks")
    on = Columnstore(orderby="time DESC")
    licensed.migrate(models(on))
    seen, revisions = [jobs(licensed)], []
    for state in states:
        metadata = models(on, *filter(None, state))
        revisions.append(licensed.migrate(metadata))
        seen.append(jobs(licensed))
        assert licensed.autogenerate(metadata).is_empty
        found = {type(each): each for each in licensed.ask(catalog.policies)}
        for policy in filter(None, state):
            assert changes_of(found.pop(type(policy)), replace(policy, name="ticks")) == {}
        assert found == {}
    for revision, state in zip(reversed(revisions), reversed(seen[:-1]), strict=True):
        licensed.run(revision.downgrade)
        assert jobs(licensed) == state
