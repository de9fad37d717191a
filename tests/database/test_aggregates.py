"""Continuous aggregates from declaration to downgrade, on a real TimescaleDB."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tsext import AggregateIndex, ContinuousAggregate, Hypertable, catalog
from tsext.errors import FeatureNotSupported, InvalidObject, IrreversibleOperation, PreflightFailed
from tsext.model import TableObject
from tsext.sql.quoting import identifier, qualified
from tsext.testing import licensed as licensed_server

licensed_build = pytest.mark.licensed

HOURLY = "SELECT time_bucket('1 hour', time) AS bucket, symbol, avg(price) AS price\nFROM ticks GROUP BY 1, 2"
DAILY = "SELECT time_bucket('1 day', bucket) AS bucket, symbol, max(price) AS price FROM hourly GROUP BY 1, 2"


def models(*aggregates, table="ticks", time="time", schema=None, kind=sa.DateTime(timezone=True)):  # noqa: B008
    metadata = sa.MetaData()
    columns = [sa.Column(time, kind, nullable=False), sa.Column("symbol", sa.Text), sa.Column("price", sa.Numeric)]
    sa.Table(
        table,
        metadata,
        *columns,
        Hypertable(time, 100 if kind._type_affinity is sa.Integer else "7 days"),
        schema=schema,
    )
    metadata.info["timescaledb"] = list(aggregates)
    return metadata


def found(database):
    return [each.aggregate for each in database.ask(catalog.continuous_aggregates)]


def look(database):
    """All that matters; numbers that TimescaleDB gives are not told."""
    return database.look(), found(database)


def fill(database, table="ticks", days=5):
    database.execute(
        f"INSERT INTO {table} SELECT '2026-01-01 00:00+00'::timestamptz + n * interval '30 minutes', 'a', n "
        f"FROM generate_series(0, {days} * 48 - 1) AS n"
    )


def assert_clean(database, metadata):
    assert database.autogenerate(metadata).is_empty
    assert database.autogenerate(metadata, include_schemas=True).is_empty


# --- there and back


@licensed_build
def test_life_cycle(licensed):
    index = AggregateIndex("ix_hourly", ["price", sa.desc("bucket")])
    hourly = ContinuousAggregate("hourly", HOURLY, materialized_only=False, chunk_interval="3 days", indexes=[index])
    daily = ContinuousAggregate("daily", DAILY, create_group_indexes=False)
    metadata = models(daily, hourly)
    empty = look(licensed)
    revision = licensed.migrate(metadata)
    verbs = ["op.create_table", "op.create_hypertable", '"hourly"', "op.create_index", '"daily"']
    places = [revision.upgrade.index(verb) for verb in verbs]
    assert places == sorted(places)
    seen = look(licensed)
    base, above = seen[1]
    assert (base.materialized_only, base.chunk_interval, base.indexes) == (False, timedelta(days=3), (index,))
    assert (base.create_group_indexes, above.create_group_indexes) == (True, False)
    assert [each.source for each in licensed.ask(catalog.continuous_aggregates)] == [(None, "ticks"), (None, "hourly")]
    assert_clean(licensed, metadata)
    licensed.run(revision.downgrade)
    assert look(licensed) == empty
    licensed.run(revision.upgrade)
    assert look(licensed) == seen
    assert_clean(licensed, metadata)


@licensed_build
def test_options_and_indexes_change_in_place(licensed):
    old = ContinuousAggregate("hourly", HOURLY, indexes=[AggregateIndex("a", "price"), AggregateIndex("b", "symbol")])
    licensed.migrate(models(old))
    fill(licensed)
    licensed.run('op.refresh_continuous_aggregate("hourly", None, None)')
    before = look(licensed)
    indexes = [
        AggregateIndex("a", "price DESC NULLS LAST"),
        AggregateIndex("c", "bucket", using="brin"),
        AggregateIndex("d", ["(LOWER(symbol)) DESC", "bucket", "(price*2)"], where="symbol<>':x%' and price>0"),
    ]
    new = ContinuousAggregate("hourly", HOURLY, materialized_only=False, chunk_interval="1 day", indexes=indexes)
    revision = licensed.migrate(models(new))
    assert "old_materialized_only=True" in revision.upgrade
    assert "create_continuous_aggregate" not in revision.upgrade
    *plain, printed = found(licensed)[0].indexes
    assert plain == indexes[:2]
    assert printed.columns == ("(lower(symbol)) DESC", "bucket", "(price * 2::numeric)")
    assert_clean(licensed, models(new))
    other = replace(indexes[2], where="symbol <> ':x%' AND price > 1")
    changed = licensed.autogenerate(models(replace(new, indexes=[*indexes[:2], other])))
    assert changed.upgrade.count("op.") == 3 and 'op.drop_index("d"' in changed.upgrade.replace("'", '"')
    assert licensed.autogenerate(models(replace(new, indexes=plain))).upgrade.count("op.") == 1
    assert licensed.scalar("SELECT count(*) FROM hourly") == 120
    licensed.run(revision.downgrade)
    assert look(licensed) == before


@licensed_build
def test_removed_from_the_models(licensed):
    hourly = ContinuousAggregate("hourly", HOURLY, indexes=[AggregateIndex("ix", "price")])
    licensed.migrate(models(hourly, ContinuousAggregate("daily", DAILY)))
    before = look(licensed)
    revision = licensed.autogenerate(models())
    assert revision.upgrade.index('"daily", allow_data_loss=None') < revision.upgrade.index('"hourly", allow_data')
    assert "What it held of times whose raw data are gone" in " ".join(revision.downgrade.replace("# ", "").split())
    with pytest.raises(IrreversibleOperation, match="loses what it holds of times whose raw data are gone"):
        licensed.run(revision.upgrade)
    assert look(licensed) == before
    licensed.run(revision.upgrade.replace("=None", '="no longer read"'))
    assert found(licensed) == []
    assert_clean(licensed, models())
    licensed.run(revision.downgrade)
    assert look(licensed) == before


@licensed_build
def test_metadata_that_declares_none_leaves_them_alone(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY)))
    metadata = models()
    del metadata.info["timescaledb"]
    assert_clean(licensed, metadata)


@licensed_build
def test_with_their_table_they_go_first_and_come_back_last(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY), ContinuousAggregate("daily", DAILY)))
    before = look(licensed)
    revision = licensed.autogenerate(sa.MetaData())
    licensed.run(revision.upgrade.replace("=None", '="all of it goes"'))
    assert look(licensed)[1] == []
    licensed.run(revision.downgrade)
    assert look(licensed) == before


@licensed_build
def test_a_table_goes_although_an_aggregate_is_declared(licensed):
    aggregate = ContinuousAggregate("hourly", HOURLY)
    licensed.migrate(models(aggregate))
    metadata = sa.MetaData()
    metadata.info["timescaledb"] = [aggregate]
    with pytest.raises(InvalidObject, match="ticks is to be dropped, but continuous aggregate hourly is made of it"):
        licensed.autogenerate(metadata)
    with pytest.raises(sa.exc.DBAPIError, match=r"cannot drop .* because other objects depend on"):
        licensed.run('op.drop_column("ticks", "price")')


# --- a changed query


@licensed_build
def test_a_changed_query_keeps_history(licensed):
    index = AggregateIndex("ix_hourly", ["price"])
    old = models(ContinuousAggregate("hourly", HOURLY, indexes=[index]), ContinuousAggregate("daily", DAILY))
    licensed.migrate(old)
    fill(licensed)
    licensed.run('op.refresh_continuous_aggregate("hourly", None, None)')
    licensed.run('op.refresh_continuous_aggregate("daily", None, None)')
    licensed.execute("SELECT drop_chunks('ticks', '2026-01-02'::timestamptz)")
    before, rows = look(licensed), licensed.scalar("SELECT array_agg(d ORDER BY bucket)::text FROM daily AS d")
    changed = HOURLY.replace("avg", "min")
    new = models(
        ContinuousAggregate("hourly", changed, indexes=[index], materialized_only=False),
        ContinuousAggregate("daily", DAILY),
    )
    revision = licensed.migrate(new)
    assert "\n    op.drop" not in revision.upgrade
    assert revision.upgrade.count("op.refresh_continuous_aggregate") == 2
    assert_clean(licensed, new)
    hourly, daily, hourly_old, daily_old = sorted(
        found(licensed), key=lambda each: ("_old" in each.name, each.name != "hourly")
    )
    assert [each.name for each in (hourly, daily, hourly_old, daily_old)] == [
        "hourly",
        "daily",
        "hourly_old",
        "daily_old",
    ]
    assert (hourly.indexes, hourly_old.indexes) == ((index,), (AggregateIndex("ix_hourly_old", "price"),))
    assert licensed.scalar("SELECT array_agg(d ORDER BY bucket)::text FROM daily_old AS d") == rows
    assert licensed.scalar("SELECT count(*) FROM hourly") == licensed.scalar(
        "SELECT count(DISTINCT time_bucket('1 hour', time)) FROM ticks"
    )
    assert licensed.scalar("SELECT count(*) FROM daily") > 0
    licensed.run(revision.downgrade)
    assert look(licensed) == before
    assert licensed.scalar("SELECT array_agg(d ORDER BY bucket)::text FROM daily AS d") == rows
    assert_clean(licensed, old)
    licensed.run(revision.upgrade)
    assert_clean(licensed, new)
    again = models(ContinuousAggregate("hourly", HOURLY), ContinuousAggregate("daily", DAILY))
    assert '"hourly_old2"' in licensed.migrate(again).upgrade
    assert_clean(licensed, again)


@licensed_build
def test_the_same_roles_may_read_the_new_one(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY)))
    roles = ["reader", "the \"owner\" 'of' it"]
    granted = "SELECT relowner::regrole || relacl::text FROM pg_class WHERE relname = 'hourly'"
    try:
        licensed.execute(
            *(f"CREATE ROLE {identifier(role)}" for role in roles),
            f"GRANT ALL ON SCHEMA public TO {identifier(roles[1])}",
            f"GRANT SELECT ON ticks TO {identifier(roles[1])}",
            f"ALTER MATERIALIZED VIEW hourly OWNER TO {identifier(roles[1])}",
            "GRANT SELECT ON hourly TO reader WITH GRANT OPTION",
            "GRANT SELECT ON hourly TO PUBLIC",
        )
        before = licensed.scalar(granted)
        licensed.migrate(models(ContinuousAggregate("hourly", HOURLY.replace("avg", "min"))))
        assert licensed.scalar(granted) == before
        assert licensed.scalar("SELECT has_table_privilege('reader', 'hourly', 'SELECT WITH GRANT OPTION')")
    finally:
        licensed.execute(*(f"DROP MATERIALIZED VIEW {each.name}" for each in found(licensed)))
        licensed.execute(*(f"DROP OWNED BY {identifier(role)} CASCADE" for role in roles))
        licensed.execute(*(f"DROP ROLE {identifier(role)}" for role in roles))


@licensed_build
def test_an_interrupted_swap_runs_again(licensed):
    metadata = models(
        ContinuousAggregate("hourly", HOURLY, indexes=[AggregateIndex("ix", "price")]),
        ContinuousAggregate("daily", DAILY),
    )
    licensed.migrate(metadata)
    fill(licensed)
    weekly = DAILY.replace("1 day", "7 days").replace("hourly", "daily")
    new = models(
        ContinuousAggregate("hourly", HOURLY.replace("avg", "min"), indexes=[AggregateIndex("ix", "price")]),
        ContinuousAggregate("daily", DAILY),
        ContinuousAggregate("weekly", weekly, indexes=[AggregateIndex("iw", "price")]),
    )
    revision = licensed.autogenerate(new)
    lines = revision.upgrade.splitlines(keepends=True)
    second = [number for number, line in enumerate(lines) if "op.refresh" in line][1]
    with pytest.raises(ZeroDivisionError):
        licensed.run("".join([*lines[:second], "    1 / 0\n"]))
    assert {each.name for each in found(licensed)} == {"hourly", "daily", "hourly_new", "daily_new", "weekly"}
    licensed.run(revision.upgrade)
    assert_clean(licensed, new)
    assert licensed.scalar("SELECT count(*) FROM daily") == 5
    source = {each.key: each.source for each in licensed.ask(catalog.continuous_aggregates)}
    assert source[None, "weekly"] == (None, "daily")


@licensed_build
def test_another_aggregate_under_the_name_of_the_new_one_is_refused(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY)))
    licensed.run(f'op.create_continuous_aggregate("hourly_new", {HOURLY!r})')
    changed = ContinuousAggregate("hourly", HOURLY.replace("avg", "min"))
    revision = licensed.autogenerate(models(changed), theirs=lambda name, type_, parents: name != "hourly_new")
    with pytest.raises(InvalidObject, match="hourly_new already, with another query"):
        licensed.run(revision.upgrade)


class Mark(TableObject):
    """What belongs to an aggregate."""


@licensed_build
def test_what_belongs_to_it_is_known_to_other_comparisons(licensed, monkeypatch):
    from tsext.autogenerate import compare

    seen = []

    class Marks:
        @staticmethod
        def compare(comparison):
            seen.append((comparison.declared(Mark), comparison.tables, comparison.replaced, comparison.dropped))

    monkeypatch.setattr(compare, "_KINDS", (*compare._KINDS, Marks))
    daily = ContinuousAggregate("daily", DAILY)
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY, objects=[Mark()]), daily))
    hourly = ContinuousAggregate("hourly", HOURLY.replace("avg", "min"), objects=[Mark()], schema="public")
    licensed.autogenerate(models(hourly, daily))
    licensed.autogenerate(models(hourly))
    key, both = (None, "hourly"), {(None, "hourly"), (None, "daily")}
    assert seen[0] == ({key: Mark(name="hourly")}, both | {(None, "ticks")}, set(), set())
    assert seen[1] == ({key: Mark(name="hourly", schema="public")}, both | {(None, "ticks")}, both, set())
    assert seen[2][2:] == ({key}, {(None, "daily")})


# --- no noise


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


@licensed_build
def test_a_query_is_recognised_however_it_is_written(licensed):
    licensed.execute("CREATE TABLE devices (symbol text PRIMARY KEY, label text)")
    metadata = models(*(ContinuousAggregate(f"c {name}", query) for name, query in QUERIES.items()))
    sa.Table("devices", metadata, sa.Column("symbol", sa.Text, primary_key=True), sa.Column("label", sa.Text))
    licensed.migrate(metadata)
    assert len(found(licensed)) == len(QUERIES)
    assert_clean(licensed, metadata)
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


@licensed_build
def test_a_renamed_column_of_the_table_is_followed(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY)))
    licensed.execute("ALTER TABLE ticks RENAME COLUMN price TO cost")
    renamed = ContinuousAggregate("hourly", HOURLY.replace("avg(price)", "avg(cost)"))
    metadata = models(renamed)
    assert "op.refresh" not in licensed.autogenerate(metadata).upgrade
    assert "op.refresh" in licensed.autogenerate(models(ContinuousAggregate("hourly", HOURLY))).upgrade


@licensed_build
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
    assert_clean(licensed, metadata)


@licensed_build
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


@licensed_build
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


@licensed_build
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


# --- filling


@licensed_build
def test_windows_leave_no_bucket_out(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY), ContinuousAggregate("daily", DAILY)))
    fill(licensed, days=9)
    refresh = 'op.refresh_continuous_aggregate("{}", {}, window_size={})'
    licensed.run(refresh.format("hourly", '"2026-01-02", None', '"25 hours"'))  # no multiple of the bucket
    assert licensed.scalar("SELECT count(*) FROM hourly") == 8 * 24
    licensed.run(refresh.format("hourly", "None, None", "timedelta(days=1)"))
    assert licensed.scalar("SELECT count(*) FROM hourly") == 9 * 24
    licensed.run(refresh.format("daily", "None, None", '"3 days"'))
    assert licensed.scalar("SELECT count(*) FROM daily") == 9
    with pytest.raises(InvalidObject, match="window_size of hourly is 5, but its time is"):
        licensed.run(refresh.format("hourly", "None, None", "5"))
    with pytest.raises(sa.exc.DBAPIError, match="refresh window too small"):
        licensed.run('op.refresh_continuous_aggregate("hourly", "2026-01-01 00:30", "2026-01-01 00:40")')


@licensed_build
def test_integer_time(licensed):
    licensed.execute("CREATE FUNCTION latest() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 1000::bigint'")
    query = "SELECT time_bucket(10, time) AS bucket, count(*) FROM ticks GROUP BY 1"
    plain = models(kind=sa.BigInteger())
    licensed.migrate(plain)
    licensed.execute(
        "SELECT set_integer_now_func('ticks', 'latest')", "INSERT INTO ticks SELECT n FROM generate_series(0, 999) AS n"
    )
    metadata = models(ContinuousAggregate("tens", query), kind=sa.BigInteger())
    revision = licensed.migrate(metadata)
    assert_clean(licensed, metadata)
    licensed.run('op.refresh_continuous_aggregate("tens", None, None, window_size=100)')
    assert licensed.scalar("SELECT count(*) FROM tens") == 100
    dropped = licensed.autogenerate(plain)
    licensed.run(dropped.upgrade.replace("=None", '="x"'))
    licensed.run(dropped.downgrade)
    assert_clean(licensed, metadata)
    licensed.run(revision.downgrade)
    assert found(licensed) == []


@licensed_build
def test_what_was_done_before_filling_is_committed(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY)))
    with pytest.raises(sa.exc.DBAPIError, match="invalid"):
        licensed.run('op.execute("CREATE TABLE first ()")\nop.refresh_continuous_aggregate("hourly", "no time", None)')
    assert licensed.scalar("SELECT to_regclass('first') IS NOT NULL")


# --- refusals


@licensed_build
@pytest.mark.parametrize(
    ("call", "error", "fact"),
    [
        ('create_continuous_aggregate("hourly", "SELECT 1")', InvalidObject, "there is a continuous aggregate hourly"),
        (
            'create_continuous_aggregate("hourly", "SELECT 1", if_not_exists=True)',
            InvalidObject,
            "already, with another query",
        ),
        ('drop_continuous_aggregate("hourly", allow_data_loss="x")', InvalidObject, "daily is made of it"),
        ('drop_continuous_aggregate("nope", allow_data_loss="x")', InvalidObject, "no continuous aggregate nope"),
        ('drop_continuous_aggregate("ticks", allow_data_loss="x")', InvalidObject, "no continuous aggregate ticks"),
        ('rename_continuous_aggregate("public.hourly", "x")', InvalidObject, 'give the schema apart: "hourly"'),
        ('alter_continuous_aggregate("nope", materialized_only=True)', InvalidObject, "no continuous aggregate nope"),
        ('refresh_continuous_aggregate("nope", None, None)', InvalidObject, "no continuous aggregate nope"),
        (
            'add_continuous_aggregate_column("hourly", "most", "numeric", "max(price)")',
            FeatureNotSupported,
            "TimescaleDB 2.28 or newer",
        ),
    ],
)
def test_refusals(licensed, call, error, fact):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY), ContinuousAggregate("daily", DAILY)))
    before = look(licensed)
    with pytest.raises(error, match=fact):
        licensed.run(f"op.{call}")
    assert look(licensed) == before


@licensed_build
def test_if_not_exists(licensed):
    licensed.migrate(models(ContinuousAggregate("hourly", HOURLY)))
    before = look(licensed)
    same = f"op.create_continuous_aggregate('hourly', {HOURLY.lower()!r}, if_not_exists=True, schema='public')"
    licensed.run(same)
    assert look(licensed) == before


CALLS = [
    f"create_continuous_aggregate('hourly', {HOURLY!r})",
    'drop_continuous_aggregate("hourly")',
    'alter_continuous_aggregate("hourly", materialized_only=True)',
    'rename_continuous_aggregate("hourly", "x")',
    'rename_continuous_aggregate_index("hourly", "x", "y")',
    'copy_continuous_aggregate_privileges("hourly", "x")',
    'add_continuous_aggregate_column("hourly", "most", "numeric", "max(price)")',
    'refresh_continuous_aggregate("hourly", None, None, force=True)',
]


@pytest.mark.parametrize("call", CALLS, ids=[call.partition("(")[0] for call in CALLS])
def test_the_apache_edition_refuses_before_anything_is_sent(timescaledb, call):
    timescaledb.migrate(models())
    with pytest.raises(FeatureNotSupported, match=r"under the Timescale licence; this server has .* Apache"):
        timescaledb.run(f'op.execute("CREATE TABLE first ()")\nop.{call}')
    assert timescaledb.scalar("SELECT to_regclass('first') IS NULL")


def test_on_the_apache_edition_there_are_none(timescaledb):
    assert found(timescaledb) == []
    revision = timescaledb.autogenerate(models(ContinuousAggregate("hourly", HOURLY)))
    assert "op.create_continuous_aggregate(" in revision.upgrade


def test_without_timescaledb_there_are_none(database):
    assert found(database) == []
    with pytest.raises(FeatureNotSupported, match="which this database does not have"):
        database.run('op.rename_continuous_aggregate("hourly", "x")')


# --- as a user does it


@licensed_build
def test_the_examples_of_the_documentation(licensed):
    page = (Path(__file__).parents[2] / "docs" / "continuous_aggregates.md").read_text()
    declaration, drop, verbs = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {}
    exec(declaration, names)
    licensed.migrate(names["metadata"])
    assert_clean(licensed, names["metadata"])
    before = look(licensed)
    fill(licensed)
    licensed.run(verbs)
    assert look(licensed) == before
    changed = names["hourly"].query.replace("1 hour", "2 hours")
    names["metadata"].info["timescaledb"] = [replace(names["hourly"], query=changed), names["daily"]]
    assert "ohlcv_1d_old" in licensed.migrate(names["metadata"]).upgrade
    licensed.run(drop.replace("_1h", "_1d"))
    licensed.run(drop)
    assert_clean(licensed, names["metadata"])


@licensed_build
def test_a_project_is_migrated(new_project, licensed_url, monkeypatch):
    monkeypatch.setenv("TSEXT_DATABASE_URL", licensed_url)
    project = new_project(licensed_url)
    project.revision(
        "001_ticks",
        None,
        'op.execute("CREATE TABLE ticks (time timestamptz NOT NULL, symbol text, price numeric)"); '
        'op.create_hypertable("ticks", column="time"); '
        f'op.create_continuous_aggregate("hourly", {HOURLY!r})',
        'op.drop_continuous_aggregate("hourly", allow_data_loss="made by it"); op.drop_table("ticks")',
    )
    project.revision("002_fill", "001_ticks", 'op.refresh_continuous_aggregate("hourly", None, None)')
    project.run("alembic", "upgrade", "001")
    engine = licensed_server.engine(licensed_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO ticks VALUES ('2026-01-01', 'a', 1)")
    project.run("alembic", "upgrade", "head")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM hourly").scalar() == 1
        outcomes = connection.exec_driver_sql("SELECT outcome FROM tsext.event ORDER BY id").scalars().all()
    assert outcomes == ["succeeded", "succeeded"]
    offline = project.run("alembic", "upgrade", "base:head", "--sql")
    assert "COMMIT;\n\nCALL refresh_continuous_aggregate('hourly', NULL, NULL);\n\nBEGIN;" in offline
    project.run("alembic", "downgrade", "base")
    with engine.connect() as connection:
        assert catalog.continuous_aggregates(connection) == []


# --- any combination


BUCKETS = st.sampled_from(["1 hour", "1 day", "7 days", "1 month"])
COLUMNS = st.sampled_from(["count(*)", "avg(price)", "first(symbol, time)", "sum(price) FILTER (WHERE symbol <> 'é')"])
INDEXES = st.sampled_from([["bucket"], ["x"], ["bucket DESC"], ["x NULLS FIRST", "bucket"], ["bucket", "x DESC"]])


@st.composite
def aggregates(draw):
    query = f"SELECT time_bucket('{draw(BUCKETS)}', time) AS bucket, {draw(COLUMNS)} AS x FROM ticks GROUP BY 1"
    columns = draw(st.none() | INDEXES)
    return ContinuousAggregate(
        "any",
        query,
        materialized_only=draw(st.none() | st.booleans()),
        create_group_indexes=draw(st.none() | st.booleans()),
        chunk_interval=draw(st.none() | st.timedeltas(timedelta(hours=1), timedelta(days=999))),
        indexes=[] if columns is None else [AggregateIndex("ix", columns)],
    )


@licensed_build
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(aggregates(), aggregates())
def test_any_declaration_becomes_any_other(licensed, first, second):
    assert licensed_server.clean(licensed.engine.url.render_as_string(hide_password=False))
    states = []
    for aggregate in (first, second):
        revision = licensed.migrate(models(aggregate))
        assert_clean(licensed, models(aggregate))
        (there,) = (each for each in found(licensed) if each.name == "any")
        for field in ("materialized_only", "chunk_interval"):
            assert getattr(aggregate, field) in (None, getattr(there, field))
        assert (there.indexes, there.objects) == (aggregate.indexes, ())
        assert licensed.ask(catalog.is_query_of, aggregate.query, there)
        states.append((look(licensed), revision))
    licensed.run(states[1][1].downgrade)
    assert look(licensed) == states[0][0]
