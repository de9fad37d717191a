"""Policies, jobs and what drops chunks: values, exact SQL, rendering, reverses, refusals."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations.ops import UpgradeOps

from tsext import ColumnstorePolicy, ContinuousAggregate, RefreshPolicy, ReorderPolicy, RetentionPolicy
from tsext.autogenerate.policies import changes_of, matched, steps
from tsext.catalog import TimescaleInfo
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import License, declared, estimated, span
from tsext.operations.columnstore_policies import AddColumnstorePolicy, RemoveColumnstorePolicy
from tsext.operations.refresh_policies import AddContinuousAggregatePolicy, RemoveContinuousAggregatePolicy
from tsext.operations.retention import AddRetentionPolicy, AlterRetentionPolicy, DropChunks, RemoveRetentionPolicy

START = datetime(2040, 1, 1, 3, tzinfo=UTC)
TIMEZONE = "timezone => (SELECT timezone FROM _timescaledb_catalog.bgw_job WHERE id = job_id)"
OF_TICKS = "(hypertable_schema, hypertable_name) = (current_schema(), 'ticks')"
RETENTION_OF_TICKS = f"FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention' AND {OF_TICKS}"


def rendered(*operations):
    context = MigrationContext.configure(dialect_name="postgresql")
    text = render_python_code(UpgradeOps(list(operations)), migration_context=context)
    lines = [line.removeprefix("    ") for line in text.split("\n") if not line.strip().startswith("#")]
    return "\n".join(lines)


# --- lengths


@pytest.mark.parametrize(
    ("given", "compared"),
    [
        ("1 month", "1 month"),
        ("1 mon", "1 month"),
        ("12 months", "1 year"),
        ("14 mons", "1 year 2 months"),
        ("1.5 years", "1 year 6 months"),
        ("P1Y2M3DT4H", "1 year 2 months 3 days 4:00:00"),
        ("1 decade", "10 years"),
        ("6 months 0 microseconds", "6 months"),
        ("30 days", timedelta(days=30)),
        ("720 hours", timedelta(days=30)),
        ("-1 days +23:00:00", timedelta(hours=-1)),
        ("-1 month", "-1 month"),
        (500, 500),
    ],
)
def test_lengths_are_normalised(given, compared):
    assert span("it", given, positive=False) == compared
    assert span("it", compared, positive=False) == compared


def test_a_month_is_not_thirty_days_but_is_ordered_so():
    assert span("it", "1 month") != span("it", "30 days")
    assert estimated(span("it", "1 month 1 day")) == timedelta(days=31)


@pytest.mark.parametrize("bad", ["0.3 months", "month", "1 mnth", "", True, 1.5, None])
def test_what_is_no_length_is_refused(bad):
    with pytest.raises(InvalidObject, match="it "):
        span("it", bad)


# --- what can be declared

HOURLY = {"schedule_interval": "1 hour"}


@pytest.mark.parametrize(
    ("make", "fact"),
    [
        (lambda: RetentionPolicy(), "has neither drop_after nor drop_created_before"),
        (lambda: RetentionPolicy("1 day", "1 day"), "has drop_after and drop_created_before"),
        (lambda: RetentionPolicy("0 days"), "drop_after of a retention policy '0 days' is not positive"),
        (lambda: RetentionPolicy("-1 month"), "is not positive"),
        (lambda: RetentionPolicy(drop_created_before=5), "drop_created_before of a retention policy is 5"),
        (lambda: ColumnstorePolicy(), "has neither after nor created_before"),
        (lambda: ReorderPolicy(""), "index_name of a reorder policy is ''"),
        (lambda: ReorderPolicy(None), "index_name of a reorder policy is None"),
        (lambda: RefreshPolicy("1 month", None), "has no schedule_interval"),
        (
            lambda: RefreshPolicy("1 hour", "1 month", **HOURLY),
            "starts 1:00:00 before now, which is not before its end",
        ),
        (lambda: RefreshPolicy("1 month", "30 days", **HOURLY), "not before its end"),
        (lambda: RefreshPolicy(5, "1 day", **HOURLY), "starts 5 and ends"),
        (lambda: RefreshPolicy(None, None, **HOURLY, buckets_per_batch=-1), "buckets_per_batch"),
        (lambda: RetentionPolicy("1 day", initial_start=datetime(2030, 1, 1)), "initial_start of a retention policy"),
        (lambda: RetentionPolicy("1 day", initial_start="soon"), "initial_start of a retention policy is 'soon'"),
        (lambda: RetentionPolicy("1 day", timezone=""), "timezone of a retention policy is ''"),
        (lambda: RetentionPolicy("1 day", max_retries=-2), "max_retries of a retention policy is -2"),
        (lambda: RetentionPolicy("1 day", max_retries=True), "max_retries of a retention policy is True"),
        (lambda: RetentionPolicy("1 day", scheduled=1), "scheduled of a retention policy is 1"),
        (lambda: RetentionPolicy("1 day", retry_period="-1 day"), "is not positive"),
        (lambda: RetentionPolicy("1 day", schedule_interval="1 month 1 day"), "schedule_interval"),
        (lambda: RetentionPolicy("1 day", schedule_interval=5), "schedule_interval of a retention policy is 5"),
        (lambda: RetentionPolicy("1 day", config=[1]), "config of a retention policy is"),
    ],
)
def test_what_makes_no_sense_is_refused(make, fact):
    with pytest.raises(InvalidObject, match=fact) as refusal:
        make()
    assert refusal.value.hint


def test_times_are_compared_in_utc():
    text = RetentionPolicy("1 day", initial_start="2040-01-01 05:00+02:00")
    assert text == RetentionPolicy("1 day", initial_start=START)


def test_a_table_has_one_policy_of_a_kind_and_an_aggregate_several_to_refresh_it():
    metadata = sa.MetaData()
    with pytest.raises(InvalidObject, match="declares a RetentionPolicy twice"):
        sa.Table("t", metadata, sa.Column("time", sa.DateTime), RetentionPolicy("1 day"), RetentionPolicy("2 days"))
    first = RefreshPolicy("1 month", "1 hour", **HOURLY)
    second = RefreshPolicy("1 year", "1 month", **HOURLY)
    metadata = sa.MetaData()
    ContinuousAggregate("hourly", "SELECT 1", objects=[first, second, RetentionPolicy("1 year")], metadata=metadata)
    found = [(each.name, each.window) for _, each in declared(metadata, RefreshPolicy)]
    assert found == [("hourly", first.window), ("hourly", second.window)]
    assert not first.overlaps(second) and not second.overlaps(first)
    assert first.overlaps(RefreshPolicy("2 months", "2 days", **HOURLY))
    assert first.overlaps(RefreshPolicy(None, None, **HOURLY))
    assert not first.overlaps(RefreshPolicy(None, "1 month", **HOURLY))


# --- exact SQL


def test_the_first_run_is_not_forgotten(op):
    op.add_retention_policy("ticks", "6 months", initial_start=START, fixed_schedule=False)
    assert op.emitted() == [
        "SELECT alter_job(add_retention_policy('ticks', drop_after => INTERVAL '6 months', "
        "initial_start => TIMESTAMPTZ '2040-01-01 03:00:00+00:00'), fixed_schedule => false, "
        "initial_start => TIMESTAMPTZ '2040-01-01 03:00:00+00:00')"
    ]


def test_retention(op):
    op.add_retention_policy("ticks", "6 months")
    op.add_retention_policy("Odd: 100%", drop_created_before=timedelta(days=5), schema="s", if_not_exists=True)
    op.add_retention_policy("ticks", 1000, schedule_interval="1 month", initial_start=START, timezone="Europe/Berlin")
    op.add_retention_policy("ticks", "1 day", timezone="UTC", max_retries=3, scheduled=False, config={"a": 1})
    op.alter_retention_policy("ticks", drop_after="1 year", old_drop_after="6 months")
    op.alter_retention_policy("ticks", max_runtime="1 hour", timezone="UTC", fixed_schedule=True, config={"a": None})
    op.remove_retention_policy("ticks", schema="s")
    op.remove_retention_policy("ticks", if_exists=True)
    assert op.emitted() == [
        "SELECT add_retention_policy('ticks', drop_after => INTERVAL '6 months')",
        "SELECT add_retention_policy('s.\"Odd: 100%\"', drop_created_before => INTERVAL '5 days', "
        "if_not_exists => true)",
        "SELECT add_retention_policy('ticks', drop_after => 1000, schedule_interval => INTERVAL '1 month', "
        "initial_start => TIMESTAMPTZ '2040-01-01 03:00:00+00:00', timezone => 'Europe/Berlin')",
        "SELECT alter_job(add_retention_policy('ticks', drop_after => INTERVAL '1 day', timezone => 'UTC'), "
        "max_retries => 3, scheduled => false, timezone => 'UTC')",
        f"""SELECT alter_job(job_id, config => config || '{{"a": 1}}'::jsonb, {TIMEZONE}) {RETENTION_OF_TICKS}""",
        "SELECT alter_job(job_id, config => config || jsonb_build_object('drop_after', INTERVAL '1 year'), "
        f"{TIMEZONE}) {RETENTION_OF_TICKS}",
        "SELECT alter_job(job_id, max_runtime => INTERVAL '1 hour', timezone => 'UTC', fixed_schedule => true, "
        f"config => config - 'a', initial_start => initial_start) {RETENTION_OF_TICKS}",
        "SELECT remove_retention_policy('s.ticks')",
        "SELECT remove_retention_policy('ticks', if_exists => true)",
    ]


def test_other_policies(op):
    op.add_columnstore_policy("ticks", after="7 days", schedule_interval="12 hours")
    op.add_columnstore_policy("ticks", created_before="1 month", max_retries=2, config={"verbose_log": True})
    op.remove_columnstore_policy("ticks")
    op.add_reorder_policy("ticks", "ix_Odd")
    op.alter_reorder_policy("ticks", index_name="ix", schema="s")
    op.remove_reorder_policy("ticks")
    job = "FROM timescaledb_information.jobs WHERE proc_name ="
    assert op.emitted() == [
        "CALL add_columnstore_policy('ticks', after => INTERVAL '7 days', schedule_interval => INTERVAL '12 hours')",
        "CALL add_columnstore_policy('ticks', created_before => INTERVAL '1 month')",
        """SELECT alter_job(job_id, max_retries => 2, config => config || '{"verbose_log": true}'::jsonb, """
        f"{TIMEZONE}) {job} 'policy_compression' AND {OF_TICKS}",
        "CALL remove_columnstore_policy('ticks')",
        "SELECT add_reorder_policy('ticks', index_name => 'ix_Odd')",
        f"SELECT alter_job(job_id, config => config || jsonb_build_object('index_name', 'ix'), {TIMEZONE}) "
        f"{job} 'policy_reorder' AND (hypertable_schema, hypertable_name) = ('s', 'ticks')",
        "SELECT remove_reorder_policy('ticks')",
    ]


def test_refresh(op):
    op.add_continuous_aggregate_policy("hourly", "1 month", None, "1 hour", buckets_per_batch=5)
    op.alter_continuous_aggregate_policy(
        "hourly", window=(None, "1 month"), start_offset="1 year", buckets_per_batch=None
    )
    op.remove_continuous_aggregate_policy("hourly")
    op.remove_continuous_aggregate_policy("hourly", window=(500, 100))
    job = (
        "FROM timescaledb_information.jobs WHERE proc_name = 'policy_refresh_continuous_aggregate' AND "
        "(hypertable_schema, hypertable_name) = (current_schema(), 'hourly')"
    )
    assert op.emitted() == [
        "SELECT add_continuous_aggregate_policy('hourly', start_offset => INTERVAL '1 month', end_offset => NULL, "
        "buckets_per_batch => 5, schedule_interval => INTERVAL '1 hour')",
        "SELECT alter_job(job_id, config => (config - 'buckets_per_batch') || jsonb_build_object('start_offset', "
        f"INTERVAL '1 year'), {TIMEZONE}) {job} AND config ->> 'start_offset' IS NULL AND "
        "(config ->> 'end_offset')::interval = INTERVAL '1 month'",
        "SELECT remove_continuous_aggregate_policy('hourly')",
        f"SELECT delete_job(job_id) {job} AND (config ->> 'start_offset')::bigint = 500 AND "
        "(config ->> 'end_offset')::bigint = 100",
    ]


def test_older_servers_get_older_names():
    old = TimescaleInfo("2.17.2", License.TIMESCALE)
    add = AddColumnstorePolicy(ColumnstorePolicy(created_before="1 day", max_retries=1, name="ticks"))
    remove = RemoveColumnstorePolicy("ticks")
    alter = AlterRetentionPolicy("ticks", {"max_retries": 1})
    for operation in (add, remove, alter):
        operation.server = old
    assert add.statements()[0] == "SELECT add_compression_policy('ticks', compress_created_before => INTERVAL '1 day')"
    assert remove.statements() == ["SELECT remove_compression_policy('ticks')"]
    assert "SELECT timezone FROM _timescaledb_config.bgw_job" in alter.sql()
    assert "materialization_hypertable_name FROM timescaledb_information.continuous_aggregates" in alter.sql()


def test_drop_chunks(op):
    op.drop_chunks("ticks", older_than="1 year", newer_than=date(2020, 1, 1), allow_data_loss="old")
    op.drop_chunks("ticks", created_before=START, schema="s", allow_data_loss="old")
    op.drop_chunks("ticks", older_than=0, allow_data_loss="old")
    assert op.emitted() == [
        "SELECT drop_chunks('ticks', older_than => INTERVAL '1 year', newer_than => DATE '2020-01-01')",
        "SELECT drop_chunks('s.ticks', created_before => TIMESTAMPTZ '2040-01-01 03:00:00+00:00')",
        "SELECT drop_chunks('ticks', older_than => 0)",
    ]


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ({"older_than": "1 day"}, "would drop rows for good"),
        ({"older_than": "1 day", "allow_data_loss": " "}, "would drop rows for good"),
        ({"older_than": "1 day", "allow_data_loss": True}, "would drop rows for good"),
        ({"allow_data_loss": "x"}, "no bounds"),
        ({"older_than": "1 day", "created_before": "1 day", "allow_data_loss": "x"}, "older_than and created_before"),
        ({"older_than": datetime(2030, 1, 1), "allow_data_loss": "x"}, "older_than is"),
        ({"older_than": "soon", "allow_data_loss": "x"}, "cannot be read"),
    ],
)
def test_drop_chunks_refuses(op, arguments, fact):
    with pytest.raises(InvalidObject, match=fact) as refusal:
        op.drop_chunks("ticks", **arguments)
    assert refusal.value.hint
    assert op.emitted() == []


def test_pausing_offline_waits_in_the_server(op):
    with op.pause_jobs("ticks", "hourly", schema="s", timeout="1 minute"):
        op.execute("ALTER TABLE ticks ADD COLUMN more int")
    emitted = op.emitted()
    one = "(hypertable_schema, hypertable_name) = ('s', '{}')"
    owned = f"({one.format('ticks')} OR {one.format('hourly')})"
    assert emitted[:2] == [
        "COMMIT",
        """SELECT alter_job(job_id, scheduled => false, config => config || '{"paused_by_tsext": true}'::jsonb, """
        f"next_start => next_start, {TIMEZONE}) FROM timescaledb_information.jobs WHERE scheduled AND {owned}",
    ]
    assert emitted[2].startswith("DO 'DECLARE deadline timestamptz := clock_timestamp() + 60 * interval ''1 second''")
    assert emitted[3] == "BEGIN"
    assert emitted[4].startswith("ALTER TABLE")
    assert emitted[5:] == [
        "SELECT alter_job(job_id, scheduled => true, config => config - 'paused_by_tsext', "
        f"next_start => next_start, {TIMEZONE}) FROM timescaledb_information.jobs "
        f"WHERE config ? 'paused_by_tsext' AND {owned}"
    ]


@pytest.mark.parametrize(
    ("call", "fact"),
    [
        (lambda op: op.alter_retention_policy("t"), "nothing of the retention policy is to change"),
        (lambda op: op.alter_retention_policy("t", after="1 day"), "a retention policy has no after that could change"),
        (lambda op: op.alter_retention_policy("t", drop_after="no"), "cannot be read"),
        (lambda op: op.alter_retention_policy("t", drop_after=None, drop_created_before="1 day"), "from one of"),
        (lambda op: op.alter_retention_policy("t", schedule_interval=None), "cannot be taken away"),
        (lambda op: op.alter_continuous_aggregate_policy("t", window="1 day", max_retries=1), "window is '1 day'"),
        (lambda op: op.pause_jobs(), "op.pause_jobs has no table"),
        (lambda op: op.pause_jobs("t", timeout=5), "timeout of pause_jobs is 5"),
        (lambda op: op.resume_jobs(), "op.resume_jobs has no table"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(op, call, fact):
    with pytest.raises(InvalidObject, match=fact) as refusal:
        call(op)
    assert refusal.value.hint
    assert op.emitted() == []


# --- reverses and rendering


FULL = RetentionPolicy("6 months", initial_start=START, max_retries=3, config={"a": [1]}, name="ticks", schema="s")
REFRESH = RefreshPolicy(None, "1 hour", schedule_interval="1 hour", name="hourly")


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (
            AddRetentionPolicy(RetentionPolicy("1 day", name="t")),
            'op.add_retention_policy("t", drop_after=timedelta(days=1))',
        ),
        (
            AddRetentionPolicy(FULL),
            """op.add_retention_policy(
    "ticks",
    drop_after="6 months",
    initial_start=datetime.datetime(2040, 1, 1, 3, 0, tzinfo=datetime.timezone.utc),
    max_retries=3,
    config={"a": [1]},
    schema="s",
)""",
        ),
        (
            AlterRetentionPolicy("ticks", {"drop_after": "1 year", "old_drop_after": "6 months"}),
            'op.alter_retention_policy("ticks", drop_after="1 year", old_drop_after="6 months")',
        ),
        (RemoveRetentionPolicy("ticks", schema="s", removed=FULL), 'op.remove_retention_policy("ticks", schema="s")'),
        (
            AddContinuousAggregatePolicy(REFRESH),
            """op.add_continuous_aggregate_policy(
    "hourly",
    start_offset=None,
    end_offset=timedelta(hours=1),
    schedule_interval=timedelta(hours=1),
)""",
        ),
        (
            RemoveContinuousAggregatePolicy("hourly", window=(None, "1 month")),
            'op.remove_continuous_aggregate_policy("hourly", window=[None, "1 month"])',
        ),
    ],
)
def test_rendering(operation, text):
    assert rendered(operation) == text


def test_reversed_twice_is_the_same():
    changes = {"drop_after": "1 year", "old_drop_after": "6 months", "max_retries": 1, "old_max_retries": -1}
    for operation in (
        AddRetentionPolicy(FULL),
        AddContinuousAggregatePolicy(REFRESH, windowed=True),
        AddColumnstorePolicy(ColumnstorePolicy("1 day", name="t")),
        AlterRetentionPolicy("ticks", changes, schema="s"),
    ):
        back = operation.reverse()
        assert rendered(back) != rendered(operation)
        assert rendered(back.reverse()) == rendered(operation)
        assert back.to_diff_tuple() != operation.to_diff_tuple()


def test_without_the_old_value_there_is_no_way_back():
    with pytest.raises(IrreversibleOperation, match="does not know the old max_retries"):
        AlterRetentionPolicy("ticks", {"max_retries": 1}).reverse()
    with pytest.raises(IrreversibleOperation, match="does not know what it removes"):
        RemoveRetentionPolicy("ticks").reverse()
    with pytest.raises(IrreversibleOperation, match="were dropped are gone"):
        DropChunks("ticks", {"older_than": "1 day"}, reason="x").reverse()


# --- subtraction


def policy(**fields):
    everything = {"schedule_interval": "1 day", "max_runtime": "5 min", "max_retries": -1, "retry_period": "5 min"}
    return RetentionPolicy(**{**everything, "scheduled": True, "fixed_schedule": False, "name": "t", **fields})


@pytest.mark.parametrize(
    ("found", "wanted", "verbs"),
    [
        (policy(drop_after="12 months"), RetentionPolicy("1 year", name="t"), []),
        (policy(drop_after="1 month"), RetentionPolicy("30 days", name="t"), ["alter"]),
        (policy(drop_after="1 day"), RetentionPolicy("24 hours", name="t"), []),
        (policy(drop_after="1 day", config={"a": 1}), RetentionPolicy("1 day", name="t"), []),
        (policy(drop_after="1 day", config={"a": 1}), RetentionPolicy("1 day", config={"b": 2}, name="t"), ["alter"]),
        (policy(drop_after="1 day"), RetentionPolicy(drop_created_before="1 day", name="t"), ["remove", "add"]),
        (policy(drop_after="1 day"), RetentionPolicy("1 day", timezone="UTC", name="t"), ["remove", "add"]),
        (policy(drop_after="1 day"), RetentionPolicy("1 day", fixed_schedule=True, name="t"), ["remove", "add"]),
        (None, RetentionPolicy("1 day", name="t"), ["add"]),
        (policy(drop_after="1 day"), None, ["remove"]),
    ],
)
def test_steps(found, wanted, verbs):
    before, after = steps(found, wanted, several=False)
    assert [each.verb.partition("_")[0] for each in (*before, *after)] == verbs
    assert all(each.verb.startswith("remove") for each in before)


def test_several_are_matched_by_their_windows():
    old = [RefreshPolicy("1 month", "1 day", **HOURLY), RefreshPolicy(None, "1 month", **HOURLY)]
    new = [RefreshPolicy(None, "1 month", schedule_interval="2 hours"), RefreshPolicy("1 month", "2 days", **HOURLY)]
    assert list(matched(old, new)) == [(old[1], new[0]), (None, new[1]), (old[0], None)]
    assert list(matched(old[:1], new[:1])) == [(old[0], new[0])]
    assert set(changes_of(old[1], new[0])) == {"schedule_interval", "old_schedule_interval"}


def test_what_timescaledb_gives_by_itself_is_not_written():
    assert policy(drop_after="1 day").essential() == RetentionPolicy("1 day", schedule_interval="1 day", name="t")
    assert SimpleNamespace(**vars(policy(drop_after="1 day", max_retries=3).essential())).max_retries == 3
