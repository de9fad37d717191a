"""What the verbs of columns print, how they stand in a revision, and how large batches are."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.operations.ops import UpgradeOps

from tsext.backfill.batches import Pace
from tsext.errors import InvalidObject
from tsext.model.columns import ColumnWithDefault
from tsext.operations import progress
from tsext.operations.columns import AddColumnWithDefault

TOKEN = {"server_default": sa.text("gen_random_uuid()"), "nullable": False}


def steps(op):
    return [each for each in op.emitted() if each not in ("COMMIT", "BEGIN")]


def test_a_script_takes_each_step_outside_the_transaction(op):
    op.add_column_with_default("t", sa.Column("Käse", sa.UUID(), **TOKEN), schema="app")
    op.add_column_with_default("t", sa.Column("rate", sa.Numeric(6, 2), server_default=sa.text("random() * 100 % 7")))

    assert steps(op) == [
        'ALTER TABLE app.t ADD COLUMN "Käse" UUID',
        'ALTER TABLE app.t ALTER COLUMN "Käse" SET DEFAULT gen_random_uuid()',
        'UPDATE app.t SET "Käse" = DEFAULT WHERE "Käse" IS NULL',
        'ALTER TABLE app.t ADD CONSTRAINT "tsext_t_Käse_not_null" CHECK ("Käse" IS NOT NULL) NOT VALID',
        'ALTER TABLE app.t VALIDATE CONSTRAINT "tsext_t_Käse_not_null"',
        'ALTER TABLE app.t ALTER COLUMN "Käse" SET NOT NULL',
        'ALTER TABLE app.t DROP CONSTRAINT "tsext_t_Käse_not_null"',
        "ALTER TABLE t ADD COLUMN rate NUMERIC(6, 2)",
        "ALTER TABLE t ALTER COLUMN rate SET DEFAULT random() * 100 % 7",
        "UPDATE t SET rate = DEFAULT WHERE rate IS NULL",
    ]


def test_it_is_rendered_with_its_way_back():
    operation = AddColumnWithDefault(ColumnWithDefault("t", sa.Column("c", sa.UUID(), **TOKEN), "app"))
    assert """    op.add_column_with_default(
        "t",
        sa.Column(
            "c",
            sa.UUID(),
            server_default=sa.text("gen_random_uuid()"),
            nullable=False,
        ),
        schema="app",
    )
""" in render_python_code(UpgradeOps([operation]))
    assert "op.drop_column('t', 'c', schema='app')" in render_python_code(UpgradeOps([operation.reverse()]))
    assert operation.to_diff_tuple() == ("add_column_with_default", '"t"', '"c"', '"UUID"', '"gen_random_uuid()"')


@pytest.mark.parametrize(
    ("column", "fact"),
    [
        (sa.Column("c", sa.UUID()), "no server_default"),
        (sa.Column("c", sa.Integer(), sa.Identity()), "no server_default"),
        (sa.Column("c", sa.Integer(), sa.Computed("1")), "no server_default"),
        (sa.Column("c", sa.UUID(), unique=True, **TOKEN), "a constraint or an index"),
        (sa.Column("c", sa.UUID(), sa.ForeignKey("u.id"), **TOKEN), "a constraint or an index"),
        ("c", "the column of t is 'c'"),
    ],
)
def test_what_makes_no_sense_is_refused(op, column, fact):
    with pytest.raises(InvalidObject, match=fact):
        op.add_column_with_default("t", column)


def test_batches_take_as_long_as_they_may():
    pace = Pace(size=1_000, target=0.2)
    for _ in range(20):
        pace.took(pace.size, pace.size / 50_000)  # 50,000 rows each second
    assert 9_000 <= pace.size <= 10_000
    pace.took(pace.size, 2)  # a slow one
    assert 5_000 < pace.size < 9_000
    for _ in range(20):
        pace.took(pace.size, pace.size / 10)
    assert pace.size == Pace.SMALLEST
    pace.took(pace.size, 0)
    assert pace.size == 2 * Pace.SMALLEST


def test_progress_is_told(caplog, monkeypatch):
    caplog.set_level("INFO", "alembic.tsext")
    assert progress.count(iter([2, 3]), 0, "t.c: row") == 5
    assert caplog.messages == []
    monkeypatch.setattr(progress, "_SECONDS", -1)
    assert progress.count(iter([2, 3]), 4, "t.c: row") == 5
    assert caplog.messages == ["t.c: row 2 of about 4", "t.c: row 5 of about 5"]
