"""The columnstore without a server: what is declared, what is refused, exact SQL, rendering, reverses."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations.ops import UpgradeOps
from hypothesis import example, given
from hypothesis import strategies as st

from tsext import Columnstore, Hypertable
from tsext.catalog import Chunk, TimescaleInfo
from tsext.errors import FeatureNotSupported, InvalidObject, IrreversibleOperation
from tsext.model import License, Ordering, SparseIndex, declared, facts_of
from tsext.operations.columnstore import AlterColumnstore, DisableColumnstore, EnableColumnstore
from tsext.operations.conversion import ConvertToColumnstore, ConvertToRowstore

EVERYTHING = Columnstore(["device"], ["time DESC"], {"bloom": ["site"]}, "7 days", name="ticks", schema="market")
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def rendered(*operations):
    context = MigrationContext.configure(dialect_name="postgresql")
    text = render_python_code(UpgradeOps(list(operations)), migration_context=context)
    lines = [line.removeprefix("    ") for line in text.split("\n") if not line.strip().startswith("#")]
    return "\n".join(lines)


def table(*items, time=sa.DateTime):
    columns = [sa.Column("time", time), sa.Column("device", sa.Text), sa.Column("site", sa.Integer)]
    return sa.Table("ticks", sa.MetaData(), *columns, *items)


# --- what is declared


@pytest.mark.parametrize(
    ("given_", "canonical"),
    [
        (["time"], ("time",)),
        (["time ASC"], ("time",)),
        (["time asc  nulls last"], ("time",)),
        (["time nulls first"], ("time NULLS FIRST",)),
        (["time desc"], ("time DESC",)),
        (["time DESC NULLS FIRST"], ("time DESC",)),
        (["time Desc Nulls Last"], ("time DESC NULLS LAST",)),
        (("a", "b DESC"), ("a", "b DESC")),
        ("a, b DESC", ("a", "b DESC")),
        ('"a, ""b""" DESC , c', ('a, "b" DESC', "c")),
        (["a, b"], ("a, b",)),
        (["My Time desc"], ("My Time DESC",)),
        (['"My Time" desc'], ("My Time DESC",)),
        (['"x DESC" DESC'], ('"x DESC" DESC',)),
        (['"""so"""'], ('"""so"""',)),
        (["first"], ("first",)),
        (["desc DESC"], ("desc DESC",)),
        (['" "'], ('" "',)),
        (['" padded "'], ('" padded "',)),
    ],
)
def test_orderby_is_brought_to_one_form(given_, canonical):
    declared_ = Columnstore(orderby=given_)
    assert declared_.orderby == canonical
    assert replace(declared_).orderby == canonical


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@given(st.one_of(NAMES, NAMES.map(lambda name: f"{name} DESC nulls first"), NAMES.map(lambda name: f'"{name}')))
@example('\r"')
def test_every_name_survives(name):
    for orders in (Ordering(name), Ordering(name, True, True), Ordering(name, True), Ordering(name, nulls_first=True)):
        assert Ordering.read(str(orders)) == orders
    for index in (SparseIndex("bloom", (name,)), SparseIndex("bloom", (name, f"{name}2"))):
        assert SparseIndex.read(str(index)) == index
    quoted = '"' + name.replace('"', '""') + '"'
    assert Columnstore(segmentby=f"{quoted}, {'b' * 21}").segmentby == (name, "b" * 21)
    assert Columnstore(segmentby=[name]).segmentby == (name,)


@pytest.mark.parametrize(
    ("given_", "canonical"),
    [
        ({"bloom": ["b", "a"], "minmax": "c"}, ("bloom(a)", "bloom(b)", "minmax(c)")),
        ({"bloom": [("b", "a"), "c"]}, ("bloom(b, a)", "bloom(c)")),
        ({"bloom": ["a,b", 'q"q']}, ('bloom("a,b")', 'bloom("q""q")')),
        ("minmax(c), BLOOM( a )", ("bloom(a)", "minmax(c)")),
        (['bloom("x (y)", z)'], ('bloom("x (y)", z)',)),
        ([], ()),
        ("", ()),
        ({}, ()),
        ({"minmax": []}, ()),
    ],
)
def test_sparse_indexes_are_brought_to_one_form(given_, canonical):
    assert Columnstore(index=given_).index == canonical
    assert Columnstore(index=canonical).index == canonical


