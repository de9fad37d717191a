"""Exact SQL, rendering and reverses of the verbs."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations.ops import UpgradeOps

from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import Dimension, Extension, Hypertable
from tsext.operations.dimensions import AddDimension, DropDimension, SetChunkTimeInterval, SetNumberPartitions
from tsext.operations.extensions import CreateExtension, DropExtension
from tsext.operations.hypertables import CreateHypertable, DropHypertable
from tsext.operations.rendering import repr_of

HASH = Dimension("device", number_partitions=4)


def rendered(*operations):
    """What stands in a revision, without the indentation of its function."""
    context = MigrationContext.configure(dialect_name="postgresql")
    text = render_python_code(UpgradeOps(list(operations)), migration_context=context)
    lines = [line.removeprefix("    ") for line in text.split("\n") if not line.strip().startswith("#")]
    return "\n".join(lines)


def test_create_hypertable(op):
    op.create_hypertable("conditions", column="time", chunk_time_interval=timedelta(days=1))
    assert op.emitted() == [
        "SELECT create_hypertable('conditions', by_range('time', INTERVAL '1 day'), create_default_indexes => false)"
    ]


def test_create_hypertable_with_everything(op):
    op.create_hypertable(
        "Odd:\tname 100%",
        "time",
        chunk_time_interval="12 hours",
        dimensions=[HASH, Dimension("sent", chunk_time_interval="1 day", partitioning_func="f")],
        schema="market",
        if_not_exists=True,
        migrate_data=True,
        create_default_indexes=True,
        partitioning_func="to_time",
    )
    assert op.emitted() == [
        "SELECT create_hypertable('market.\"Odd:\tname 100%\"', "
        "by_range('time', INTERVAL '12 hours', partition_func => 'to_time'), "
        "create_default_indexes => true, if_not_exists => true, migrate_data => true)",
        "SELECT add_dimension('market.\"Odd:\tname 100%\"', by_hash('device', 4), if_not_exists => true)",
        "SELECT add_dimension('market.\"Odd:\tname 100%\"', "
        "by_range('sent', INTERVAL '1 day', partition_func => 'f'), if_not_exists => true)",
    ]


def test_the_names_of_timescaledb_are_understood(op):
    op.create_hypertable("t", time_column_name="time", partitioning_column="device", number_partitions=4)
    assert op.emitted() == [
        "SELECT create_hypertable('t', by_range('time'), create_default_indexes => false)",
        "SELECT add_dimension('t', by_hash('device', 4))",
    ]


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ({}, "column of a hypertable is ''"),
        ({"column": "a", "time_column_name": "b"}, "both column='a' and time_column_name=b"),
        ({"column": "a", "number_partitions": 4}, "no column for them"),
        ({"column": "a", "partitioning_column": "b"}, "either number_partitions or"),
        ({"column": "a", "chunk_time_interval": "1 month"}, "no fixed length"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(op, arguments, fact):
    with pytest.raises(InvalidObject, match=fact):
        op.create_hypertable("t", **arguments)
    assert op.emitted() == []


def test_an_unknown_argument_is_refused(op):
    with pytest.raises(TypeError, match="retention"):
        op.create_hypertable("t", "time", retention="1 day")


def test_integer_time(op):
    op.create_hypertable("ticks", "n", chunk_time_interval=100000)
    op.set_chunk_time_interval("ticks", 200000)
    assert op.emitted() == [
        "SELECT create_hypertable('ticks', by_range('n', 100000), create_default_indexes => false)",
        "SELECT set_chunk_time_interval('ticks', 200000)",
    ]


def test_other_verbs(op):
    op.add_dimension("ticks", "device", number_partitions=4, schema="s")
    op.add_dimension("ticks", "sent", chunk_time_interval=timedelta(weeks=1), if_not_exists=True)
    op.set_chunk_time_interval("ticks", timedelta(hours=36), dimension_name="time")
    op.set_number_partitions("ticks", 8, dimension_name="device", old_number_partitions=4, schema="s")
    assert op.emitted() == [
        "SELECT add_dimension('s.ticks', by_hash('device', 4))",
        "SELECT add_dimension('ticks', by_range('sent', INTERVAL '7 days'), if_not_exists => true)",
        "SELECT set_chunk_time_interval('ticks', INTERVAL '1 day 12 hours', dimension_name => 'time')",
        "SELECT set_number_partitions('s.ticks', 8, dimension_name => 'device')",
    ]


def test_extensions(op):
    op.create_extension("timescaledb")
    op.create_extension("Odd", if_not_exists=False, schema="x", version="2.19.3", cascade=True)
    op.drop_extension("timescaledb")
    op.drop_extension("Odd", if_exists=True, cascade=True)
    assert op.emitted() == [
        "CREATE EXTENSION IF NOT EXISTS timescaledb",
        "CREATE EXTENSION \"Odd\" SCHEMA x VERSION '2.19.3' CASCADE",
        "DROP EXTENSION timescaledb",
        'DROP EXTENSION IF EXISTS "Odd" CASCADE',
    ]


def test_what_cannot_be_undone_refuses(op):
    with pytest.raises(IrreversibleOperation, match="ticks cannot become a plain table again"):
        op.drop_hypertable("ticks", schema="s")
    with pytest.raises(IrreversibleOperation, match="device of hypertable ticks cannot be removed"):
        op.drop_dimension("ticks", "device")
    with pytest.raises(IrreversibleOperation):
        op.invoke(DropHypertable(Hypertable("time", name="ticks")))
    with pytest.raises(IrreversibleOperation):
        op.invoke(DropDimension("ticks", HASH))
    assert op.emitted() == []


# --- reverses


@pytest.mark.parametrize(
    ("operation", "reversed_"),
    [
        (CreateHypertable(Hypertable("time", name="ticks")), DropHypertable),
        (AddDimension("ticks", HASH, schema="s"), DropDimension),
        (SetChunkTimeInterval("ticks", "1 day", old="7 days"), SetChunkTimeInterval),
        (SetNumberPartitions("ticks", 4, old=2, schema="s"), SetNumberPartitions),
        (CreateExtension(Extension("x")), DropExtension),
    ],
)
def test_reversed_twice_is_the_same(operation, reversed_):
    back = operation.reverse()
    assert isinstance(back, reversed_)
    assert rendered(back) != rendered(operation)
    assert rendered(back.reverse()) == rendered(operation)
    assert back.to_diff_tuple() != operation.to_diff_tuple()


def test_without_the_old_value_there_is_no_way_back():
    with pytest.raises(IrreversibleOperation, match="does not know the old value"):
        SetChunkTimeInterval("ticks", "1 day").reverse()
    with pytest.raises(IrreversibleOperation, match="does not know the old value"):
        SetNumberPartitions("ticks", 4).reverse()


def test_with_its_table_a_hypertable_goes_silently(op):
    created = CreateHypertable(Hypertable("time", name="ticks"), with_table=True)
    op.invoke(created.reverse())
    assert op.emitted() == []
    assert rendered(created.reverse()) == "pass"
    assert rendered(created.reverse().reverse()) == rendered(created)


def test_differences_can_be_printed():
    create = CreateHypertable(Hypertable("time", "1 day", [HASH], name="ticks", schema="s"))
    assert create.to_diff_tuple() == (
        "create_hypertable",
        '"ticks"',
        'column="time"',
        "chunk_time_interval=timedelta(days=1)",
        'dimensions=[Dimension(column="device", number_partitions=4)]',
        'schema="s"',
    )
    assert create.reverse().to_diff_tuple() == ("drop_hypertable", "s", "ticks")
    assert repr(AddDimension("t", HASH)) == 'AddDimension("t", column="device", number_partitions=4)'


# --- rendering


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (CreateHypertable(Hypertable("time", name="t")), 'op.create_hypertable("t", column="time")'),
        (
            CreateHypertable(Hypertable("time", "1 day", name="t"), migrate_data=True),
            """op.create_hypertable(
    "t",
    column="time",
    chunk_time_interval=timedelta(days=1),
    migrate_data=True,
)""",
        ),
        (
            CreateHypertable(Hypertable("time", 5, [HASH, Dimension("s", 2)], name="conditions", schema="market")),
            """op.create_hypertable(
    "conditions",
    column="time",
    chunk_time_interval=5,
    dimensions=[
        Dimension(column="device", number_partitions=4),
        Dimension(column="s", number_partitions=2),
    ],
    schema="market",
)""",
        ),
        (AddDimension("t", HASH), 'op.add_dimension("t", column="device", number_partitions=4)'),
        (DropDimension("t", HASH, schema="s"), 'op.drop_dimension("t", column="device", schema="s")'),
        (DropHypertable(Hypertable("time", name="t", schema="s")), 'op.drop_hypertable("t", schema="s")'),
        (
            SetChunkTimeInterval("t", "6 hours", dimension_name="x"),
            'op.set_chunk_time_interval("t", timedelta(hours=6), dimension_name="x")',
        ),
        (
            SetNumberPartitions("t", 8, old=4),
            'op.set_number_partitions("t", 8, old_number_partitions=4)',
        ),
        (CreateExtension(Extension("x")), 'op.create_extension("x")'),
        (
            CreateExtension(Extension("x", "s", "1"), if_not_exists=False, cascade=True),
            'op.create_extension("x", schema="s", version="1", if_not_exists=False, cascade=True)',
        ),
        (DropExtension(Extension("x"), if_exists=True), 'op.drop_extension("x", if_exists=True)'),
    ],
)
def test_rendering(operation, text):
    assert rendered(operation) == text


def test_formatters_leave_it_alone():
    """ruff format is black; both with their default width of 88."""
    long = Hypertable(
        "time", "90 min", [HASH, Dimension('it\'s "so"', 2), Dimension("é" * 30, 3)], name="c" * 40, schema="s"
    )
    short = Hypertable("time", timedelta(days=1, hours=6, milliseconds=5), name="'a\"", schema='"')
    operations = [CreateHypertable(each) for each in (long, short)]
    operations += [SetChunkTimeInterval("a" * width, 5, old=4) for width in range(20, 40)]
    bodies = [rendered(each).replace("\n", "\n    ") for each in operations]
    text = "def upgrade():\n" + "".join(f"    {body}\n" for body in bodies)
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if "No module named ruff" in done.stderr:
        pytest.skip("ruff is not installed")
    assert done.stdout == text
    assert any(body.count("\n") > 5 for body in bodies)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", '"plain"'),
        ('it\'s "so"', "'it\\'s \"so\"'"),
        ('say "so"', "'say \"so\"'"),
        ("it's", '"it\'s"'),
        ("back\\slash", '"back\\\\slash"'),
        ("tab\t\x00é", '"tab\\t\\x00é"'),
        (timedelta(days=1, hours=2), "timedelta(days=1, hours=2)"),
        (timedelta(hours=1, minutes=30), "timedelta(seconds=5400)"),
        (timedelta(milliseconds=5), "timedelta(microseconds=5000)"),
        ((1, "a"), '[1, "a"]'),
        (Dimension("é", number_partitions=2), 'Dimension(column="é", number_partitions=2)'),
    ],
)
def test_rendered_values_can_be_read_back(value, text):
    assert repr_of(value) == text
    assert eval(text) == (list(value) if isinstance(value, tuple) else value)
