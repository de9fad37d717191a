"""What a move into another shape says to the server, how its verbs stand in a revision, and what they refuse."""

import textwrap
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.operations.ops import UpgradeOps

from tsext import Dimension
from tsext.backfill.hashing import Value, digest_query
from tsext.backfill.jobs import TableJobs
from tsext.backfill.repartition import aggregates
from tsext.backfill.repartition.capture import Capture, Dirty
from tsext.backfill.repartition.move import Carried, Flow, Move, Spec
from tsext.catalog import TimescaleInfo
from tsext.errors import FeatureNotSupported, InvalidObject, IrreversibleOperation
from tsext.model import License
from tsext.model.repartitions import Repartition
from tsext.operations.repartition import ConvertToTable, RepartitionHypertable, UndoRepartitionHypertable


@pytest.fixture
def flow():
    columns = [
        Carried("Tíme", '"Tíme"', True, Value('"Tíme"', "timestamptz")),
        Carried("n", "CAST(n AS bigint)", True, Value("n", "int8")),
        Carried("twice", "twice", False, Value("twice", "numeric")),
    ]
    return Flow("app.t", "tsext_new_app_t.t", "tsext_new_app_t", '"Tíme"', "timestamp with time zone", tuple(columns))


KEYED = (("n", "int8"), ('"S"', "text"))


def test_changes_are_noted_by_statement(flow):
    capture = Capture(flow)
    assert capture.statement_trigger("update") == (
        "CREATE TRIGGER zz_tsext_changes_update AFTER UPDATE ON app.t REFERENCING OLD TABLE AS tsext_before "
        "NEW TABLE AS tsext_after FOR EACH STATEMENT EXECUTE FUNCTION tsext_new_app_t.tsext_note_statement()"
    )
    assert capture.row_trigger("delete") == (
        "CREATE TRIGGER zz_tsext_changes_delete AFTER DELETE ON app.t FOR EACH ROW EXECUTE FUNCTION "
        "tsext_new_app_t.tsext_note_row()"
    )
    log, statement, _ = capture.log
    assert log == (
        "CREATE TABLE IF NOT EXISTS tsext_new_app_t.tsext_changes "
        "(lower timestamp with time zone, upper timestamp with time zone, key text[])"
    )
    rows = '(SELECT "Tíme" AS at, NULL::text[] AS key FROM tsext_after) AS rows'
    assert f"tsext_changes SELECT min(at), max(at) FROM {rows} GROUP BY date_trunc('minute', at);" in statement
    _, statement, row = Capture(replace(flow, keys=KEYED)).log
    rows = rows.replace("NULL::text[]", 'ARRAY[n::text, "S"::text]')
    assert f"tsext_changes SELECT DISTINCT at, at, key FROM {rows};" in statement
    assert 'VALUES (NEW."Tíme", NEW."Tíme", ARRAY[NEW.n::text, NEW."S"::text]);' in row
    assert capture.lock("SHARE ROW EXCLUSIVE") == "LOCK TABLE ONLY app.t IN SHARE ROW EXCLUSIVE MODE"


def test_rows_are_those_of_a_range(flow):
    assert flow.rows(Dirty("2026-01-01", "2026-01-02").within(flow)) == (
        'SELECT "Tíme", CAST(n AS bigint) FROM app.t AS rows WHERE "Tíme" >= \'2026-01-01\'::timestamp with time zone '
        "AND \"Tíme\" <= '2026-01-02'::timestamp with time zone"
    )
    assert Dirty(None, None).within(flow) == "true"
    some = Dirty("2026-01-01", "2026-01-01", rows=(("2026-01-01", "5", "it's"), ("2026-01-01", "6", "b")))
    assert some.within(replace(flow, keys=KEYED)).endswith(
        """AND ("Tíme", n, "S") IN (VALUES ('2026-01-01'::timestamp with time zone, '5'::int8, 'it''s'::text), """
        "('2026-01-01', '6', 'b'))"
    )
    assert flow.columns == '"Tíme", n'