def test_the_rest_is_brought_to_one_form():
    assert Columnstore(segmentby=("b", "a")).segmentby == ("b", "a")
    assert Columnstore(segmentby='b, "A"').segmentby == ("b", "A")
    assert Columnstore(segmentby="").segmentby == Columnstore(segmentby=[]).segmentby == ()
    assert Columnstore(compress_chunk_interval="1 week").compress_chunk_interval == timedelta(days=7)
    assert Columnstore(compress_chunk_interval=500).compress_chunk_interval == 500
    nothing = Columnstore()
    assert (nothing.segmentby, nothing.orderby, nothing.index, nothing.columns) == (None, None, None, [])


def test_it_is_a_value():
    assert pickle.loads(pickle.dumps(EVERYTHING)) == copy.deepcopy(EVERYTHING) == EVERYTHING
    assert len({EVERYTHING, replace(EVERYTHING)}) == 1
    assert EVERYTHING.columns == ["device", "time", "site"]
    assert replace(EVERYTHING, index=[]) != EVERYTHING


def test_the_time_column_that_timescaledb_adds_is_no_difference():
    time = Ordering("time", descending=True, nulls_first=True)
    for orderby, completed in (
        (["site"], (Ordering("site"), time)),
        (["site", "time DESC"], (Ordering("site"), time)),
        (["time", "site"], (Ordering("time"), Ordering("site"))),
        (None, ()),
    ):
        assert Columnstore(orderby=orderby).completed("time") == completed
    assert Columnstore(["time"], ["site"]).completed("time") == (Ordering("site"),)


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ({"segmentby": ["a", "a"]}, "segmentby names a twice"),
        ({"segmentby": [""]}, "column in segmentby is ''"),
        ({"segmentby": "a,,b"}, "column in segmentby is ''"),
        ({"segmentby": [1]}, r"segmentby is \[1\]"),
        ({"segmentby": 7}, "segmentby is 7"),
        ({"segmentby": '"a" b'}, "is no name"),
        ({"segmentby": '"a'}, "double quote without its partner"),
        ({"segmentby": "a(b"}, "parenthesis without its partner"),
        ({"orderby": []}, "orderby is empty"),
        ({"orderby": ""}, "orderby is empty"),
        ({"orderby": [""]}, "column in orderby is ''"),
        ({"orderby": ["a", "a DESC"]}, "orderby names a twice"),
        ({"orderby": ["a FIRST"]}, "ends in FIRST, which is no direction"),
        ({"orderby": ["a DESC ASC"]}, "ends in DESC ASC"),
        ({"orderby": ['"a" up']}, "ends in UP"),
        ({"orderby": ['"a']}, "double quote without its partner"),
        ({"orderby": [None]}, r"orderby is \[None\]"),
        ({"index": ["a"]}, "index 'a' cannot be read"),
        ({"index": ["bloom(a"]}, "cannot be read"),
        ({"index": ["(a)"]}, "cannot be read"),
        ({"index": ["bloom( )"]}, "cannot be read"),
        ({"index": {"bloom": [""]}}, "column in index bloom is ''"),
        ({"index": {"bloom": [("a", "a")]}}, "index bloom names a twice"),
        ({"index": ["bloom(a)", "bloom( a)"]}, r"index names bloom\(a\) twice"),
        ({"index": 5}, "index is 5"),
        ({"index": {"bloom": 5}}, "index 'bloom' is 5"),
        ({"index": {"bloom": [5]}}, "index bloom is 5"),
        ({"index": {"bloom": [()]}}, "cannot be read"),
        ({"index": {"b l": ["a"]}}, "cannot be read"),
        ({"compress_chunk_interval": "1 month"}, "compress_chunk_interval '1 month' has no fixed length"),
        ({"compress_chunk_interval": 0}, "compress_chunk_interval 0 is not positive"),
        ({"segmentby": ["a"], "orderby": ["a DESC"]}, "has a both in segmentby and in orderby"),
        ({"segmentby": ["a"], "index": ["minmax(a)"]}, "sparse index on a, by which it is segmented"),
        ({"orderby": ["a"], "index": ["bloom(a)"]}, "bloom index on a, by which it is ordered"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, fact):
    with pytest.raises(InvalidObject, match=fact) as refusal:
        Columnstore(**arguments)
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("columnstore", "fact"),
    [
        (Columnstore(["Device"]), "names Device, which the table does not have"),
        (Columnstore(orderby=["x DESC"]), "names x, which the table does not have"),
        (Columnstore(orderby=["time"], index=["bloom(y)"]), "names y, which the table does not have"),
        (Columnstore(["time"]), "is segmented by time, by which the table is partitioned"),
        (Columnstore(index=[]), "has index, but no orderby"),
        (Columnstore(compress_chunk_interval=5), "is 5, but time is a date or a time"),
    ],
)
def test_what_does_not_fit_the_table_is_refused(columnstore, fact):
    metadata = table(Hypertable("time"), columnstore).metadata
    with pytest.raises(InvalidObject, match=fact) as refusal:
        list(declared(metadata, Columnstore))
    assert refusal.value.hint


