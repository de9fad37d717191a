"""Jobs of users from declaration to downgrade, on the licensed build."""

from __future__ import annotations

import re
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tsext import Job, catalog
from tsext.autogenerate.schedules import changed
from tsext.errors import InvalidObject

pytestmark = pytest.mark.licensed

START = datetime(2040, 1, 1, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)


def models(*jobs):
    metadata = sa.MetaData()
    metadata.info["timescaledb"] = list(jobs)
    return metadata


@pytest.fixture
def tidy(licensed):
    licensed.execute(
        'CREATE SCHEMA "My Jobs"',
        'CREATE TABLE "My Jobs".done (config jsonb)',
        "CREATE PROCEDURE tidy(job_id int, config jsonb) LANGUAGE sql "
        """AS 'INSERT INTO "My Jobs".done VALUES (config)'""",
        "CREATE FUNCTION count_up(job_id int, config jsonb) RETURNS void LANGUAGE sql AS 'SELECT 1'",
        "CREATE PROCEDURE commits(job_id int, config jsonb) LANGUAGE plpgsql "
        """AS 'BEGIN INSERT INTO "My Jobs".done VALUES (config); COMMIT; END'""",
        "CREATE FUNCTION check_it(config jsonb) RETURNS void LANGUAGE plpgsql "
        "AS 'BEGIN IF config IS NULL THEN RAISE ''no config''; END IF; END'",
        'CREATE PROCEDURE "My Jobs"."It\'s :odd 100%%"(job_id int, config jsonb) LANGUAGE sql AS \'SELECT 1\''.replace(
            "%%", "%"
        ),
    )
    return licensed


KEEP = Job("count_up", schedule_interval=HOUR, job_name="keep", initial_start=START)
"""Is there in every state, so that jobs are compared."""

EVERYTHING = {
    "initial_start": START,
    "timezone": "Europe/Berlin",
    "max_runtime": timedelta(minutes=7),
    "max_retries": 3,
    "retry_period": timedelta(minutes=9),
    "scheduled": False,
    "fixed_schedule": False,
}
FIXED = {"schedule_interval": HOUR, "initial_start": START}

CASES = [
    ([Job("tidy", **FIXED)], [Job("tidy", **FIXED | {"schedule_interval": "1 month"})]),
    ([Job("tidy", **FIXED, config={"a": 1})], [Job("tidy", **FIXED, config={"b": ["it's", None]})]),
    ([Job("tidy", **FIXED)], [Job("tidy", **FIXED, config={"a": 1}, timezone="Europe/Berlin")]),
    ([Job("tidy", schedule_interval=HOUR, **EVERYTHING)], [Job("tidy", **FIXED, max_retries=1, scheduled=True)]),
    ([Job("tidy", **FIXED, job_name="a")], [Job("tidy", **FIXED, job_name="b")]),
    (
        [Job("tidy", **FIXED, job_name="a"), Job("tidy", **FIXED, job_name='b "[x]" é')],
        [Job("tidy", **FIXED, job_name="a")],
    ),
    (
        [Job("tidy", **FIXED, config={"a": 1}), Job("tidy", **FIXED, config={"a": 2})],
        [Job("tidy", **FIXED, config={"a": 1}, max_retries=7), Job("tidy", **FIXED, config={"a": 3})],
    ),
    (
        [Job("tidy", **FIXED, config={"a": 1}, check_config="public.check_it")],
        [Job("tidy", **FIXED, config={"a": 2}, check_config="public.check_it", fixed_schedule=False)],
    ),
    (
        [Job("It's :odd 100%", schema="My Jobs", **FIXED, job_name="it's :x 100%")],
        [Job("It's :odd 100%", schema="My Jobs", **FIXED, job_name="it's :x 100%", config={":y": "100%"})],
    ),
    ([Job("tidy", schema="public", schedule_interval="1 hour", fixed_schedule=False)], []),
]


@pytest.mark.parametrize(("first", "second"), CASES, ids=range(len(CASES)))
def test_life_cycle(tidy, first, second):
    database = tidy
    database.migrate(models(KEEP))
    states, revisions = [database.jobs()], []
    for jobs in (first, second, []):
        metadata = models(KEEP, *jobs)
        revisions.append(database.migrate(metadata))
        states.append(database.jobs())
        assert database.autogenerate(metadata).is_empty
        assert "job(" not in database.autogenerate(metadata, include_schemas=True).upgrade
    assert states[1] != states[2]
    assert states[3] == states[0]
    for revision, state in zip(reversed(revisions), reversed(states[:-1]), strict=True):
        database.run(revision.downgrade)
        assert database.jobs() == state
    for revision, state in zip(revisions, states[1:], strict=True):
        database.run(revision.upgrade)
        assert database.jobs() == state


def test_jobs_that_no_model_declares_are_left_alone_unless_one_does(tidy):
    tidy.run('op.add_job("tidy", "1 hour", job_name="by hand")')
    assert tidy.autogenerate(sa.MetaData()).is_empty
    revision = tidy.autogenerate(models(KEEP))
    assert 'op.delete_job("tidy", job_name="by hand")' in revision.upgrade
    assert "op.add_job(" in revision.downgrade

    def nothing_by_hand(_, name, type_, *__):
        return (type_, name) != ("job", "by hand")

    revision = tidy.migrate(models(KEEP), include_object=nothing_by_hand)
    assert "by hand" not in revision.upgrade
    assert {each.job_name for each in tidy.ask(catalog.jobs)} == {"by hand", "keep"}


