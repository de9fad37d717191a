"""Objects: what is declared, what is refused, and what is compared."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tsext.errors import InvalidObject
from tsext.model import INFO_KEY, Dimension, Extension, Hypertable, declared, interval, microseconds

HASH = Dimension("device", number_partitions=4)


def table(*items, name="conditions", schema=None, time=sa.DateTime, **options):
    return sa.Table(
        name,
        sa.MetaData(),
        sa.Column("time", time, nullable=False),
        sa.Column("device", sa.Text),
        *items,
        schema=schema,
        **options,
    )


def check(*items, **options):
    return [found for _, found in declared(table(*items, **options).metadata, Hypertable)]


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("1 day", timedelta(days=1)),
        ("7 days", timedelta(days=7)),
        ("1 week 2 hours", timedelta(weeks=1, hours=2)),
        ("12h", timedelta(hours=12)),
        ("90 min", timedelta(minutes=90)),
        ("1.5 days", timedelta(days=1, hours=12)),
        ("1 day 06:00", timedelta(days=1, hours=6)),
        ("00:00:01.5", timedelta(seconds=1.5)),
        ("@ 1 day, 1 sec", timedelta(days=1, seconds=1)),
        ("250 ms", timedelta(milliseconds=250)),
        ("P1D", timedelta(days=1)),
        ("PT30M", timedelta(minutes=30)),
        ("P1DT12H", timedelta(hours=36)),
    ],
)
def test_text_is_made_a_timedelta(text, length):
    assert Hypertable("time", chunk_time_interval=text).chunk_time_interval == length
    assert Dimension("sent", chunk_time_interval=text) == Dimension("sent", chunk_time_interval=length)


@pytest.mark.parametrize(
    ("bad", "fact"),
    [
        (timedelta(0), "not positive"),
        (timedelta(days=-1), "not positive"),
        ("0 days", "not positive"),
        (-5, "not positive"),
        (0, "not positive"),
        ("1 month", "no fixed length"),
        ("1 year 2 days", "no fixed length"),
        ("3 mons", "no fixed length"),
        ("P1M", "no fixed length"),
        ("P1Y", "no fixed length"),
        ("1 dya", "cannot be read"),
        ("86400", "cannot be read"),
        ("-1 day", "not positive"),
        ("1 day ago", "cannot be read"),
        ("", "cannot be read"),
        (True, "is True"),
        (1.5, "is 1.5"),
        ([], r"is \[\]"),
    ],
)
def test_a_length_that_makes_no_sense_is_refused(bad, fact):
    for make in (Hypertable, Dimension):
        with pytest.raises(InvalidObject, match=fact) as refusal:
            make("time", chunk_time_interval=bad)
        assert refusal.value.hint


def test_lengths_are_compared_in_microseconds():
    assert microseconds("1 day") == microseconds(timedelta(hours=24)) == 86_400_000_000
    assert microseconds(100_000) == interval(100_000) == 100_000


@pytest.mark.parametrize(
    ("make", "fact"),
    [
        (lambda: Dimension("device"), "either number_partitions or chunk_time_interval"),
        (lambda: Dimension("device", 4, "1 day"), "either number_partitions or chunk_time_interval"),
        (lambda: Dimension("device", 0), "number_partitions is 0"),
        (lambda: Dimension("device", 32768), "number_partitions is 32768"),
        (lambda: Dimension("device", True), "number_partitions is True"),
        (lambda: Dimension("device", "4"), "number_partitions is '4'"),
        (lambda: Dimension("", 4), "column of a dimension is ''"),
        (lambda: Hypertable(""), "column of a hypertable is ''"),
        (lambda: Hypertable(None), "column of a hypertable is None"),
        (lambda: Hypertable("time", dimensions=["device"]), "'device' is not a dimension"),
        (lambda: Hypertable("time", dimensions="device"), "'device' is not a dimension"),
        (lambda: Hypertable("time", dimensions=[Dimension("time", 2)]), "names time in two dimensions"),
        (lambda: Hypertable("time", dimensions=[HASH, HASH]), "names device in two dimensions"),
        (lambda: Extension(""), "extension is ''"),
    ],
)
def test_what_makes_no_sense_is_refused(make, fact):
    with pytest.raises(InvalidObject, match=fact) as refusal:
        make()
    assert refusal.value.hint


def test_objects_are_values():
    hypertable = Hypertable("time", "1 day", [HASH])
    assert hypertable == Hypertable("time", timedelta(days=1), (HASH,))
    assert hypertable.dimensions == Hypertable("time", dimensions=HASH).dimensions == (HASH,)
    assert len({hypertable, Hypertable("time", "24 hours", [HASH])}) == 1
    table(hypertable)
    assert copy.deepcopy(hypertable) == pickle.loads(pickle.dumps(hypertable)) == hypertable


# --- declaration


def test_both_ways_to_declare_are_the_same():
    hypertable = Hypertable("time", "1 day", [HASH])
    expected = [Hypertable("time", "1 day", [HASH], name="conditions", schema="market")]
    assert check(hypertable, schema="market") == expected
    assert check(info={"timescaledb": hypertable}, schema="market") == expected


def test_orm_models_declare_too():
    class Base(DeclarativeBase):
        pass

    class Mixin:
        __table_args__ = (Hypertable("time"), {"info": {"mine": 1}})

    class One(Mixin, Base):
        __tablename__ = "one"
        time: Mapped[int] = mapped_column(sa.DateTime, primary_key=True)

    class Two(Mixin, Base):
        __tablename__ = "two"
        time: Mapped[int] = mapped_column(sa.DateTime, primary_key=True)

    assert [found.name for _, found in declared(Base.metadata, Hypertable)] == ["one", "two"]
    assert One.__table__.info["mine"] == 1


def test_two_declarations_are_refused():
    with pytest.raises(InvalidObject, match="table conditions declares a Hypertable twice"):
        table(Hypertable("time"), Hypertable("device"))
    with pytest.raises(InvalidObject, match="a Hypertable twice"):
        table(Hypertable("time"), info={INFO_KEY: Hypertable("time", "1 day")})


def test_a_declaration_in_the_wrong_place_is_refused():
    with pytest.raises(InvalidObject, match="stands in"):
        sa.Column("time", sa.DateTime, Hypertable("time"))
    with pytest.raises(InvalidObject, match=r"hint: declare tsext.Hypertable"):
        check(info={INFO_KEY: {"column": "time"}})


@pytest.mark.parametrize(
    ("items", "facts"),
    [
        ([Hypertable("tiem")], ["hypertable conditions is partitioned by tiem", "its columns are time, device"]),
        ([Hypertable("time", dimensions=[Dimension("x", 2)])], ["partitioned by x"]),
        (
            [Hypertable("time"), sa.Column("id", sa.Integer, primary_key=True)],
            ["the primary key (id) of hypertable conditions lacks time", "add time to the primary key"],
        ),
        (
            [Hypertable("time", dimensions=[HASH]), sa.UniqueConstraint("time", name="uq_time")],
            ["uq_time of hypertable conditions lacks device"],
        ),
        ([Hypertable("time"), sa.UniqueConstraint("device")], ["a constraint (device)", "lacks time"]),
        ([Hypertable("time"), sa.Index("ix", "device", unique=True)], ["ix of hypertable conditions lacks time"]),
        ([Hypertable("time"), ExcludeConstraint(("device", "="), name="ex")], ["ex of hypertable", "lacks time"]),
        (
            [Hypertable("later"), sa.Column("later", sa.DateTime, sa.Computed("now()"))],
            ["later, which is a generated column"],
        ),
        ([Hypertable("time", 1000)], ["is 1000, but the column is a date or a time"]),
    ],
)
def test_a_declaration_that_does_not_fit_its_table_is_refused(items, facts):
    with pytest.raises(InvalidObject) as refusal:
        check(*items)
    for fact in facts:
        assert fact in str(refusal.value)


def test_what_is_unique_with_every_dimension_passes():
    keys = [sa.PrimaryKeyConstraint("device", "time"), sa.UniqueConstraint("time", "device")]
    assert check(Hypertable("time", dimensions=[HASH]), *keys, sa.Index("ix", "time", "device", unique=True))


class Clock(sa.TypeDecorator):
    impl = sa.BigInteger
    cache_ok = True


@pytest.mark.parametrize("kind", [sa.Integer(), sa.BigInteger(), sa.SmallInteger(), Clock()])
def test_an_integer_column_needs_an_integer(kind):
    assert check(Hypertable("time", 1000), time=kind)
    for bad in (None, "1 day"):
        with pytest.raises(InvalidObject, match="the column is of an integer type"):
            check(Hypertable("time", bad), time=kind)


def test_a_date_column_needs_whole_days():
    assert check(Hypertable("time", "7 days"), time=sa.Date)
    with pytest.raises(InvalidObject, match="the column is a date"):
        check(Hypertable("time", "36 hours"), time=sa.Date)


def test_with_a_function_the_type_of_the_column_does_not_matter():
    assert check(Hypertable("time", "1 day", partitioning_func="to_time"), time=sa.Integer)
    by_range = Dimension("device", chunk_time_interval=5, partitioning_func="f")
    assert check(Hypertable("time", dimensions=[by_range]))
