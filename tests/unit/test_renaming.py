"""What the verbs print that rename tables, and how they stand in a revision."""

import pytest
from alembic.autogenerate import render_python_code
from alembic.operations.ops import UpgradeOps

from tsext.errors import InvalidObject
from tsext.model.renaming import RenamingView
from tsext.operations.renaming import DropRenamingView, RenameTableWithView


def test_one_transaction_does_it(op):
    op.rename_table_with_view("orders", "Trädes", schema="app")
    op.drop_renaming_view("orders", "Trädes", schema="app")
    op.create_renaming_view("a", "b")
    op.rename_table_over_view("b", "a")

    statements = op.emitted()
    blocks = [each for each in statements if each.startswith("DO ")]
    assert ["''app.\"Trädes\"''::regclass" in blocks[0], "''b''::regclass" in blocks[1]] == [True, True]
    assert [each for each in statements if each not in blocks] == [
        'ALTER TABLE app.orders RENAME TO "Trädes"',
        'CREATE VIEW app.orders WITH (security_invoker = true) AS SELECT * FROM app."Trädes"',
        "DROP VIEW app.orders",
        "CREATE VIEW a WITH (security_invoker = true) AS SELECT * FROM b",
        "DROP VIEW a",
        "ALTER TABLE b RENAME TO a",
    ]


@pytest.mark.parametrize(
    ("operation", "there", "back"),
    [
        (
            RenameTableWithView(RenamingView("a", "b", "app")),
            'op.rename_table_with_view("a", "b", schema="app")',
            'op.rename_table_over_view("b", "a", schema="app")',
        ),
        (
            DropRenamingView(RenamingView("a", "b")),
            'op.drop_renaming_view("a", "b")',
            'op.create_renaming_view("a", "b")',
        ),
    ],
)
def test_they_are_rendered_with_their_way_back(operation, there, back):
    assert there in render_python_code(UpgradeOps([operation]))
    assert back in render_python_code(UpgradeOps([operation.reverse()]))
    assert there in render_python_code(UpgradeOps([operation.reverse().reverse()]))


def test_two_names_are_needed(op):
    with pytest.raises(InvalidObject, match="renamed to itself"):
        op.rename_table_with_view("a", "a")
