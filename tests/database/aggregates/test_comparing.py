"""What is declared is found, however it is written, and nothing else is seen as a difference."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tsext import AggregateIndex, ContinuousAggregate, Hypertable, catalog
from tsext.errors import PreflightFailed
from tsext.sql.quoting import identifier, qualified

from .declaring import HOURLY, found, look, models

QUERIES = {
    "time zone": "SELECT time_bucket('1 day', time, 'Europe/Berlin') AS b, count(*) FROM ticks GROUP BY b",
    "origin": "SELECT time_bucket('7 days', time, TIMESTAMPTZ '2000-01-01 00:00+00') b, count(*) FROM ticks GROUP BY 1",
    "offset": "SELECT time_bucket('1 day', time, \"offset\" => INTERVAL '6 hours') b, count(*) FROM ticks GROUP BY 1",
    "month": "SELECT time_bucket('1 month', time) b, count(*) FROM ticks GROUP BY 1",
    "casts": "SELECT time_bucket('60 min'::interval, time) b, avg(price::float8)::numeric(9, 2) + 1 x "
    "FROM ticks GROUP BY 1",
    "filter": "select time_bucket('1h',time) b, count(*) filter (where price>1 and symbol in ('a','b')) "
    "from ticks group by b",
    "case": "SELECT time_bucket('1 hour', time) b, sum(CASE WHEN price BETWEEN 1 AND 2 THEN 1 END) "
    "FROM ticks GROUP BY 1",
    "having": "SELECT time_bucket('1 hour', time) b, count(*) FROM ticks GROUP BY 1 HAVING NOT count(*) <= 1",
    "join": "SELECT time_bucket('1 hour', t.time) b, d.label, first(price, time) FROM ticks AS t "
    "JOIN devices AS d USING (symbol) WHERE d.label LIKE '%:x' GROUP BY 1, 2",
    "comma join": "SELECT time_bucket('1 hour', time) b, label, count(*) FROM ticks t, devices d "
    "WHERE t.symbol = d.symbol GROUP BY 1, 2",
    "quoted": 'SELECT time_bucket(\'1 hour\', "time") AS "Bucket %", "symbol" AS "é\'""", 1 + count(*) AS "select" '
    'FROM "public"."ticks" AS "T" GROUP BY 1, "symbol"',
    "text": "SELECT time_bucket('1 hour', time) b, string_agg(symbol, E'\\n\\\\' || ', %s ' ORDER BY price) "
    "FROM ticks GROUP BY 1",
    "comment": "SELECT time_bucket('1 hour', time) b, -- hour\n count(*) /* all */ FROM ticks GROUP BY 1 -- end",
}


@pytest.mark.licensed
def test_a_query_is_recognised_however_it_is_written(licensed):
    licensed.execute("CREATE TABLE devices (symbol text PRIMARY KEY, label text)")
    metadata = models(*(ContinuousAggregate(f"c {name}", query) for name, query in QUERIES.items()))
    sa.Table("devices", metadata, sa.Column("symbol", sa.Text, primary_key=True), sa.Column("label", sa.Text))
    licensed.migrate(metadata)
    assert len(found(licensed)) == len(QUERIES)
    licensed.assert_clean(metadata)
    before = licensed.scalar("SELECT count(*) FROM pg_class")
    for each in found(licensed):  # as the server prints them
        assert licensed.ask(catalog.is_query_of, each.query + " ", each)
    assert licensed.scalar("SELECT count(*) FROM pg_class") == before
    changed = models(
        *(
            ContinuousAggregate(f"c {name}", query.replace("count(*)", "1 + count(*)", 1))
            for name, query in QUERIES.items()
        )
    )
    sa.Table("devices", changed, sa.Column("symbol", sa.Text, primary_key=True), sa.Column("label", sa.Text))
    revision = licensed.autogenerate(changed)
    assert revision.upgrade.count("op.refresh") == sum("count(*)" in query for query in QUERIES.values())


@pytest.mark.licensed
def test_a_renamed_column_of_the_table_is_followed(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY)))
    licensed.execute("ALTER TABLE ticks RENAME COLUMN price TO cost")
    renamed = ContinuousAggregate("hourly", HOURLY.replace("avg(price)", "avg(cost)"))
    metadata = models(renamed)
    assert "op.refresh" not in licensed.autogenerate(metadata).upgrade
    assert "op.refresh" in licensed.autogenerate(models(ContinuousAggregate("hourly", HOURLY))).upgrade


