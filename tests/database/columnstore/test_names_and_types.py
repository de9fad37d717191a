"""A columnstore of tables, columns and types of any kind."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tsext import Columnstore, Hypertable
from tsext.errors import InvalidObject
from tsext.operations.columnstore import EnableColumnstore
from tsext.sql.quoting import identifier

from .declaring import DAY, columnstore, execute, models, stored

NAMES = [
    ("Ticks", "Device", "My Market"),
    ('Odd: 100% "so"', "it's :time, or (not)", 'a "b" c'),
    ("größe", "Zeit é", "schéma"),
    ("user", "select", "order"),
    ("n" * 63, "c" * 63, "s" * 63),
    ("a.b", "c,d", "e.f"),
    ("back\\slash", "%(time)s", "{x}"),
    ("tail", "value DESC", "s"),
    ("quoted", '"so"', "s"),
    ("spaces", " nulls last ", "s"),
]


@pytest.mark.parametrize(("name", "column", "schema"), NAMES, ids=range(len(NAMES)))
def test_any_name_in_any_schema(licensed, name, column, schema):
    quoted = licensed.engine.dialect.identifier_preparer.quote(schema).replace("%%", "%")
    licensed.execute(f"CREATE SCHEMA {quoted}")
    as_item = '"' + column.replace('"', '""') + '"'
    states, revisions = [], []
    for declared in (
        Columnstore([column]),
        Columnstore([], [f"{as_item} DESC NULLS LAST"]),
        Columnstore([], ["time"], {"bloom": [column]}),
    ):
        metadata = models(declared, columns=[sa.Column(column, sa.Integer)], name=name, schema=schema)
        revisions.append(licensed.migrate(metadata, include_schemas=True))
        states.append(stored(licensed))
        assert licensed.autogenerate(metadata, include_schemas=True).is_empty
    for revision, state in zip(reversed(revisions[1:]), reversed(states[:-1]), strict=True):
        licensed.run(revision.downgrade)
        assert stored(licensed) == state


KEYWORDS = "SELECT word FROM pg_get_keywords() ORDER BY word"


def test_every_keyword_is_a_name(licensed):
    words = licensed.ask(lambda connection: connection.exec_driver_sql(KEYWORDS).scalars().all())
    columns = ", ".join(f"{identifier(each)} int" for each in words)
    licensed.execute(f"CREATE TABLE ticks (t timestamptz NOT NULL, {columns})")
    licensed.execute("SELECT create_hypertable('ticks', by_range('t'))")
    indexed, *segmented = words[: len(words) // 2]
    settings_ = {"segmentby": segmented, "orderby": words[len(words) // 2 :], "index": {"bloom": [indexed]}}
    execute(licensed, EnableColumnstore(Columnstore(**settings_, name="ticks")))
    found = columnstore(licensed)
    assert found == Columnstore(segmented, [*settings_["orderby"], "t DESC"], {"bloom": [indexed]}, name="ticks")


@pytest.mark.parametrize(
    ("kind", "interval", "lengths"),
    [
        ("bigint", 100, (500, 1000)),
        ("smallint", 10, (20, 30)),
        ("date", timedelta(days=1), (timedelta(days=7), timedelta(days=14))),
        ("timestamp", timedelta(hours=1), (timedelta(hours=2, microseconds=7), timedelta(days=60))),
    ],
)
def test_every_type_of_time(licensed, kind, interval, lengths):
    types = {"bigint": sa.BigInteger, "smallint": sa.SmallInteger, "date": sa.Date, "timestamp": sa.DateTime}

    def declared(length):
        metadata = sa.MetaData()
        columns = [sa.Column("t", types[kind], nullable=False), sa.Column("v", sa.Integer)]
        own = Columnstore(["v"], ["t"], compress_chunk_interval=length)
        sa.Table("numbers", metadata, *columns, Hypertable("t", interval), own)
        return metadata

    for length in lengths:
        revision = licensed.migrate(declared(length))
        assert columnstore(licensed, "numbers").compress_chunk_interval == length
        assert licensed.autogenerate(declared(length)).is_empty
    licensed.run(revision.downgrade)
    assert columnstore(licensed, "numbers").compress_chunk_interval == lengths[0]


TIME = 'Zeit, "é" DESC'
COLUMNS = ["device", "Site", "a,b", 'q"q', "é", "x DESC", "first"]
DIRECTIONS = ["", " DESC", " NULLS FIRST", " ASC NULLS LAST", " DESC NULLS LAST", " desc nulls first"]


@st.composite
def any_columnstore(draw):
    columns = draw(st.permutations(COLUMNS))
    ends = sorted(draw(st.lists(st.integers(0, len(columns)), min_size=3, max_size=3)))
    segments, ordered, indexed = columns[: ends[0]], columns[ends[0] : ends[1]], columns[ends[1] : ends[2]]
    ordered = [TIME, *ordered] if draw(st.booleans()) or not ordered else ordered
    directed = ['"' + each.replace('"', '""') + '"' + draw(st.sampled_from(DIRECTIONS)) for each in ordered]
    orderby = draw(st.sampled_from([None, directed]))
    kinds = [(draw(st.sampled_from(["bloom", "minmax"])), each) for each in indexed]
    index = {kind: [each for of, each in kinds if of == kind] for kind in ("bloom", "minmax")}
    return Columnstore(
        draw(st.sampled_from([None, segments])),
        orderby,
        None if orderby is None else draw(st.sampled_from([None, index])),
        draw(st.one_of(st.none(), st.integers(1, 100_000).map(lambda n: timedelta(minutes=n)))),
    )


def odd(declared):
    metadata = sa.MetaData()
    columns = [sa.Column(each, sa.Integer) for each in COLUMNS]
    time = sa.Column(TIME, sa.DateTime(timezone=True), nullable=False)
    sa.Table("odd", metadata, time, *columns, Hypertable(TIME, DAY), declared)
    return metadata


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=any_columnstore(), second=any_columnstore())
def test_declared_is_found(licensed, first, second):
    licensed.execute("DROP TABLE IF EXISTS odd")
    licensed.migrate(odd(first))
    assert licensed.autogenerate(odd(first)).is_empty
    found = columnstore(licensed, "odd")
    assert licensed.autogenerate(odd(found)).is_empty
    for setting in ("segmentby", "index", "compress_chunk_interval"):
        if getattr(first, setting) is not None:
            assert getattr(found, setting) == getattr(first, setting)
    if first.orderby is not None:
        assert found.ordering == first.completed(TIME)
    try:
        revision = licensed.migrate(odd(second))
    except InvalidObject:  # what is not declared of the second stays, and may not fit it
        return
    assert licensed.autogenerate(odd(second)).is_empty
    licensed.run(revision.downgrade)
    assert columnstore(licensed, "odd") == found
