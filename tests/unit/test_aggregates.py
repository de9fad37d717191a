"""Continuous aggregates as values, as SQL, and in a revision; what needs a server is in tests/database."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations.ops import UpgradeOps

from tsext import AggregateIndex, ContinuousAggregate, Hypertable
from tsext.autogenerate.aggregates import Swap, changes, created, in_order, uses_of
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import TableObject, declared
from tsext.operations.aggregates import (
    AddAggregateColumn,
    AlterContinuousAggregate,
    CreateContinuousAggregate,
    DropContinuousAggregate,
)
from tsext.operations.refresh import RefreshContinuousAggregate
from tsext.operations.swapping import CopyAggregatePrivileges, RenameAggregateIndex, RenameContinuousAggregate

QUERY = "SELECT time_bucket('1 hour', time) AS bucket, avg(price) AS price FROM ticks GROUP BY 1"
HOURLY = ContinuousAggregate("hourly", QUERY)


class Policy(TableObject):
    """What belongs to an aggregate."""


def rendered(*operations):
    context = MigrationContext.configure(dialect_name="postgresql")
    text = render_python_code(UpgradeOps(list(operations)), migration_context=context)
    lines = [line.removeprefix("    ") for line in text.split("\n") if not line.strip().startswith("# ###")]
    return "\n".join(lines)


# --- declarations


def test_both_declarations_are_the_same():
    one, other = sa.MetaData(), sa.MetaData()
    ContinuousAggregate("hourly", QUERY, metadata=one)
    other.info["timescaledb"] = [ContinuousAggregate("hourly", QUERY)]
    assert one.info == other.info
    assert ContinuousAggregate("hourly", QUERY, metadata=sa.MetaData(schema="market")).key == ("market", "hourly")


def test_a_select_becomes_text_that_postgresql_reads():
    ticks = sa.Table("ticks", sa.MetaData(), sa.Column("time", sa.DateTime), sa.Column("Price %", sa.Numeric))
    bucket = sa.func.time_bucket("1 hour", ticks.c.time).label("bucket")
    query = (
        sa.select(bucket, (sa.func.max(ticks.c["Price %"]) % 7).label("rest"))
        .where(sa.cast(ticks.c["Price %"], sa.Text).like("50%:a\\'"))
        .group_by(bucket)
    )
    aggregate = ContinuousAggregate("hourly", query, schema="market")
    assert aggregate.query == (
        "SELECT time_bucket('1 hour', ticks.time) AS bucket, max(ticks.\"Price %\") % 7 AS rest \n"
        "FROM ticks \n"
        "WHERE CAST(ticks.\"Price %\" AS TEXT) LIKE '50%:a\\''' "
        "GROUP BY time_bucket('1 hour', ticks.time)"
    )
    assert str(sa.select(aggregate.table.c.rest)) == "SELECT market.hourly.rest \nFROM market.hourly"
    assert list(HOURLY.table.c) == []


def test_what_belongs_to_it_is_declared_under_its_name():
    metadata = sa.MetaData(schema="market")
    aggregate = ContinuousAggregate("hourly", f" {QUERY} ;\n", objects=Policy(), metadata=metadata)
    assert aggregate.query == QUERY
    ((on, policy),) = declared(metadata, Policy)
    assert (on, policy.key) == (aggregate, ("market", "hourly"))
    assert list(declared(metadata, Hypertable)) == []


@pytest.mark.parametrize(
    ("make", "fact"),
    [
        (lambda: ContinuousAggregate("", QUERY), "name of a continuous aggregate is ''"),
        (lambda: ContinuousAggregate("h", " ; "), "the query of continuous aggregate h is ' ; '"),
        (lambda: ContinuousAggregate("h", 5), "the query of continuous aggregate h is 5"),
        (lambda: ContinuousAggregate("h", QUERY, chunk_interval=5), "chunk_interval of continuous aggregate h is 5"),
        (lambda: ContinuousAggregate("h", QUERY, chunk_interval="1 month"), "no fixed length"),
        (lambda: ContinuousAggregate("h", QUERY, objects=[Policy(), Policy()]), "declares Policy twice"),
        (lambda: ContinuousAggregate("h", QUERY, objects=[Hypertable("t")]), "declares a Hypertable"),
        (lambda: ContinuousAggregate("h", QUERY, objects=["policy"]), "h has 'policy'"),
        (lambda: ContinuousAggregate("h", QUERY, indexes=["ix"]), "continuous aggregate h has 'i"),
        (lambda: ContinuousAggregate("h", QUERY, indexes=[AggregateIndex("ix", "a")] * 2), "index ix twice"),
        (lambda: AggregateIndex("", ["a"]), "name of an index of a continuous aggregate is ''"),
        (lambda: AggregateIndex("ix", []), "index ix has no columns"),
        (lambda: AggregateIndex("ix", ["a"], where=" "), "index ix has an empty condition"),
    ],
)
def test_declarations_that_make_no_sense_are_refused(make, fact):
    with pytest.raises(InvalidObject, match=fact):
        make()


def test_a_metadata_that_makes_no_sense_is_refused():
    metadata = sa.MetaData()
    metadata.info["timescaledb"] = Hypertable("time")
    with pytest.raises(InvalidObject, match=r'metadata.info\["timescaledb"\] holds'):
        list(declared(metadata, Hypertable))
    metadata.info["timescaledb"] = [HOURLY, HOURLY]
    with pytest.raises(InvalidObject, match="hourly is declared twice"):
        list(declared(metadata, Hypertable))


def test_columns_of_indexes():
    index = AggregateIndex("ix", ["a", sa.desc("b c"), "d ASC", "e DESC NULLS LAST"])
    assert index == AggregateIndex("ix", ("a", "b c DESC", "d", "e DESC NULLS LAST"))
    assert index.parts == (("a", ""), ("b c", " DESC"), ("d", ""), ("e", " DESC NULLS LAST"))


# --- SQL


def test_create(op):
    op.create_continuous_aggregate("hourly", QUERY)
    op.create_continuous_aggregate(
        'Odd "name" 100%',
        "SELECT time_bucket('1 day', t) FROM a WHERE b LIKE '%:c' GROUP BY 1 -- the end",
        materialized_only=False,
        create_group_indexes=False,
        chunk_interval=timedelta(days=30),
        if_not_exists=True,
        schema="my schema",
    )
    assert op.emitted() == [
        f"CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS\n{QUERY}\nWITH NO DATA",
        'CREATE MATERIALIZED VIEW IF NOT EXISTS "my schema"."Odd ""name"" 100%" WITH (timescaledb.continuous, '
        "timescaledb.materialized_only = false, timescaledb.create_group_indexes = false, "
        "timescaledb.chunk_interval = '30 days') AS\n"
        "SELECT time_bucket('1 day', t) FROM a WHERE b LIKE '%:c' GROUP BY 1 -- the end\nWITH NO DATA",
    ]


@pytest.mark.parametrize(
    ("call", "error", "fact"),
    [
        (lambda op: op.create_continuous_aggregate("h", QUERY, with_data=True), InvalidObject, "in a transaction"),
        (lambda op: op.create_continuous_aggregate("h", "SELECT 1; SELECT 2"), InvalidObject, "is not one SELECT"),
        (lambda op: op.create_continuous_aggregate("h", "DELETE FROM ticks"), InvalidObject, "is not one SELECT"),
        (lambda op: op.create_continuous_aggregate("h", "SELECT FROM WHERE"), InvalidObject, "is no SQL: syntax error"),
        (lambda op: op.drop_continuous_aggregate("h"), IrreversibleOperation, "loses what it holds"),
        (lambda op: op.drop_continuous_aggregate("h", allow_data_loss=" "), IrreversibleOperation, "loses what"),
        (lambda op: op.alter_continuous_aggregate("h"), InvalidObject, "changes nothing"),
        (lambda op: op.alter_continuous_aggregate("h", chunk_interval=7), InvalidObject, "chunk_interval"),
        (lambda op: op.refresh_continuous_aggregate("h", 1.5, None), InvalidObject, "the end of a window is 1.5"),
        (lambda op: op.refresh_continuous_aggregate("h", True, None), InvalidObject, "the end of a window is True"),
        (
            lambda op: op.refresh_continuous_aggregate("h", None, None, window_size="1 month"),
            InvalidObject,
            "window_size is '1 month'",
        ),
        (
            lambda op: op.refresh_continuous_aggregate("h", 1, 9, window_size="1 day"),
            InvalidObject,
            "window_size of h is",
        ),
        (
            lambda op: op.refresh_continuous_aggregate("h", "yesterday", "today", window_size="1 day"),
            InvalidObject,
            "'yesterday', which cannot be divided",
        ),
    ],
)
def test_calls_that_make_no_sense_are_refused(op, call, error, fact):
    with pytest.raises(error, match=fact):
        call(op)
    assert op.emitted() == []


def test_other_verbs(op):
    op.drop_continuous_aggregate("hourly", schema="s", allow_data_loss="replaced")
    op.alter_continuous_aggregate("hourly", materialized_only=True, chunk_interval="12 hours")
    op.rename_continuous_aggregate("hourly", "Hourly 2", schema="s")
    op.rename_continuous_aggregate_index("hourly", "ix", "Ix", schema="s")
    op.add_continuous_aggregate_column("hourly", "Max", "numeric", "max(price)", schema="s")
    assert op.emitted() == [
        "DROP MATERIALIZED VIEW s.hourly",
        "ALTER MATERIALIZED VIEW hourly SET (timescaledb.materialized_only = true, "
        "timescaledb.chunk_interval = '12 hours')",
        'ALTER MATERIALIZED VIEW s.hourly RENAME TO "Hourly 2"',
        'ALTER INDEX _timescaledb_internal.ix RENAME TO "Ix"',
        'ALTER MATERIALIZED VIEW s.hourly ADD COLUMN "Max" numeric GENERATED ALWAYS AS (max(price)) STORED',
    ]


def test_privileges_are_copied_by_the_server(op):
    op.copy_continuous_aggregate_privileges("o'ne", "t'wo", schema="s")
    (statement,) = op.emitted()
    assert statement.startswith("DO '\nDECLARE\n")
    assert statement.endswith("END\n'")
    assert "FROM pg_class WHERE oid = ''s.\"o''''ne\"''::regclass\n" in statement
    assert "format(''GRANT %s ON %s TO %s'', privilege_type, ''s.\"t''''wo\"''," in statement


def test_refresh_is_outside_the_transaction(op):
    op.refresh_continuous_aggregate("Hourly", None, None, schema="s")
    assert op.emitted() == ["COMMIT", "CALL refresh_continuous_aggregate('s.\"Hourly\"', NULL, NULL)", "BEGIN"]


@pytest.mark.parametrize(
    ("window", "options", "calls"),
    [
        (("2026-01-01", None), {"force": True}, ["'2026-01-01', NULL, force => true"]),
        ((date(2026, 1, 1), datetime(2026, 1, 2, tzinfo=UTC)), {}, ["'2026-01-01', '2026-01-02 00:00:00+00:00'"]),
        # a window is never smaller than its size, and ends where time_bucket would end
        (
            (0, 25),
            {"window_size": 10},
            ["0, 10", "10, 25", "0, 20"],
        ),
        ((3, 45), {"window_size": 10}, ["3, 20", "20, 30", "30, 45", "10, 40"]),
        ((3, 19), {"window_size": 10}, ["3, 19"]),
        (
            ("2026-01-01", "2026-01-12"),
            {"window_size": timedelta(days=4), "force": True},
            [
                "'2026-01-01', '2026-01-06 00:00:00+00:00', force => true",
                "'2026-01-06 00:00:00+00:00', '2026-01-12', force => true",
                "'2026-01-02 00:00:00+00:00', '2026-01-10 00:00:00+00:00'",
            ],
        ),
        ((None, None), {"window_size": "1 day"}, ["NULL, NULL"]),
    ],
)
def test_windows(op, window, options, calls):
    op.refresh_continuous_aggregate("hourly", *window, **options)
    assert op.emitted()[1:-1] == [f"CALL refresh_continuous_aggregate('hourly', {call})" for call in calls]


# --- reverses


@pytest.mark.parametrize(
    "operation",
    [
        CreateContinuousAggregate(HOURLY),
        DropContinuousAggregate(HOURLY, allow_data_loss="the revision that is undone made it"),
        AlterContinuousAggregate("h", {"materialized_only": False}, {"materialized_only": True}, schema="s"),
        RenameContinuousAggregate("h", "i", schema="s"),
        RenameContinuousAggregate("h", "i", for_a_moment=True),
        RenameAggregateIndex("h", "a", "b", schema="s"),
        RefreshContinuousAggregate("h", (1, 9), window_size=2, force=True, schema="s"),
        CopyAggregatePrivileges("h", "i", schema="s"),
    ],
)
def test_reversed_twice_is_the_same(operation, op):
    back = operation.reverse()
    assert rendered(back) != rendered(operation)
    without_notes = [line for line in rendered(back.reverse()).splitlines() if not line.startswith("#")]
    assert without_notes == rendered(operation).splitlines()
    assert back.to_diff_tuple() != operation.to_diff_tuple()


def test_without_the_old_value_there_is_no_way_back():
    with pytest.raises(IrreversibleOperation, match="does not know the old chunk_interval"):
        AlterContinuousAggregate("h", {"chunk_interval": timedelta(days=1)}, {}).reverse()
    with pytest.raises(IrreversibleOperation, match="column c of continuous aggregate h cannot be dropped"):
        AddAggregateColumn("h", "c", "int", "sum(c)").reverse()


def test_the_reverse_of_refreshing_does_nothing(op):
    op.invoke(RefreshContinuousAggregate("h").reverse())
    op.invoke(RenameContinuousAggregate("a", "b", for_a_moment=True).reverse())
    assert op.emitted() == []
    assert rendered(RefreshContinuousAggregate("h").reverse()) == "pass"


# --- rendering


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (
            CreateContinuousAggregate(ContinuousAggregate("h", "SELECT\n1", schema="s")),
            'op.create_continuous_aggregate("h", "SELECT\\n1", schema="s")',
        ),
        (
            CreateContinuousAggregate(ContinuousAggregate("h", f"SELECT {'a' * 70},\n  b", chunk_interval="3 days")),
            f"""op.create_continuous_aggregate(
    "h",
    "SELECT {"a" * 70},\\n"
    "  b",
    chunk_interval=timedelta(days=3),
)""",
        ),
        (
            DropContinuousAggregate(HOURLY),
            '# Refused until you state why its history may go: allow_data_loss="…".\n'
            'op.drop_continuous_aggregate("hourly", allow_data_loss=None)',
        ),
        (
            AlterContinuousAggregate("h", {"materialized_only": False}, {"materialized_only": True}),
            "op.alter_continuous_aggregate(\n"
            '    "h",\n    materialized_only=False,\n    old_materialized_only=True,\n)',
        ),
        (
            RefreshContinuousAggregate("h", (datetime(2026, 1, 1, tzinfo=UTC), None), window_size="1 day"),
            """op.refresh_continuous_aggregate(
    "h",
    "2026-01-01 00:00:00+00:00",
    None,
    window_size=timedelta(days=1),
)""",
        ),
    ],
)
def test_rendering(operation, text):
    assert rendered(operation) == text


def test_formatters_leave_it_alone():
    texts = ["SELECT\n1", f"SELECT {'a' * 90},\n\n  'it''s \"b\"'\n", "x" * 100, f"{'y' * 60}\n{'z' * 9}"]
    operations = [CreateContinuousAggregate(ContinuousAggregate("h", text), note="é " * 90) for text in texts]
    text = "def upgrade():\n" + "".join(f"    {rendered(each)}\n".replace("\n", "\n    ")[:-4] for each in operations)
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if "No module named ruff" in done.stderr:
        pytest.skip("ruff is not installed")
    assert done.stdout == text


# --- subtraction


def texts(operations):
    return [line for line in rendered(*operations).splitlines() if line.startswith(("op.", "pass"))]


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        ({}, {}, ["pass"]),
        ({"materialized_only": True, "chunk_interval": "10 days"}, {}, ["pass"]),
        ({"create_group_indexes": True}, {"create_group_indexes": False}, ["pass"]),
        ({"chunk_interval": "1 day"}, {"chunk_interval": "24 hours"}, ["pass"]),
        ({"indexes": [AggregateIndex("ix", "a")]}, {"indexes": None}, ["pass"]),
        ({"indexes": [AggregateIndex("ix", "a")]}, {"indexes": [AggregateIndex("ix", "a")]}, ["pass"]),
        (
            {"indexes": [AggregateIndex("ix", "a"), AggregateIndex("b", "b")]},
            {"indexes": [AggregateIndex("ix", "a DESC", using="brin"), AggregateIndex("c", "c")]},
            [
                "op.create_index('ix_new', 'hourly', [sa.literal_column('a DESC')], unique=False, schema='s', "
                "postgresql_using='brin')",
                "op.create_index('c', 'hourly', ['c'], unique=False, schema='s')",
                "op.drop_index('ix', table_name='hourly', schema='_timescaledb_internal')",
                "op.drop_index('b', table_name='hourly', schema='_timescaledb_internal')",
                'op.rename_continuous_aggregate_index("hourly", "ix_new", "ix", schema="s")',
            ],
        ),
    ],
)
def test_changes(found, wanted, expected):
    before, after = (ContinuousAggregate("hourly", QUERY, schema="s", **options) for options in (found, wanted))
    assert texts(changes(before, after)) == expected


def test_an_index_goes_and_comes_back():
    *_, index = created(ContinuousAggregate("h", QUERY, schema="s", indexes=[AggregateIndex("ix", "a")]))
    assert texts([index.reverse()]) == ["op.drop_index('ix', table_name='h', schema='_timescaledb_internal')"]
    assert texts([index.reverse().reverse()]) == texts([index])


def test_in_the_order_of_use():
    queries = {"a": "FROM public.b JOIN c", "b": 'FROM "C d"', "C d": "FROM x", "c": "FROM public.b", "e": "FROM e"}
    wanted = {
        (None, name): ContinuousAggregate(name, f"SELECT 1 {query}" + " ON true" * ("JOIN" in query))
        for name, query in queries.items()
    }
    assert [name for _, name in in_order(uses_of(wanted, "public"))] == ["C d", "b", "c", "a", "e"]


def test_older_ones_are_kept_under_the_next_free_name():
    with pytest.raises(InvalidObject, match="9 older ones are kept"):
        Swap.of(HOURLY, HOURLY, {"hourly_old", *(f"hourly_old{number}" for number in range(2, 10))})
    assert Swap.of(HOURLY, HOURLY, {"hourly_old"}).old == "hourly_old2"
