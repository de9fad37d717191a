"""Jobs of users: values, exact SQL, rendering, reverses, refusals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations.ops import UpgradeOps

from tsext import ContinuousAggregate, Dimension, Job
from tsext.autogenerate.jobs import matched, steps
from tsext.catalog import TimescaleInfo
from tsext.errors import FeatureNotSupported, InvalidObject, IrreversibleOperation
from tsext.model import JOB_NAMES, License, aggregates_of, jobs_of
from tsext.operations.jobs import AddJob, AlterJob, DeleteJob, RunJob
from tsext.operations.operation import refuse_without

HOUR = timedelta(hours=1)
START = datetime(2040, 1, 1, 3, tzinfo=UTC)
TIMEZONE = "timezone => (SELECT timezone FROM _timescaledb_catalog.bgw_job WHERE id = job_id)"
OF_TIDY = "FROM timescaledb_information.jobs WHERE (proc_schema, proc_name) = (current_schema(), 'tidy')"


def job(proc="tidy", **fields):
    return Job(proc, **{"schedule_interval": HOUR, **fields})


def rendered(*operations):
    context = MigrationContext.configure(dialect_name="postgresql")
    text = render_python_code(UpgradeOps(list(operations)), migration_context=context)
    lines = [line.removeprefix("    ") for line in text.split("\n") if not line.strip().startswith("#")]
    return "\n".join(lines)


def test_declared_in_metadata_either_way():
    metadata = sa.MetaData(schema="jobs")
    ContinuousAggregate("hourly", "SELECT 1", metadata=metadata)
    first = job(job_name="a", metadata=metadata)
    assert jobs_of(metadata) == [job(job_name="a", schema="jobs")] == [first]
    assert [each.name for each in aggregates_of(metadata)] == ["hourly"]
    other = sa.MetaData()
    other.info["timescaledb"] = job()
    assert jobs_of(other) == [job()]
    assert aggregates_of(other) == []


@pytest.mark.parametrize(
    ("declared", "fact"),
    [
        ([job(), job()], "job tidy is declared twice"),
        ([job(job_name="a"), job(job_name="a", config={"a": 1})], "job a is declared twice"),
        (["tidy"], "holds 'tidy'"),
        ([Dimension("d", 2)], "holds Dimension"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(declared, fact):
    metadata = sa.MetaData()
    metadata.info["timescaledb"] = declared
    with pytest.raises(InvalidObject, match=fact) as refusal:
        jobs_of(metadata)
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("make", "fact"),
    [
        (lambda: Job("tidy"), "job tidy has no schedule_interval"),
        (lambda: job(""), "proc of a job is ''"),
        (lambda: job(None), "proc of a job is None"),
        (lambda: job(job_name=""), "job_name of a job is ''"),
        (lambda: job(schedule_interval="0 days"), "not positive"),
        (lambda: job(config="{}"), "config of a job is '{}'"),
        (lambda: job(max_runtime="-1 day"), "not positive"),
    ],
)
def test_what_makes_no_sense_is_refused(make, fact):
    with pytest.raises(InvalidObject, match=fact) as refusal:
        make()
    assert refusal.value.hint


def test_sql(op):
    op.add_job("tidy", "1 month", config={"keep": "it's"}, job_name="nightly", schema="My Jobs")
    op.add_job("tidy", HOUR, initial_start=START, timezone="UTC", scheduled=False, fixed_schedule=True, max_retries=3)
    op.alter_job("tidy", schedule_interval="2 hours", config={"keep": 5}, check_config=None)
    op.alter_job("tidy", job_name="it's", fixed_schedule=False)
    op.delete_job("tidy", with_config={"keep": 5})
    op.run_job("tidy", job_name="a")
    assert op.emitted() == [
        """SELECT add_job('"My Jobs".tidy', INTERVAL '1 month', config => '{"keep": "it''s"}'::jsonb, """
        "job_name => 'nightly')",
        "SELECT alter_job(add_job('tidy', INTERVAL '1 hour', initial_start => TIMESTAMPTZ '2040-01-01 03:00:00+00:00', "
        "scheduled => false, fixed_schedule => true, timezone => 'UTC'), max_retries => 3, timezone => 'UTC')",
        "SELECT alter_job(job_id, schedule_interval => INTERVAL '2 hours', check_config => 0, "
        f"""config => '{{"keep": 5}}'::jsonb, {TIMEZONE}) {OF_TIDY}""",
        f"SELECT alter_job(job_id, fixed_schedule => false, initial_start => initial_start, {TIMEZONE}) {OF_TIDY} "
        "AND application_name = format('%s [%s]', 'it''s', job_id)",
        f"""SELECT delete_job(job_id) {OF_TIDY} AND config = '{{"keep": 5}}'::jsonb""",
        "COMMIT",
        "DO 'DECLARE job int; BEGIN SELECT job_id INTO STRICT job FROM timescaledb_information.jobs WHERE "
        "(proc_schema, proc_name) = (current_schema(), ''tidy'') AND application_name = format(''%s [%s]'', ''a'', "
        "job_id); CALL run_job(job); END'",
        "BEGIN",
    ]


@pytest.mark.parametrize(
    ("call", "fact"),
    [
        (lambda op: op.alter_job("tidy"), "nothing of the job is to change"),
        (lambda op: op.alter_job("tidy", proc="x"), r"unexpected|multiple values"),
        (lambda op: op.alter_job("tidy", drop_after="1 day"), "a job has no drop_after that could change"),
        (lambda op: op.alter_job("tidy", config=None), "config cannot be taken away"),
        (lambda op: op.alter_job("tidy", timezone=None), "timezone cannot be taken away"),
        (lambda op: op.add_job("tidy", None), "job tidy has no schedule_interval"),
        (lambda op: op.delete_job(""), "proc of a job is ''"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(op, call, fact):
    with pytest.raises((InvalidObject, TypeError), match=fact):
        call(op)
    assert op.emitted() == []


def test_names_need_a_server_that_has_them():
    with pytest.raises(FeatureNotSupported, match=r"needs job_name: TimescaleDB 2.20 or newer"):
        refuse_without(JOB_NAMES, TimescaleInfo("2.19.3", License.TIMESCALE), "op.add_job")


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (AddJob(job()), 'op.add_job("tidy", schedule_interval=timedelta(hours=1))'),
        (
            AddJob(job(schema="s", job_name="a", config={"x": True}, max_retries=1)),
            """op.add_job(
    "tidy",
    schedule_interval=timedelta(hours=1),
    max_retries=1,
    job_name="a",
    config={"x": True},
    schema="s",
)""",
        ),
        (
            AlterJob("tidy", {"max_retries": 1, "old_max_retries": -1}, schema=None, job_name="a"),
            'op.alter_job("tidy", job_name="a", max_retries=1, old_max_retries=-1)',
        ),
        (
            DeleteJob("tidy", schema="s", with_config={"a": 1}),
            'op.delete_job("tidy", with_config={"a": 1}, schema="s")',
        ),
    ],
)
def test_rendering(operation, text):
    assert rendered(operation) == text


def test_reversed_twice_is_the_same():
    for operation in (
        AddJob(job(job_name="a", config={"a": 1})),
        AddJob(job(config={"a": 1}), by_config=True),
        AlterJob("tidy", {"max_retries": 1, "old_max_retries": -1}, schema="s", with_config={"a": 1}),
    ):
        back = operation.reverse()
        assert rendered(back) != rendered(operation)
        assert rendered(back.reverse()) == rendered(operation)


def test_what_is_not_known_cannot_be_undone():
    for operation in (AlterJob("tidy", {"max_retries": 1}, schema=None), DeleteJob("tidy", schema=None)):
        with pytest.raises(IrreversibleOperation, match="does not know"):
            operation.reverse()
    with pytest.raises(IrreversibleOperation, match="cannot be undone"):
        RunJob("tidy", schema=None).reverse()


# --- subtraction


def found(**fields):
    return job(**{"max_retries": -1, "scheduled": True, "fixed_schedule": True, "initial_start": START, **fields})


def test_which_is_which():
    by_name, by_config, alone = found(job_name="a"), found(config={"b": 1}), found(config={"c": 1})
    wanted = [job(config={"b": 1}), job(job_name="a", config={"x": 1}), job(config={"d": 1}), job("other")]
    pairs = list(matched([by_name, by_config, alone], wanted))
    assert pairs == [(by_config, wanted[0]), (by_name, wanted[1]), (alone, wanted[2]), (None, wanted[3])]
    assert list(matched([by_name], [job(job_name="b")])) == [(None, job(job_name="b")), (by_name, None)]
    assert list(matched([by_name], [job()])) == [(by_name, job())]


@pytest.mark.parametrize(
    ("before", "after", "verbs"),
    [
        (found(), job(), []),
        (found(config={"a": 1}), job(), []),
        (found(config={"a": 1}), job(config={"a": 2}), ["alter_job"]),
        (found(), job(config={"a": 2}), ["delete_job", "add_job"]),
        (found(), job(timezone="UTC"), ["delete_job", "add_job"]),
        (found(), job(schedule_interval="2 hours"), ["alter_job"]),
        (None, job(), ["add_job"]),
        (found(), None, ["delete_job"]),
    ],
)
def test_steps(before, after, verbs):
    removed, added = steps(before, after, alike=False)
    assert [each.verb for each in (*removed, *added)] == verbs