def test_an_interval_fits_its_column():
    numbers = facts_of(table(time=sa.BigInteger))
    Columnstore(compress_chunk_interval=5).check(numbers, "time")
    Columnstore(compress_chunk_interval=5).check(facts_of(table()), None)
    with pytest.raises(InvalidObject, match="time is of an integer type"):
        Columnstore(compress_chunk_interval="5 days").check(numbers, "time")


def test_both_places_of_declaration_are_the_same():
    among = table(Hypertable("time"), Columnstore(["device"]))
    in_info = table()
    in_info.info["timescaledb"] = [Hypertable("time"), Columnstore(["device"])]
    expected = [Columnstore(["device"], name="ticks")]
    for each in (among, in_info):
        assert [found for _, found in declared(each.metadata, Columnstore)] == expected


# --- exact SQL


def test_enable(op):
    op.enable_columnstore("ticks")
    op.enable_columnstore(
        "Odd: 'x'",
        segmentby=["device", "My 100%, col", "user"],
        orderby=["time DESC NULLS LAST", "it's", '"a DESC"'],
        index={"bloom": ["b", ("c", "D")], "minmax": ["e"]},
        compress_chunk_interval=timedelta(days=1, hours=12),
        schema="market",
    )
    op.enable_columnstore("hourly", segmentby=[], compress_chunk_interval=500, continuous_aggregate=True)
    assert op.emitted() == [
        "ALTER TABLE ticks SET (timescaledb.enable_columnstore = true)",
        "ALTER TABLE market.\"Odd: 'x'\" SET (timescaledb.enable_columnstore = true, "
        'timescaledb.segmentby = \'device, "My 100%, col", "user"\', '
        "timescaledb.orderby = 'time DESC NULLS LAST, \"it''s\", \"a DESC\"', "
        "timescaledb.index = 'bloom(b), bloom(c, \"D\"), minmax(e)', "
        "timescaledb.compress_chunk_interval = '1 day 12 hours')",
        "ALTER MATERIALIZED VIEW hourly SET (timescaledb.enable_columnstore = true, timescaledb.segmentby = '', "
        "timescaledb.compress_chunk_interval = '500 microseconds')",
    ]


def test_alter(op):
    op.alter_columnstore("ticks", segmentby=["device"], old_segmentby=None)
    op.alter_columnstore("ticks", segmentby=[], orderby=["time"], index=[], schema="s")
    op.alter_columnstore("ticks", segmentby=None, orderby=None, index=None, compress_chunk_interval=None)
    op.alter_columnstore("ticks", segmentby=None, orderby=["device"])
    op.alter_columnstore("hourly", compress_chunk_interval="1 day", continuous_aggregate=True)
    assert op.emitted() == [
        "ALTER TABLE ticks SET (timescaledb.segmentby = 'device')",
        "ALTER TABLE s.ticks SET (timescaledb.segmentby = '', timescaledb.orderby = 'time', timescaledb.index = '')",
        "ALTER TABLE ticks RESET (timescaledb.segmentby, timescaledb.orderby, timescaledb.index)",
        "ALTER TABLE ticks SET (timescaledb.compress_chunk_interval = '0')",
        "ALTER TABLE ticks RESET (timescaledb.segmentby)",
        "ALTER TABLE ticks SET (timescaledb.orderby = 'device')",
        "ALTER MATERIALIZED VIEW hourly SET (timescaledb.compress_chunk_interval = '1 day')",
    ]


def test_disable(op):
    op.disable_columnstore("ticks", schema="s")
    op.disable_columnstore("hourly", continuous_aggregate=True)
    assert op.emitted() == [
        "ALTER TABLE s.ticks SET (timescaledb.enable_columnstore = false)",
        "ALTER MATERIALIZED VIEW hourly SET (timescaledb.enable_columnstore = false)",
    ]


def test_without_a_database_conversion_is_a_loop(op):
    op.convert_to_columnstore("ticks", older_than=timedelta(days=7), recompress=True)
    op.convert_to_rowstore("it's", newer_than=NEW_YEAR, older_than=date(2026, 2, 1), if_columnstore=False, schema="$$")
    loops = "".join(op.emitted()).split("DO ")[1:]
    assert loops[0] == (
        "$$\nDECLARE\n    chunk regclass;\nBEGIN\n"
        "    FOR chunk IN SELECT show_chunks('ticks', older_than => INTERVAL '7 days') LOOP\n"
        "        CALL convert_to_columnstore(chunk, recompress => true);\n"
        "    END LOOP;\nEND\n$$"
    )
    shown = "older_than => DATE '2026-02-01', newer_than => TIMESTAMPTZ '2026-01-01 00:00:00+00:00'"
    assert loops[1].startswith("$b0$\n")
    assert f"IN SELECT show_chunks('\"$$\".\"it''s\"', {shown}) LOOP" in loops[1]
    assert "CALL convert_to_rowstore(chunk, if_columnstore => false);" in loops[1]
    assert loops[1].rstrip(";\n").endswith("END\n$b0$")


