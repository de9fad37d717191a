"""What the verbs of indexes print and how they stand in a revision."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.operations.ops import CreateIndexOp, UpgradeOps

from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import Index
from tsext.operations.indexes import (
    CreateIndexConcurrently,
    DropIndexConcurrently,
    ReindexConcurrently,
    created,
    dropped,
)


def rendered(*operations):
    return render_python_code(UpgradeOps(list(operations)))


def test_a_script_builds_an_index_outside_the_transaction(op):
    op.create_index_concurrently("ix", "ticks", ["symbol", sa.text("time DESC")], schema="app", unique=True)
    op.create_index_concurrently("ix", "t", ["a"], postgresql_where=sa.text("a <> '5%'"), postgresql_include=["b"])
    op.drop_index_concurrently("ix", "ticks", schema="app", if_exists=True)
    op.reindex_concurrently("Ix")

    assert [each for each in op.emitted() if each not in ("COMMIT", "BEGIN")] == [
        "CREATE UNIQUE INDEX CONCURRENTLY ix ON app.ticks (symbol, time DESC)",
        "CREATE INDEX CONCURRENTLY ix ON t (a) INCLUDE (b) WHERE a <> '5%'",
        "DROP INDEX CONCURRENTLY IF EXISTS app.ix",
        'REINDEX INDEX CONCURRENTLY "Ix"',
    ]


def test_it_is_rendered_as_alembic_renders_its_own():
    create = CreateIndexConcurrently(
        Index("ix", "t", ("a", sa.text("lower(b)")), "app", True, {"postgresql_using": "gin"})
    )

    assert "op.create_index_concurrently('ix', 't', ['a', sa.literal_column('lower(b)')]" in rendered(create)
    assert "schema='app', postgresql_using='gin')" in rendered(create)
    assert 'op.drop_index_concurrently("ix", table_name="t", schema="app")' in rendered(create.reverse())
    assert create.reverse().reverse().target == create.target
    assert "pass" in rendered(ReindexConcurrently("ix").reverse())


def test_what_is_not_known_cannot_be_built_again():
    with pytest.raises(IrreversibleOperation, match="is not known"):
        DropIndexConcurrently("ix").reverse()


@pytest.mark.parametrize("arguments", [("", "t", ("a",)), ("ix", "", ("a",)), (None, "t", ("a",))])
def test_names_are_needed(arguments):
    with pytest.raises(InvalidObject):
        Index(*arguments)


def test_alembics_own_operation_has_a_counterpart():
    theirs = CreateIndexOp(
        "ix", "t", ["a"], unique=True, postgresql_concurrently=True, postgresql_where=sa.text("a > 1")
    )

    ours = created(theirs)

    assert ours.target.unique
    assert set(ours.target.options) == {"postgresql_where"}
    assert dropped(theirs.reverse()).reverse().target.name == "ix"
