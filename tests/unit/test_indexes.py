"""What the verbs of indexes print and how they stand in a revision."""

import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.operations.ops import CreateIndexOp, UpgradeOps

from tsext.catalog import IndexedTable
from tsext.errors import InvalidObject, IrreversibleOperation
from tsext.model import Index
from tsext.operations.index_builds import Build
from tsext.operations.indexes import (
    CreateIndexConcurrently,
    DropIndexConcurrently,
    ReindexConcurrently,
    created,
    dropped,
)


def rendered(*operations):
    return render_python_code(UpgradeOps(list(operations)))


def test_what_is_stated():
    where = {"postgresql_where": sa.text("a <> '5%'"), "postgresql_include": ["b"]}
    operations = [
        CreateIndexConcurrently(Index("ix", "ticks", ["symbol", sa.text("time DESC")], "app", True)),
        CreateIndexConcurrently(Index("ix", "t", ["a"], options=where)),
        DropIndexConcurrently("ix", "ticks", "app", if_exists=True),
        ReindexConcurrently("Ix"),
    ]
    assert [each.sql() for each in operations] == [
        "CREATE UNIQUE INDEX CONCURRENTLY ix ON app.ticks (symbol, time DESC)",
        "CREATE INDEX CONCURRENTLY ix ON t (a) INCLUDE (b) WHERE a <> '5%'",
        "DROP INDEX CONCURRENTLY IF EXISTS app.ix",
        'REINDEX INDEX CONCURRENTLY "Ix"',
    ]


def test_the_root_of_a_hypertable_is_indexed_without_a_lock_on_its_chunks():
    root = IndexedTable("app", "ticks", "r", ())
    where = Build("ix", "ticks", "app", "USING btree (a) WHERE (b > 1)", "(b > 1)", "fast")
    unique = Build("ix", "ticks", "app", "UNIQUE USING btree (a)")
    fill = Build("ix", "ticks", "app", "USING btree (a) WITH (fillfactor='50')")
    assert [each.create_on_root(root) for each in (where, unique, fill)] == [
        "CREATE INDEX ix ON ONLY app.ticks USING btree (a) WITH (timescaledb.transaction_per_chunk) TABLESPACE fast "
        "WHERE (b > 1)",
        "CREATE UNIQUE INDEX ix ON ONLY app.ticks USING btree (a)",
        "CREATE INDEX ix ON ONLY app.ticks USING btree (a) WITH (fillfactor='50')",
    ]


def test_a_script_asks_what_the_table_is(op):
    op.create_index_concurrently("ix", "t", ["a"], postgresql_where=sa.text("a <> '5%'"))
    script = "".join(op.emitted())
    assert "\\if :tsext_hypertable\nCREATE INDEX ix ON ONLY t (a) WHERE a <> '5%'" in script
    assert "format('CREATE INDEX CONCURRENTLY %I ON %s (a) WHERE a <> ''5%%''', left(" in script
    assert "\\else\nCREATE INDEX CONCURRENTLY ix ON t (a) WHERE a <> '5%'" in script


def test_it_is_rendered_as_alembic_renders_its_own():
    create = CreateIndexConcurrently(
        Index("ix", "t", ("a", sa.text("lower(b)")), "app", True, {"postgresql_using": "gin"})
    )

    text = "".join(rendered(create).split()).replace(",]", "]").replace(",)", ")")
    assert 'op.create_index_concurrently("ix","t",["a",sa.literal_column("lower(b)")]' in text
    assert ',unique=True,schema="app",postgresql_using="gin")' in text
    assert 'op.drop_index_concurrently("ix", table_name="t", schema="app")' in rendered(create.reverse())
    assert create.reverse().reverse().target == create.target
    assert "pass" in rendered(ReindexConcurrently("ix").reverse())


def test_formatters_leave_it_alone():
    """ruff format is black; both with their default width of 88."""
    options = {
        "postgresql_where": sa.text("a > 'it''s'"),
        "postgresql_ops": {"a": "text_ops"},
        "postgresql_with": {"x": 1},
    }
    indexes = [Index("i" * width, "t", ["a", sa.text('"B" DESC')]) for width in range(1, 40)]
    indexes += [Index("ix", "t", ["a" * width for width in range(20, 30)], "s", True, options), Index("ix", "t", "a")]
    bodies = [rendered(CreateIndexConcurrently(each)).split("\n", 1)[1].rsplit("\n", 1)[0] for each in indexes]
    text = "def upgrade():\n" + "".join(f"    {body.strip()}\n" for body in bodies)
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert done.stdout == text
    assert text.count("unique=") == 1


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