def test_the_examples_of_the_documentation(tidy):
    page = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text()
    (declaration,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {}
    exec(declaration, names)
    before = tidy.jobs()
    revision = tidy.migrate(names["metadata"])
    assert tidy.autogenerate(names["metadata"]).is_empty
    (found,) = tidy.ask(catalog.jobs)
    assert (found.job_name, found.config, found.initial_start.year) == ("tidy up", {"keep": 5}, 2030)
    tidy.run(revision.downgrade)
    assert tidy.jobs() == before


def test_policies_are_no_jobs_of_users(tidy):
    tidy.execute(
        "CREATE TABLE ticks (time timestamptz NOT NULL)",
        "SELECT create_hypertable('ticks', by_range('time'))",
        "SELECT add_retention_policy('ticks', INTERVAL '1 day')",
        "SELECT add_job('_timescaledb_functions.policy_retention', '1 hour', "
        """'{"hypertable_id": 1, "drop_after": "9 days"}')""",
    )
    assert tidy.ask(catalog.jobs) == []
    assert [each.name for each in tidy.ask(catalog.policies)] == ["ticks"]


def test_verbs_by_hand(tidy):
    tidy.run('op.add_job("tidy", timedelta(hours=1), config={"a": 1}, max_retries=5, timezone="Europe/Berlin")')
    tidy.run('op.alter_job("tidy", schedule_interval="2 hours", check_config="check_it")')
    (found,) = tidy.ask(catalog.jobs)
    assert (found.schedule_interval, found.timezone, found.max_retries) == (2 * HOUR, "Europe/Berlin", 5)
    assert found.check_config == "public.check_it"
    tidy.run('op.alter_job("tidy", check_config=None)')
    tidy.run('op.add_job("tidy", "1 hour", config={"a": 2})')
    tidy.run('op.delete_job("tidy", with_config={"a": 1})')
    tidy.run('op.delete_job("tidy", job_name="none", if_exists=True)')
    (found,) = tidy.ask(catalog.jobs)
    assert (found.config, found.check_config) == ({"a": 2}, None)


@pytest.mark.parametrize(
    ("code", "fact"),
    [
        ('op.alter_job("none", max_retries=1)', "there is no job none"),
        ('op.delete_job("tidy", schema="My Jobs")', "there is no job My Jobs.tidy"),
        ('op.delete_job("tidy")', "2 jobs run tidy"),
        ('op.alter_job("tidy", max_retries=1)', "say which: by job_name="),
        ('op.alter_job("tidy", job_name="a", config=None)', "config cannot be taken away"),
        ('op.alter_job("tidy", job_name="a", initial_start=None)', "initial_start cannot be taken away"),
        ('op.add_job("tidy", "1 hour", job_name="a")', r"there is a job a \(tidy\) already"),
    ],
)
def test_what_makes_no_sense_is_refused(tidy, code, fact):
    tidy.run('op.add_job("tidy", "1 hour", job_name="a", config={"a": 1})')
    tidy.run('op.add_job("tidy", "1 hour", job_name="b")')
    before = tidy.jobs()
    with pytest.raises(InvalidObject, match=fact) as refusal:
        tidy.run(code)
    assert refusal.value.hint
    assert tidy.jobs() == before


def test_a_job_is_run_at_once(tidy):
    tidy.run('op.add_job("tidy", "1 hour", job_name="a", config={"ran": 1})')
    tidy.run('op.add_job("commits", "1 hour", config={"ran": 2})')
    code = """
    op.run_job("tidy", job_name="a")
    op.run_job("commits")
    """
    with tidy.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
        with context.begin_transaction(_per_migration=True):
            exec(textwrap.dedent(code), {"op": Operations(context)})
    assert (
        tidy.scalar("SELECT string_agg(config ->> 'ran', '' ORDER BY config ->> 'ran') FROM \"My Jobs\".done") == "12"
    )


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5)


def lengths():
    return st.one_of(
        st.integers(1, 10**5).map(lambda n: timedelta(minutes=n)), st.integers(1, 30).map("{} months".format)
    )


def job(name):
    fields = {
        "timezone": st.sampled_from(["Europe/Berlin", "UTC"]),
        "max_runtime": st.integers(0, 10**5).map(lambda n: timedelta(minutes=n)),
        "max_retries": st.integers(-1, 9),
        "scheduled": st.booleans(),
        "config": st.dictionaries(st.sampled_from(["a", "é%:c"]), st.integers(-9, 9) | TEXT | st.none()),
        "check_config": st.just("public.allow"),
    }
    return st.builds(
        lambda interval, rest: Job("tidy", schedule_interval=interval, job_name=name, **rest),
        lengths(),
        st.fixed_dictionaries({"initial_start": st.just(START)}, optional=fields),
    )


@settings(
    phases=[Phase.generate],
    deadline=None,
    max_examples=6,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(states=st.lists(st.tuples(st.none() | job("a"), st.none() | job("b 'é'")), min_size=2, max_size=3))
def test_any_combination(tidy, states):
    tidy.execute(
        "SELECT delete_job(job_id) FROM timescaledb_information.jobs WHERE job_id >= 1000",
        "CREATE OR REPLACE FUNCTION allow(config jsonb) RETURNS void LANGUAGE sql AS 'SELECT 1'",
    )
    tidy.migrate(models(KEEP))
    seen, revisions = [tidy.jobs()], []
    for state in states:
        metadata = models(KEEP, *filter(None, state))
        revisions.append(tidy.migrate(metadata))
        seen.append(tidy.jobs())
        assert tidy.autogenerate(metadata).is_empty
        found = {each.job_name: each for each in tidy.ask(catalog.jobs) if each.job_name != "keep"}
        for each in filter(None, state):
            assert changed(found.pop(each.job_name), each) == {}
        assert found == {}
    for revision, state in zip(reversed(revisions), reversed(seen[:-1]), strict=True):
        tidy.run(revision.downgrade)
        assert tidy.jobs() == state