@pytest.mark.parametrize("bound", [True, 1.5, b"x"])
def test_a_bound_is_a_time_or_an_interval(op, bound):
    with pytest.raises(InvalidObject, match="older_than is"):
        op.convert_to_columnstore("ticks", older_than=bound)
    assert op.emitted() == []


def test_what_changes_nothing_is_refused(op):
    with pytest.raises(InvalidObject, match="changes nothing"):
        op.alter_columnstore("ticks", old_segmentby=["device"])


# --- names by version


def at(version, operation):
    operation.timescaledb = TimescaleInfo(version, License.TIMESCALE)
    return operation.statements()


@pytest.mark.parametrize(
    ("version", "enable", "segmentby", "length"),
    [
        ("2.17.2", "compress", "compress_segmentby", "compress_chunk_time_interval"),
        ("2.18.0", "enable_columnstore", "segmentby", "compress_chunk_time_interval"),
        ("2.20.0", "enable_columnstore", "segmentby", "compress_chunk_interval"),
        ("2.31.0", "enable_columnstore", "segmentby", "compress_chunk_interval"),
    ],
)
def test_names_are_those_of_the_version(version, enable, segmentby, length):
    target = Columnstore(["device"], compress_chunk_interval="7 days", name="t")
    assert at(version, EnableColumnstore(target)) == [
        f"ALTER TABLE t SET (timescaledb.{enable} = true, timescaledb.{segmentby} = 'device', "
        f"timescaledb.{length} = '7 days')"
    ]
    assert at(version, DisableColumnstore(target)) == [f"ALTER TABLE t SET (timescaledb.{enable} = false)"]


def test_conversion_has_the_names_of_the_version():
    to_columnstore, to_rowstore = ConvertToColumnstore("t", recompress=True), ConvertToRowstore("t", idempotent=False)
    for each in (to_columnstore, to_rowstore):
        each.chunks = [Chunk("c.one", False), Chunk("c.two", False)]
    assert at("2.17.2", to_columnstore) == [
        "SELECT compress_chunk('c.one', recompress => true)",
        "SELECT compress_chunk('c.two', recompress => true)",
    ]
    assert at("2.17.2", to_rowstore)[0] == "SELECT decompress_chunk('c.one', if_compressed => false)"
    assert at("2.18.0", to_columnstore)[1] == "CALL convert_to_columnstore('c.two', recompress => true)"
    assert at("2.18.0", to_rowstore)[1] == "CALL convert_to_rowstore('c.two', if_columnstore => false)"


def test_sparse_indexes_need_a_version():
    enable = EnableColumnstore(EVERYTHING)
    enable.timescaledb = TimescaleInfo("2.21.4", License.TIMESCALE)
    with pytest.raises(FeatureNotSupported, match=r"sparse indexes of the columnstore: TimescaleDB 2\.22 or newer"):
        enable.refuse_index(EVERYTHING)
    enable.timescaledb = TimescaleInfo("2.22.0", License.TIMESCALE)
    enable.refuse_index(EVERYTHING)


# --- reverses and rendering

ALTER = AlterColumnstore("t", {"segmentby": ["a"], "orderby": None}, {"segmentby": [], "orderby": ["b"]}, schema="s")
CONVERT = ConvertToColumnstore("t", older_than=NEW_YEAR, newer_than=date(2025, 1, 1), idempotent=False, schema="s")


@pytest.mark.parametrize(
    ("operation", "reversed_"),
    [
        (EnableColumnstore(EVERYTHING), DisableColumnstore),
        (EnableColumnstore(EVERYTHING, continuous_aggregate=True), DisableColumnstore),
        (DisableColumnstore(EVERYTHING), EnableColumnstore),
        (ALTER, AlterColumnstore),
        (CONVERT, ConvertToRowstore),
        (CONVERT.reverse(), ConvertToColumnstore),
    ],
)
def test_reversed_twice_is_the_same(operation, reversed_):
    back = operation.reverse()
    assert isinstance(back, reversed_)
    assert rendered(back) != rendered(operation)
    assert rendered(back.reverse()) == rendered(operation)
    assert back.reverse().statements() == operation.statements()
    assert back.to_diff_tuple() != operation.to_diff_tuple()