def test_rows_are_hashed_by_the_types_of_their_columns():
    values = [Value("a", "timestamptz"), Value("b", "text"), Value("c", "json"), Value("d", "_int4", element="int4")]
    one, two, three, four = (value.hash(seed) for seed, value in enumerate(values, 1))
    assert one.startswith("coalesce(timestamp_hash_extended(timezone(INTERVAL '0', (a)), 1), ")
    assert two.startswith("coalesce(hashtextextended((b), 2), ")
    assert three.startswith("coalesce(hashtextextended((c)::text, 3), ")
    assert four.startswith("coalesce(hash_array_extended((d), 4), ")
    what = f"count(*) AS n, sum({one} # {two} # {three} # {four}) AS hash"
    assert digest_query("t", values, ["n < 5", "n > 7"]) == (
        f"SELECT sum(n)::bigint, coalesce(sum(hash), 0)::text FROM (SELECT {what} FROM t AS rows WHERE n < 5 "
        f"UNION ALL SELECT {what} FROM t AS rows WHERE n > 7) AS parts"
    )


def test_jobs_are_those_of_the_table_and_those_that_name_it():
    assert TableJobs("Ticks", "app").where(TimescaleInfo("2.23.0", License.TIMESCALE)) == (
        "((hypertable_schema, hypertable_name) = ('app', 'Ticks') OR job_id >= 1000 AND hypertable_name IS NULL AND "
        "EXISTS (SELECT FROM jsonb_path_query(config, '$.**') AS v WHERE jsonb_typeof(v) = 'string' AND v #>> '{}' IN "
        "('Ticks', '\"Ticks\"', 'app.Ticks', 'app.\"Ticks\"')))"
    )


def test_aggregates_change_places_with_their_indexes():
    spec = Spec(
        "app", "t", "at", "date", aggregates=({"name": "Daily", "schema": "app", "head": "", "indexes": ["ix"]},)
    )
    move = Move(Spec.of(spec.as_json()), datetime(2026, 1, 2, tzinfo=UTC))
    forth = list(aggregates.exchange(move, move.place, move.kept))
    assert forth == [
        'ALTER MATERIALIZED VIEW app."Daily" SET SCHEMA tsext_old_20260102_app_t',
        'ALTER MATERIALIZED VIEW tsext_new_app_t."Daily" SET SCHEMA app',
        "ALTER INDEX _timescaledb_internal.ix RENAME TO ix_tsext_old_20260102_app_t",
        "ALTER INDEX _timescaledb_internal.ix_tsext_new_app_t RENAME TO ix",
    ]
    back = list(aggregates.exchange(move, move.kept, move.place))
    assert back[2:] == [
        "ALTER INDEX _timescaledb_internal.ix RENAME TO ix_tsext_new_app_t",
        "ALTER INDEX _timescaledb_internal.ix_tsext_old_20260102_app_t RENAME TO ix",
    ]


STANDS = """op.repartition_hypertable(
    "t",
    "at",
    chunk_time_interval=timedelta(days=1),
    dimensions=[Dimension(column="s", number_partitions=4)],
    types={"p": "numeric"},
    using={"p": "p / 2"},
    schema="a",
)"""


STANDS_BACK = """op.undo_repartition_hypertable(
    "t",
    former={
        "column": "at",
        "chunk_time_interval": timedelta(days=7),
        "dimensions": [],
    },
    schema="a",
)"""


def test_how_it_stands_in_a_revision():
    by = (Dimension("s", number_partitions=4),)
    target = Repartition("t", "at", timedelta(days=1), by, {"p": "numeric"}, {"p": "p / 2"}, schema="a")
    operation = RepartitionHypertable(target)
    assert textwrap.indent(STANDS, "    ") in render_python_code(UpgradeOps([operation]))
    assert operation.reverse().reverse().target == target
    operation.former = Repartition("t", "at", timedelta(days=7), (), schema="a")
    back = operation.reverse()
    assert textwrap.indent(STANDS_BACK, "    ") in render_python_code(UpgradeOps([back]))
    assert back.reverse().reverse().former == operation.former
    plain = ConvertToTable(Repartition("t", plain=True))
    assert type(plain.reverse().reverse()) is ConvertToTable
    with pytest.raises(IrreversibleOperation, match="does not say which shape"):
        UndoRepartitionHypertable(Repartition("t")).reverse()


def test_what_is_refused_at_once(op):
    with pytest.raises(InvalidObject, match="there is an expression for b, but no type"):
        op.repartition_hypertable("t", types={"a": sa.Integer()}, using={"b": "a"})
    with pytest.raises(InvalidObject, match="former says what no shape has: interval"):
        op.undo_repartition_hypertable("t", former={"interval": 1})
    with pytest.raises(FeatureNotSupported, match="cannot be written as a script"):
        op.repartition_hypertable("t", chunk_time_interval=timedelta(days=1))
