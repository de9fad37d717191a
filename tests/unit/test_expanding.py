"""What the verbs of columns print, how they stand in a revision, and what they refuse."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.operations.ops import UpgradeOps

from tsext.backfill.batches import Pace
from tsext.backfill.filling import _ranges
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model.columns import ColumnChange, ColumnType
from tsext.operations.column_renames import ContractColumnRename, ExpandColumnRename
from tsext.operations.column_types import ContractColumnType, ExpandColumnType, UndoContractColumnType
from tsext.operations.columnstore_columns import AlterColumnstoreColumn
from tsext.operations.twins import short
from tsext.sql.columns import qualify


def said(op):
    return [each for each in op.emitted() if each not in ("COMMIT", "BEGIN")]


def test_columns_of_an_expression_are_qualified():
    assert qualify('"Käse"::numeric / a', "new") == 'new."Käse"::numeric / new.a'
    for wrong in ("a +", "t.a", "1; DROP TABLE t", "*", "a FROM t", "a, b", "(SELECT a)", "a LIMIT 1", ""):
        with pytest.raises(InvalidObject):
            qualify(wrong, "new")


def test_a_type_is_expanded_and_contracted(op):
    op.expand_column_type("t", "Cénts", sa.Numeric(10, 2), using='"Cénts"::numeric / 100', schema="app")
    op.contract_column_type("t", "Cénts", sa.Numeric(10, 2), using='"Cénts"::numeric / 100', schema="app")
    op.undo_expand_column_type("t", "Cénts", schema="app")
    guard, function, column, trigger, fill, guard_too, *contract = said(op)

    assert guard == guard_too
    assert "RAISE EXCEPTION 'column has a default, a constraint, an index" in guard
    assert function == (
        'CREATE OR REPLACE FUNCTION app."tsext_sync_t_Cénts_Cénts_new"() RETURNS trigger LANGUAGE plpgsql AS $$\n'
        "BEGIN\n"
        '    NEW."Cénts_new" := new."Cénts"::numeric / 100;\n'
        "    RETURN NEW;\n"
        "END\n"
        "$$"
    )
    assert column == 'ALTER TABLE app.t ADD COLUMN "Cénts_new" NUMERIC(10, 2)'
    assert trigger == (
        'CREATE OR REPLACE TRIGGER "zz_tsext_sync_Cénts_Cénts_new" BEFORE INSERT OR UPDATE ON app.t FOR EACH ROW '
        """EXECUTE FUNCTION app."tsext_sync_t_Cénts_Cénts_new"('Cénts', 'Cénts_new')"""
    )
    assert fill == (
        'UPDATE app.t SET "Cénts_new" = "Cénts"::numeric / 100 '
        'WHERE "Cénts_new" IS NULL AND ("Cénts"::numeric / 100) IS NOT NULL'
    )
    drop_sync = [
        'DROP TRIGGER IF EXISTS "zz_tsext_sync_Cénts_Cénts_new" ON app.t',
        'DROP FUNCTION IF EXISTS app."tsext_sync_t_Cénts_Cénts_new"()',
    ]
    assert contract == [
        *drop_sync,
        'ALTER TABLE app.t DROP COLUMN "Cénts"',
        'ALTER TABLE app.t RENAME COLUMN "Cénts_new" TO "Cénts"',
        *drop_sync,
        'ALTER TABLE app.t DROP COLUMN IF EXISTS "Cénts_new"',
    ]


def test_names_are_expanded_and_contracted(op):
    op.expand_column_rename("t", "qty", "quantity")
    op.contract_column_rename("t", "qty", "quantity")
    function, column, _, fill, *rest = said(op)

    assert (
        "ELSIF ROW(NEW.quantity)::record *<> ROW(OLD.quantity)::record THEN\n        NEW.qty := NEW.quantity;"
        in function
    )
    assert "'ALTER TABLE t ADD COLUMN quantity ' || format_type(atttypid, atttypmod)" in column.replace("''", "'")
    assert fill == "UPDATE t SET quantity = qty WHERE quantity IS NULL AND (qty) IS NOT NULL"
    assert [each for each in rest if not each.startswith("DO ")] == [
        "DROP TRIGGER IF EXISTS zz_tsext_sync_qty_quantity ON t",
        "DROP FUNCTION IF EXISTS tsext_sync_t_qty_quantity()",
        "ALTER TABLE t DROP COLUMN quantity",
        "ALTER TABLE t RENAME COLUMN qty TO quantity",
    ]


def test_names_are_no_formats(op):
    op.expand_column_rename("100%s", "a%", "%I")
    assert """'ALTER TABLE "100%s" ADD COLUMN "%I" ' || format_type""" in said(op)[1].replace("''", "'")


def test_a_type_in_a_columnstore_goes_through_the_rowstore(op):
    op.alter_columnstore_column("ticks", "price", type_=sa.Numeric(), postgresql_using="price::text::numeric")
    said_ = said(op)
    inside, alter, back = said_[-4:-1]

    assert "CALL convert_to_rowstore(chunk);" in inside
    assert alter == "ALTER TABLE ticks ALTER COLUMN price TYPE NUMERIC USING price::text::numeric"
    assert "CALL convert_to_columnstore(chunk);" in back
    assert "paused_by_tsext" in said_[0]
    assert "paused_by_tsext" in said_[-1]


CHANGE = ColumnChange("t", "a", "a_new", "BIGINT", schema="app")
RENAME = ColumnChange("t", "a", "b")


@pytest.mark.parametrize(
    ("operation", "there", "back"),
    [
        (
            ExpandColumnType(CHANGE),
            'op.expand_column_type("t", "a", "BIGINT", schema="app")',
            'op.undo_expand_column_type("t", "a", schema="app")',
        ),
        (
            UndoContractColumnType(
                ColumnChange("t", "a", "a_new", "BIGINT"), ColumnChange("t", "a", "a_new", "INTEGER", "b")
            ),
            'op.undo_contract_column_type("t", "a", "INTEGER", existing_type="BIGINT", using="b")',
            'op.contract_column_type("t", "a", "BIGINT", existing_type="INTEGER", existing_using="b")',
        ),
        (
            ExpandColumnRename(RENAME),
            'op.expand_column_rename("t", "a", "b")',
            'op.undo_expand_column_rename("t", "a", "b")',
        ),
        (
            ContractColumnRename(RENAME),
            'op.contract_column_rename("t", "a", "b")',
            'op.undo_contract_column_rename("t", "a", "b")',
        ),
        (
            AlterColumnstoreColumn(ColumnType("t", "a", "BIGINT", "INTEGER")),
            'op.alter_columnstore_column("t", "a", type_="BIGINT", existing_type="INTEGER")',
            'op.alter_columnstore_column("t", "a", type_="INTEGER", existing_type="BIGINT")',
        ),
    ],
)
def test_halves_are_rendered_with_their_way_back(operation, there, back):
    def rendered(each):
        lines = render_python_code(UpgradeOps([each])).splitlines()
        return " ".join(line.strip() for line in lines).replace("( ", "(").replace(", )", ")")

    assert there in rendered(operation)
    assert back in rendered(operation.reverse())
    assert there in rendered(operation.reverse().reverse())


def test_what_does_not_know_its_way_back_says_so():
    with pytest.raises(IrreversibleOperation, match="does not know the old type"):
        ContractColumnType(CHANGE).reverse()
    with pytest.raises(IrreversibleOperation, match="does not know the old type"):
        AlterColumnstoreColumn(ColumnType("t", "a", "BIGINT")).reverse()


def test_names_that_are_too_long_stay_apart():
    first, second = (short("zz_tsext_sync", "ä" * 40 + end, suffix="_new") for end in "ab")
    assert first != second
    assert len(first.encode()) <= len(second.encode()) <= 63
    assert first.endswith("_new")


def test_batches_are_ranges_of_pages_with_so_many_rows():
    pace = Pace(size=500)
    assert list(_ranges([(7, 300), (9, 200), (10, 1), (4000, 900)], pace)) == [
        (range(7, 10), 500),
        (range(10, 11), 1),
        (range(4000, 4001), 900),
    ]
    assert list(_ranges([], pace)) == []