@pytest.mark.licensed
def test_a_select_of_sqlalchemy(licensed):
    metadata = sa.MetaData()
    ticks = sa.Table(
        "ticks",
        metadata,
        sa.Column("time", sa.DateTime(True), nullable=False),
        sa.Column("Price %", sa.Numeric),
        Hypertable("time"),
    )
    bucket = sa.func.time_bucket(timedelta(hours=1), ticks.c.time).label("bucket")
    query = sa.select(bucket, sa.func.avg(ticks.c["Price %"]).label("price")).where(ticks.c["Price %"] % 7 > 1)
    hourly = ContinuousAggregate("hourly", query.group_by(sa.text("1")), metadata=metadata)
    bucket = sa.func.time_bucket("1 day", hourly.table.c.bucket).label("bucket")
    query = sa.select(bucket, sa.func.max(hourly.table.c.price)).group_by(sa.text("1"))
    ContinuousAggregate("daily", query, metadata=metadata)
    sa.Table("hourly", metadata, sa.Column("bucket", sa.DateTime(True), primary_key=True, index=True))  # to read it
    licensed.migrate(metadata)
    assert [each.name for each in found(licensed)] == ["hourly", "daily"]
    licensed.assert_clean(metadata)


@pytest.mark.licensed
def test_what_the_filters_of_a_project_hide_is_left_alone(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY)))
    mine = {"theirs": lambda name, type_, parents: name != "hourly"}
    assert licensed.autogenerate(models(), **mine).is_empty
    hidden = {"include_object": lambda item, name, type_, reflected, other: name != "hourly"}
    assert licensed.autogenerate(models(), **hidden).is_empty
    assert not licensed.autogenerate(models()).is_empty
    licensed.execute("CREATE SCHEMA other", "ALTER MATERIALIZED VIEW hourly SET SCHEMA other")
    assert licensed.autogenerate(models()).is_empty
    assert not licensed.autogenerate(models(), include_schemas=True).is_empty


@pytest.mark.licensed
def test_a_role_that_cannot_compare_is_told(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY)))
    (hourly,) = found(licensed)
    with licensed.engine.connect() as connection:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        with pytest.raises(PreflightFailed, match="queries of continuous aggregates cannot be compared"):
            catalog.is_query_of(connection, HOURLY, hourly)


NAMES = [
    ("hourly", "time", "market"),
    ('Odd: 100% "so"', "it's :time", 'a "b" c'),
    ("größe", "Zeit é", "schéma"),
    ("user", "select", "order"),
    ("n" * 63, "c" * 63, "s" * 63),
    ("a.b", "c.d", "e.f"),
    ("back\\slash", "%(time)s", "{x}"),
]


@pytest.mark.licensed
@pytest.mark.parametrize(("name", "column", "schema"), NAMES, ids=range(len(NAMES)))
def test_any_name_in_any_schema(licensed, name, column, schema):
    licensed.execute(f"CREATE SCHEMA {identifier(schema)}")

    def declared(function):
        query = (
            f"SELECT time_bucket('1 hour', {identifier(column)}) AS {identifier(column)}, {function}(price) AS price "
            f"FROM {qualified('ticks', schema)} GROUP BY 1"
        )
        # Alembic doubles percent signs in what is not a plain name.
        index = AggregateIndex(f"ix{name}"[:63], ["price", column if "%" in column else f"{column} DESC"])
        return models(ContinuousAggregate(name, query, schema=schema, indexes=[index]), time=column, schema=schema)

    empty = look(licensed)
    first = licensed.migrate(declared("avg"), include_schemas=True)
    assert licensed.autogenerate(declared("avg"), include_schemas=True).is_empty
    before = look(licensed)
    second = licensed.migrate(declared("min"), include_schemas=True)
    assert licensed.autogenerate(declared("min"), include_schemas=True).is_empty
    assert all(len(each.name.encode()) <= 63 for each in found(licensed))
    licensed.run(second.downgrade)
    assert look(licensed) == before
    licensed.run(first.downgrade)
    assert look(licensed) == empty
