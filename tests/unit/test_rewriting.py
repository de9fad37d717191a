"""How what autogenerate proposes is rewritten; what comes out is run in tests/database."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.operations import ops

from tsext import ReorderPolicy
from tsext.autogenerate.rewriting import make_safe
from tsext.operations.reorder_policies import AddReorderPolicy


def rewritten(*changes, **options):
    """Upgrade and downgrade of each revision that comes out."""
    up = ops.UpgradeOps([ops.ModifyTableOps("t", list(changes))])
    directives = [ops.MigrationScript("1", up, ops.DowngradeOps([]), message="m")]
    make_safe(directives, sa.MetaData())
    return [
        [render_python_code(each, **options) for each in (one.upgrade_ops, one.downgrade_ops)] for one in directives
    ]


INDEX = sa.Index("ix", sa.text("lower(a)"), _table=sa.Table("t", sa.MetaData(), sa.Column("a", sa.Text)))
ADD = ops.AddColumnOp("t", sa.Column("b", sa.Integer))
DROP = ops.DropColumnOp("t", "c", _reverse=ops.AddColumnOp("t", sa.Column("c", sa.Integer, nullable=False)))


def test_only_what_commits_as_it_goes_needs_no_second_revision():
    ((up, down),) = rewritten(ops.CreateIndexOp.from_index(INDEX))
    assert 'op.create_index_concurrently("ix", "t", [sa.literal_column("lower(a)")])' in up
    assert 'op.drop_index_concurrently("ix", table_name="t", if_exists=True)' in down


def test_a_policy_follows_the_index_by_which_it_sorts():
    add, other = (AddReorderPolicy(ReorderPolicy(name, name="t")) for name in ("ix", "ix_old"))
    ((up, down),) = rewritten(ops.CreateIndexOp.from_index(INDEX), add)
    assert up.index("op.create_index_concurrently(") < up.index('op.add_reorder_policy("t", index_name="ix")')
    assert down.index('op.remove_reorder_policy("t", if_exists=True)') < down.index("op.drop_index_concurrently(")
    (first, _), (second, _) = rewritten(ops.CreateIndexOp.from_index(INDEX), other)
    assert "op.add_reorder_policy(" in first and "op.create_index_concurrently(" in second


def test_in_batches_our_verbs_stand_beside_them():
    (first, _), (second, _) = rewritten(ADD, ops.CreateIndexOp.from_index(INDEX), render_as_batch=True)
    assert "batch_op.add_column(" in first
    assert '    op.create_index_concurrently("ix", "t"' in second
    assert "batch_op" not in second


def test_what_may_go_with_a_column_goes_before_it_and_comes_after_it():
    ((up, down),) = rewritten(ops.DropIndexOp.from_index(INDEX), DROP)
    assert up.index("op.drop_index('ix'") < up.index("op.drop_column(")
    added, filled = down.index("op.add_column("), down.index('op.set_not_null("t", "c")')
    assert added < filled < down.index('op.create_index_concurrently("ix"')
    assert "if_not_exists=True" in down[added:filled]


@pytest.mark.parametrize(
    ("default", "filled"),
    [("now()", False), ("gen_random_uuid()", True), ("'%'", False), ("random() * 5", True), ("ours(1)", True)],
)
def test_a_default_that_is_another_for_each_row_is_filled_in_batches(default, filled):
    add = ops.AddColumnOp("t", sa.Column("b", sa.Text, server_default=sa.text(default), unique=True, index=True))
    ((up, down),) = rewritten(add)
    assert ("op.add_column_with_default(" in up) == filled
    assert ("op.add_column(" in up) != filled
    assert "op.drop_column(" in down


def test_what_a_constraint_of_the_first_revision_may_need_is_added_there():
    column = sa.Column("b", sa.Text, server_default=sa.func.random())
    ((up, _),) = rewritten(
        ops.AddColumnOp("t", column), ops.CreateUniqueConstraintOp("uq", "t", ["b"], deferrable=True)
    )
    assert up.index("op.add_column(") < up.index("op.create_unique_constraint(")
