"""Whatever they are called and of whatever time: policies that are declared are found, and no others compared."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tsext import ReorderPolicy, RetentionPolicy, catalog
from tsext.errors import FeatureNotSupported

from .declaring import EVERYTHING, START, look, models

NAMES = [
    ("ticks", "market"),
    ('Odd: 100% "so"', 'a "b" c'),
    ("größe", "schéma"),
    ("user", "order"),
    ("n" * 63, "s" * 63),
    ("it's", "e.f"),
    ("back\\slash", "%(time)s"),
]


@pytest.mark.licensed
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


@pytest.mark.licensed
def test_integer_time(licensed):
    metadata = models(kind=sa.BigInteger())
    licensed.migrate(metadata)
    assert "tells the present" in licensed.refused('op.add_retention_policy("ticks", 500)')
    licensed.execute(
        "CREATE FUNCTION now_int() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT 5000::bigint'",
        "SELECT set_integer_now_func('ticks', 'now_int')",
    )
    assert "integer time" in licensed.refused('op.add_retention_policy("ticks", "5 days")')
    states = [look(licensed)]
    revisions = []
    for policy in (RetentionPolicy(500), RetentionPolicy(700)):
        metadata = models(policy, kind=sa.BigInteger())
        revisions.append(licensed.migrate(metadata))
        states.append(look(licensed))
        licensed.assert_clean(metadata)
    for revision, state in zip(reversed(revisions), reversed(states[:-1]), strict=True):
        licensed.run(revision.downgrade)
        assert look(licensed) == state


@pytest.mark.licensed
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
        licensed.assert_clean(metadata)
    for revision, state in zip(reversed(revisions), reversed(states[:-1]), strict=True):
        licensed.run(revision.downgrade)
        assert look(licensed) == state
    code = 'op.add_retention_policy("ticks", drop_created_before="1 day", schema="public")'
    licensed.migrate(sa.MetaData())
    licensed.migrate(models())
    told = licensed.refused(code, FeatureNotSupported)
    assert "needs retention by drop_created_before: TimescaleDB 2.26.3" in told


@pytest.mark.licensed
def test_what_is_not_declared_is_not_compared(licensed):
    metadata = models(RetentionPolicy("6 months"))
    licensed.migrate(metadata)
    licensed.run(
        'op.alter_retention_policy("ticks", schedule_interval="3 days", max_retries=5, scheduled=False, '
        'config={"mine": 1})'
    )
    licensed.assert_clean(metadata)
    metadata = models(RetentionPolicy("7 months", config={"more": 2}))
    licensed.migrate(metadata)
    (found,) = licensed.ask(catalog.policies)
    assert (found.config, found.max_retries, found.scheduled) == ({"mine": 1, "more": 2}, 5, False)


@pytest.mark.licensed
def test_no_policy_is_ever_added_by_itself(licensed):
    revision = licensed.migrate(models())
    assert "policy" not in revision.upgrade
    assert licensed.jobs() == []


@pytest.mark.licensed
def test_an_alteration_does_not_forget_the_time_zone(licensed):
    licensed.migrate(models(RetentionPolicy("6 months", initial_start=START, timezone="Europe/Berlin")))
    licensed.run('op.alter_retention_policy("ticks", schedule_interval="3 days")')
    (found,) = licensed.ask(catalog.policies)
    assert found.timezone == "Europe/Berlin"


@pytest.mark.licensed
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


@pytest.mark.licensed
def test_a_policy_that_makes_no_sense_is_left_alone(licensed, caplog):
    licensed.migrate(models())
    licensed.execute("SELECT add_retention_policy('ticks', INTERVAL '0 days')")
    assert licensed.autogenerate(models()).is_empty
    assert "retention policy of ticks is left alone" in caplog.text
