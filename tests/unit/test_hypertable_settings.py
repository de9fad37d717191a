"""Exact SQL, rendering and reverses of what is set on hypertables."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations.ops import UpgradeOps

from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import Hypertable, declared
from tsext.operations.hypertable_settings import (
    AttachTablespace,
    DetachTablespace,
    DisableChunkSkipping,
    DropIntegerNowFunc,
    EnableChunkSkipping,
    SetIntegerNowFunc,
)

SKIPPING = "SELECT set_config('timescaledb.enable_chunk_skipping', 'on', true), "


def rendered(operation):
    context = MigrationContext.configure(dialect_name="postgresql")
    text = render_python_code(UpgradeOps([operation]), migration_context=context)
    return "\n".join(line.removeprefix("    ") for line in text.split("\n") if not line.strip().startswith("#"))


def test_sql(op):
    op.set_integer_now_func("t", "s.now", schema="Odd")
    op.set_integer_now_func("t", "f", replace_if_exists=True)
    op.set_integer_now_func("t", "f", old_integer_now_func="g")
    op.enable_chunk_skipping("t", "it's", if_not_exists=True)
    op.disable_chunk_skipping("t", "n", schema="s")
    op.disable_chunk_skipping("t", "n", if_not_exists=True)
    op.attach_tablespace("Fast disk", "t", schema="s")
    op.attach_tablespace("a", "t", if_not_attached=True)
    op.detach_tablespace("a", "t", if_attached=True)
    assert op.emitted() == [
        "SELECT set_integer_now_func('\"Odd\".t', 's.now')",
        "SELECT set_integer_now_func('t', 'f', replace_if_exists => true)",
        "SELECT set_integer_now_func('t', 'f', replace_if_exists => true)",
        f"{SKIPPING}enable_chunk_skipping('t', 'it''s', if_not_exists => true)",
        f"{SKIPPING}disable_chunk_skipping('s.t', 'n')",
        f"{SKIPPING}disable_chunk_skipping('t', 'n', if_not_exists => true)",
        "SELECT attach_tablespace('Fast disk', 's.t')",
        "SELECT attach_tablespace('a', 't', if_not_attached => true)",
        "SELECT detach_tablespace('a', 't', if_attached => true)",
    ]


def test_all_of_it_at_once(op):
    op.create_hypertable(
        "t",
        "n",
        chunk_time_interval=5,
        integer_now_func="f",
        chunk_skipping=["b", "a"],
        tablespaces=["x", "w"],
    )
    assert op.emitted()[1:] == [
        "SELECT set_integer_now_func('t', 'f')",
        f"{SKIPPING}enable_chunk_skipping('t', 'a')",
        f"{SKIPPING}enable_chunk_skipping('t', 'b')",
        "SELECT attach_tablespace('x', 't', if_not_attached => true)",
        "SELECT attach_tablespace('w', 't', if_not_attached => true)",
    ]


def test_all_of_it_at_once_and_again(op):
    op.create_hypertable("t", "n", integer_now_func="f", chunk_skipping=["b", "a"], if_not_exists=True)
    assert op.emitted()[1:] == [
        "SELECT set_integer_now_func('t', 'f', replace_if_exists => true)",
        f"{SKIPPING}enable_chunk_skipping('t', 'a', if_not_exists => true)",
        f"{SKIPPING}enable_chunk_skipping('t', 'b', if_not_exists => true)",
    ]


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (SetIntegerNowFunc("t", "f"), 'op.set_integer_now_func("t", "f")'),
        (SetIntegerNowFunc("t", "f", old="g"), 'op.set_integer_now_func("t", "f", old_integer_now_func="g")'),
        (
            SetIntegerNowFunc("t", "f", replace_if_exists=True, schema="s"),
            'op.set_integer_now_func("t", "f", replace_if_exists=True, schema="s")',
        ),
        (DropIntegerNowFunc("t", "f"), 'op.drop_integer_now_func("t")'),
        (EnableChunkSkipping("t", "n", schema="s"), 'op.enable_chunk_skipping("t", "n", schema="s")'),
        (DisableChunkSkipping("t", "n", if_not_exists=True), 'op.disable_chunk_skipping("t", "n", if_not_exists=True)'),
        (AttachTablespace("a", "t", flag=True), 'op.attach_tablespace("a", "t", if_not_attached=True)'),
        (DetachTablespace("a", "t", schema="s"), 'op.detach_tablespace("a", "t", schema="s")'),
    ],
)
def test_rendering_and_reverse(operation, text):
    assert rendered(operation) == text
    back = operation.reverse()
    assert rendered(back) != text
    if "replace_if_exists" not in text:
        assert rendered(back.reverse()) == text
    assert back.to_diff_tuple() != operation.to_diff_tuple()


def test_a_function_cannot_be_taken_away(op):
    with pytest.raises(IrreversibleOperation, match="cannot be removed"):
        op.drop_integer_now_func("t")
    with pytest.raises(IrreversibleOperation, match="cannot be removed"):
        op.invoke(SetIntegerNowFunc("t", "f").reverse())
    assert op.emitted() == []


def columns():
    kinds = {"n": sa.BigInteger, "time": sa.DateTime, "name": sa.Text, "id": sa.Uuid}
    return [sa.Column(name, kind, nullable=False) for name, kind in kinds.items()]


@pytest.mark.parametrize(
    ("hypertable", "fact"),
    [
        (Hypertable("time", integer_now_func="f"), "time is not of an integer type"),
        (Hypertable("time", chunk_skipping=["name"]), "cannot be skipped by name"),
        (Hypertable("time", chunk_skipping=["id"]), "cannot be skipped by id"),
        (Hypertable("time", chunk_skipping=["tiem"]), "no column tiem to skip chunks by"),
        (Hypertable("id", 5), "the column is a UUID"),
    ],
)
def test_what_cannot_work_is_refused(hypertable, fact):
    metadata = sa.MetaData()
    sa.Table("t", metadata, *columns(), hypertable)
    with pytest.raises(InvalidObject, match=fact):
        list(declared(metadata, Hypertable))


def test_what_can_work():
    metadata = sa.MetaData()
    wanted = Hypertable("id", "1 day", chunk_skipping=["time", "n"], tablespaces="a")
    sa.Table("t", metadata, *columns(), wanted)
    ((_, found),) = declared(metadata, Hypertable)
    assert (found.chunk_skipping, found.tablespaces) == (("n", "time"), ("a",))


@pytest.mark.parametrize(
    "settings",
    [{"integer_now_func": ""}, {"chunk_skipping": [5]}, {"tablespaces": ["a", "a"]}, {"tablespaces": [""]}],
)
def test_names_that_make_no_sense(settings):
    with pytest.raises(InvalidObject):
        Hypertable("time", **settings)
