"""Subtraction on values, and the file it ends in; what needs a server is in tests/database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations import ops

from tsext.autogenerate import include_name
from tsext.autogenerate.comparison import Comparison
from tsext.autogenerate.hypertables import changes, drop_with_table, insert_hypertable
from tsext.model import INFO_KEY, Dimension, Hypertable

HASH = Dimension("device", number_partitions=4)
SENT = Dimension("sent", chunk_time_interval="7 days")


def hypertable(interval=None, dimensions=(), column="time"):
    return Hypertable(column, interval, dimensions, name="t", schema="s")


def texts(operations):
    context = MigrationContext.configure(dialect_name="postgresql")
    text = render_python_code(ops.UpgradeOps(list(operations)), migration_context=context)
    lines = [line.strip() for line in text.splitlines() if not line.strip().startswith("#")]
    return " ".join(lines).replace("( ", "(").replace(", )", ")").replace(") op.", ")\nop.").split("\n")


DAY = hypertable("1 day")


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        (DAY, DAY, ["pass"]),
        (DAY, hypertable(), ["pass"]),
        (DAY, hypertable("24 hours"), ["pass"]),
        (hypertable("1 day", [HASH]), hypertable("1 day", [HASH]), ["pass"]),
        (hypertable("1 day", [HASH]), hypertable("1 day", None), ["pass"]),
        (
            DAY,
            hypertable("6 hours"),
            [
                'op.set_chunk_time_interval("t", timedelta(hours=6), '
                'old_chunk_time_interval=timedelta(days=1), schema="s")'
            ],
        ),
        (
            hypertable("1 day", [SENT]),
            hypertable("1 day", [Dimension("sent", chunk_time_interval="1 day")]),
            [
                'op.set_chunk_time_interval("t", timedelta(days=1), dimension_name="sent", '
                'old_chunk_time_interval=timedelta(days=7), schema="s")'
            ],
        ),
        (
            hypertable("1 day", [SENT]),
            hypertable("2 days", [SENT]),
            [
                'op.set_chunk_time_interval("t", timedelta(days=2), dimension_name="time", '
                'old_chunk_time_interval=timedelta(days=1), schema="s")'
            ],
        ),
        (
            hypertable(dimensions=[HASH]),
            hypertable(dimensions=[Dimension("device", 8)]),
            ['op.set_number_partitions("t", 8, old_number_partitions=4, schema="s")'],
        ),
        (
            DAY,
            hypertable(dimensions=[HASH]),
            ['op.add_dimension("t", column="device", number_partitions=4, schema="s")'],
        ),
        (hypertable(dimensions=[HASH]), DAY, ['op.repartition_hypertable("t", dimensions=[], schema="s")']),
        (
            hypertable(100),
            hypertable(200),
            ['op.set_chunk_time_interval("t", 200, old_chunk_time_interval=100, schema="s")'],
        ),
    ],
)
def test_changes(found, wanted, expected):
    assert texts(changes(found, wanted)) == expected


def test_a_new_hypertable_follows_its_table_and_goes_with_it():
    table = sa.Table("t", sa.MetaData(), sa.Column("time", sa.DateTime), DAY, schema="s", info={"mine": 1})
    index = ops.CreateIndexOp.from_index(sa.Index("ix", table.c.time))
    upgrade = ops.UpgradeOps([ops.CreateTableOp.from_table(table), ops.ModifyTableOps("t", [index], schema="s")])
    insert_hypertable(upgrade, ("s", "t"), DAY)
    Comparison(None, upgrade).finish()
    text = "\n".join(texts(upgrade.ops))
    assert text.index("op.create_table") < text.index("op.create_hypertable") < text.index("op.create_index")
    assert "info={'mine': 1}" in text
    assert INFO_KEY in table.info
    text = "\n".join(texts(upgrade.reverse().ops))
    assert "hypertable" not in text
    assert text.index("op.drop_index") < text.index("op.drop_table")


def test_an_older_table_becomes_a_hypertable_last():
    add = ops.AddColumnOp("t", sa.Column("time", sa.DateTime), schema="s")
    upgrade = ops.UpgradeOps([ops.ModifyTableOps("t", [add], schema="s")])
    insert_hypertable(upgrade, ("s", "t"), DAY)
    text = "\n".join(texts(upgrade.ops))
    assert text.index("op.add_column") < text.index("op.create_hypertable")
    text = "\n".join(texts(upgrade.reverse().ops))
    assert text.index("op.drop_hypertable") < text.index("op.drop_column")


def test_a_dropped_hypertable_is_made_again_after_its_table():
    table = sa.Table("t", sa.MetaData(), sa.Column("time", sa.DateTime), schema="s")
    upgrade = ops.UpgradeOps([ops.DropTableOp.from_table(table)])
    drop_with_table(upgrade, {("s", "t"): DAY})
    assert texts(upgrade.ops) == ["op.drop_table('t', schema='s')"]
    text = "\n".join(texts(upgrade.reverse().ops))
    assert text.index("op.create_table") < text.index("op.create_hypertable")


@pytest.mark.parametrize(
    ("name", "type_", "schema", "included"),
    [
        ("_timescaledb_internal", "schema", None, False),
        ("timescaledb_information", "schema", None, False),
        ("tsext", "schema", None, False),
        ("public", "schema", None, True),
        (None, "schema", None, True),
        ("migration_history", "table", None, False),
        ("migration_history", "table", "other", True),
        ("conditions", "table", None, True),
        ("tsext", "table", None, True),
    ],
)
def test_include_name(name, type_, schema, included):
    parents = {"schema_name": schema} if type_ == "table" else {}
    assert include_name()(name, type_, parents) is included
    assert include_name(lambda *_: False)(name, type_, parents) is False
    assert include_name(lambda *_: True)(name, type_, parents) is included
