"""Exact SQL, rendering and reverses of the verbs."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations

from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import Dimension, Extension, Hypertable, microseconds
from tsext.operations import repr_of
from tsext.operations.extensions import CreateExtension, DropExtension
from tsext.operations.hypertables import AddDimension, CreateHypertable, DropHypertable, SetChunkTimeInterval


@pytest.fixture
def op():
    buffer = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql",
        opts={"as_sql": True, "output_buffer": buffer},
        dialect_opts={"paramstyle": "named"},
    )
    operations = Operations(context)
    operations.emitted = lambda: [line for line in buffer.getvalue().split(";\n\n") if line]
    return operations


def test_create_hypertable(op):
    op.create_hypertable("conditions", column="time", chunk_time_interval=timedelta(days=1))
    assert op.emitted() == [
        "SELECT create_hypertable('conditions', by_range('time', INTERVAL '1 day'), create_default_indexes => false)"
    ]


def test_create_hypertable_with_dimensions_in_a_schema(op):
    op.create_hypertable(
        "Odd: name",
        "time",
        chunk_time_interval="12 hours",
        dimensions=[Dimension("device", number_partitions=4)],
        schema="market",
        migrate_data=True,
    )
    assert op.emitted() == [
        """SELECT create_hypertable('market."Odd: name"', by_range('time', INTERVAL '12 hours'), """
        "create_default_indexes => false, migrate_data => true)",
        """SELECT add_dimension('market."Odd: name"', by_hash('device', 4))""",
    ]


def test_integer_time(op):
    op.create_hypertable("ticks", "n", chunk_time_interval=100000)
    op.set_chunk_time_interval("ticks", 200000)
    assert op.emitted() == [
        "SELECT create_hypertable('ticks', by_range('n', 100000), create_default_indexes => false)",
        "SELECT set_chunk_time_interval('ticks', 200000)",
    ]


def test_other_verbs(op):
    op.add_dimension("ticks", "device", number_partitions=4)
    op.add_dimension("ticks", "sent", chunk_time_interval=timedelta(weeks=1))
    op.set_chunk_time_interval("ticks", timedelta(hours=36), dimension_name="time")
    op.create_extension("timescaledb", if_not_exists=True, schema="x", version="2.19.3", cascade=True)
    op.drop_extension("timescaledb", if_exists=True)
    assert op.emitted() == [
        "SELECT add_dimension('ticks', by_hash('device', 4))",
        "SELECT add_dimension('ticks', by_range('sent', INTERVAL '7 days'))",
        "SELECT set_chunk_time_interval('ticks', INTERVAL '1 day 12 hours', dimension_name => 'time')",
        "CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA x VERSION '2.19.3' CASCADE",
        "DROP EXTENSION IF EXISTS timescaledb",
    ]


def test_what_cannot_be_undone_refuses(op):
    with pytest.raises(IrreversibleOperation, match="cannot become a plain table again"):
        op.drop_hypertable("ticks")
    with pytest.raises(IrreversibleOperation, match="cannot be removed"):
        op.drop_dimension("ticks", "device", number_partitions=4)


def test_reverses():
    ticks = Hypertable("time", timedelta(days=1), name="ticks")
    assert isinstance(CreateHypertable(ticks).reverse(), DropHypertable)
    assert isinstance(CreateExtension(Extension("x")).reverse(), DropExtension)
    assert isinstance(DropExtension(Extension("x")).reverse(), CreateExtension)
    change = SetChunkTimeInterval(ticks, timedelta(days=7))
    assert change.reverse().arguments() == [
        '"ticks"',
        "timedelta(days=7)",
        "old_chunk_time_interval=timedelta(days=1)",
    ]
    with pytest.raises(InvalidObject, match="does not know the old interval"):
        SetChunkTimeInterval(ticks).reverse()
    added = AddDimension(Hypertable("", None, (Dimension("a", number_partitions=2),), "ticks"))
    assert added.reverse().reverse().sql() == added.sql()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('it\'s "so"', '"it\'s \\"so\\""'),
        ("back\\slash", '"back\\\\slash"'),
        (timedelta(days=1, hours=2), "timedelta(days=1, hours=2)"),
        (timedelta(milliseconds=5), "timedelta(microseconds=5000)"),
        (Dimension("é", number_partitions=2), 'Dimension(column="é", number_partitions=2)'),
    ],
)
def test_rendered_values_can_be_read_back(value, text):
    assert repr_of(value) == text
    assert eval(text) == value


@pytest.mark.parametrize(
    ("interval", "length"),
    [
        (timedelta(days=1), 86_400_000_000),
        ("1 day", 86_400_000_000),
        ("1 week 2 hours", 612_000_000_000),
        ("P1D", None),
    ],
)
def test_length_of_intervals(interval, length):
    assert microseconds(interval) == length