def test_with_its_table_a_columnstore_goes_silently(op):
    gone = DisableColumnstore(EVERYTHING, with_table=True)
    op.invoke(gone)
    assert op.emitted() == []
    assert rendered(gone) == "pass"
    assert gone.reverse().statements() == EnableColumnstore(EVERYTHING).statements()
    assert rendered(gone.reverse().reverse()) == "pass"


def test_without_the_old_values_there_is_no_way_back():
    half = AlterColumnstore("t", {"segmentby": ["a"], "orderby": ["b"]}, {"segmentby": None})
    with pytest.raises(IrreversibleOperation, match="does not know the old orderby") as refusal:
        half.reverse()
    assert "old_orderby=" in refusal.value.hint


@pytest.mark.parametrize(
    "given_",
    [
        {"older_than": NEW_YEAR},
        {"older_than": "7 days", "idempotent": False},
        {"older_than": timedelta(days=7), "idempotent": False},
        {"older_than": NEW_YEAR, "newer_than": "1 year", "idempotent": False},
        {"newer_than": NEW_YEAR, "idempotent": False},
        {"idempotent": False},
    ],
)
@pytest.mark.parametrize("kind", [ConvertToColumnstore, ConvertToRowstore])
def test_a_conversion_of_unknown_chunks_has_no_way_back(kind, given_):
    with pytest.raises(IrreversibleOperation, match="is not known any more") as refusal:
        kind("t", **given_).reverse()
    assert f"give {kind.flag}=False" in refusal.value.hint


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (EnableColumnstore(Columnstore(name="t")), 'op.enable_columnstore("t")'),
        (
            EnableColumnstore(Columnstore([], ["time DESC"], [], name="t"), continuous_aggregate=True),
            """op.enable_columnstore(
    "t",
    segmentby=[],
    orderby=["time DESC"],
    index=[],
    continuous_aggregate=True,
)""",
        ),
        (
            EnableColumnstore(EVERYTHING),
            """op.enable_columnstore(
    "ticks",
    segmentby=["device"],
    orderby=["time DESC"],
    index=["bloom(site)"],
    compress_chunk_interval=timedelta(days=7),
    schema="market",
)""",
        ),
        (DisableColumnstore(EVERYTHING), 'op.disable_columnstore("ticks", schema="market")'),
        (
            DisableColumnstore(Columnstore(name="t"), continuous_aggregate=True),
            'op.disable_columnstore("t", continuous_aggregate=True)',
        ),
        (
            ALTER,
            """op.alter_columnstore(
    "t",
    segmentby=["a"],
    old_segmentby=[],
    orderby=None,
    old_orderby=["b"],
    schema="s",
)""",
        ),
        (
            CONVERT.reverse(),
            """op.convert_to_rowstore(
    "t",
    older_than=datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc),
    newer_than=datetime.date(2025, 1, 1),
    if_columnstore=False,
    schema="s",
)""",
        ),
        (
            ConvertToColumnstore("t", older_than="7 days", recompress=True),
            'op.convert_to_columnstore("t", older_than="7 days", recompress=True)',
        ),
    ],
)
def test_rendering(operation, text):
    assert rendered(operation) == text


def test_differences_can_be_printed():
    assert DisableColumnstore(EVERYTHING).to_diff_tuple() == ("disable_columnstore", "market", "ticks")
    assert DisableColumnstore(EVERYTHING, with_table=True).to_diff_tuple()
    assert repr(ALTER).startswith('AlterColumnstore("t", segmentby=["a"], old_segmentby=[], orderby=None')


def test_formatters_leave_it_alone():
    """ruff format is black; both with their default width of 88."""
    columns = ["c" * width for width in range(20, 40)] + ['it\'s "so"', "é" * 30, "back\\slash"]
    operations = [EnableColumnstore(Columnstore([each], ["time"], [], 5, name=each)) for each in columns]
    operations += [EnableColumnstore(Columnstore(columns, name="t", schema='"')), ALTER, CONVERT, CONVERT.reverse()]
    operations += [AlterColumnstore("t", {"orderby": columns}, {"orderby": None}), DisableColumnstore(EVERYTHING)]
    bodies = [rendered(each).replace("\n", "\n    ") for each in operations]
    text = "def upgrade():\n" + "".join(f"    {body}\n" for body in bodies)
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if "No module named ruff" in done.stderr:
        pytest.skip("ruff is not installed")
    assert done.stdout == text
    assert any(body.count("\n") > 20 for body in bodies)
