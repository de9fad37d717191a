"""Any policies become any others, and come back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tsext import Columnstore, ColumnstorePolicy, ReorderPolicy, RetentionPolicy, catalog
from tsext.autogenerate.policies import changes_of

from .declaring import START, models

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


@pytest.mark.licensed
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
    seen, revisions = [licensed.jobs()], []
    for state in states:
        metadata = models(on, *filter(None, state))
        revisions.append(licensed.migrate(metadata))
        seen.append(licensed.jobs())
        assert licensed.autogenerate(metadata).is_empty
        found = {type(each): each for each in licensed.ask(catalog.policies)}
        for policy in filter(None, state):
            assert changes_of(found.pop(type(policy)), replace(policy, name="ticks")) == {}
        assert found == {}
    for revision, state in zip(reversed(revisions), reversed(seen[:-1]), strict=True):
        licensed.run(revision.downgrade)
        assert licensed.jobs() == state
