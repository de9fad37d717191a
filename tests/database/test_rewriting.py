"""Autogenerate writes the safe form for tables that are in use, and it does what the plain form would."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command as alembic

from tsext import catalog, command
from tsext.command import backfills
from tsext.errors import RevisionFailed
from tsext.testing import licensed

ROOT = Path(__file__).parents[2]

BEFORE = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text),
         sa.Column("phone", sa.Text), sa.UniqueConstraint("phone", name="uq_users_phone"))
sa.Table("shops", metadata, sa.Column("id", sa.Integer, primary_key=True))
sa.Table("orders", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("user_id", sa.Integer),
         sa.Column("code", sa.Text), sa.Column("old", sa.Text), sa.Index("ix_orders_code", "code"),
         sa.Column("shop_id", sa.Integer, sa.ForeignKey("shops.id", name="fk_orders_shop")),
         sa.Index("ix_orders_old", "old"))
sa.Table("parts", metadata, sa.Column("id", sa.Integer), sa.Column("n", sa.Integer),
         postgresql_partition_by="LIST (id)")
"""
AFTER = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text, nullable=False),
         sa.Column("age", sa.Integer, nullable=False), sa.Column("note", sa.Text, server_default=sa.text("'5%'")),
         sa.Column("token", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False),
         sa.Column("rank", sa.Float, server_default=sa.func.random()),
         sa.Column("score", sa.Float, server_default="0", nullable=False), sa.Column("phone", sa.Text),
         sa.Index("ix_users_phone", "phone"))
sa.Table("shops", metadata, sa.Column("id", sa.Integer, primary_key=True))
sa.Table("orders", metadata, sa.Column("id", sa.Integer, primary_key=True),
         sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", name="fk_orders_user", ondelete="CASCADE")),
         sa.Column("code", sa.Text), sa.UniqueConstraint("code", name="uq_orders_code"),
         sa.Index("ix_orders_user", "user_id", postgresql_where=sa.text("user_id > 5")))
sa.Table("venues", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text, nullable=False),
         sa.Index("ix_venues_name", "name"), sa.Index("ix_venues_like", sa.text("(name || '%')")))
sa.Table("parts", metadata, sa.Column("id", sa.Integer), sa.Column("n", sa.Integer), sa.Index("ix_parts_n", "n"),
         sa.ForeignKeyConstraint(["n"], ["users.id"], name="fk_parts"), sa.CheckConstraint("n < id", name="ck_parts"),
         sa.UniqueConstraint("id", "n", name="uq_parts"), postgresql_partition_by="LIST (id)")
"""
CHECKS = 'autogenerate_plugins=["alembic.autogenerate.*", "tsext.autogenerate", "alembic.ext.checkconstraint_byname"]'
FIRST = [
    "op.create_table('venues'",
    "op.create_index('ix_venues_name'",  # nobody uses a new table
    "op.add_column('users', sa.Column('note', sa.Text(), server_default=sa.text(\"'5%'\")",
    "(name || '%')",
    "op.add_column('users', sa.Column('score', sa.Float(), server_default='0', nullable=False)",  # costs nothing
    "op.drop_index(op.f('ix_orders_old')",  # goes with its column
    "op.create_unique_constraint('uq_parts'",  # a partitioned table cannot adopt an index
]
SECOND = [
    'op.create_index_concurrently(\n        "ix_orders_user",',
    'postgresql_where=sa.text("user_id > 5")',
    'op.drop_index_concurrently("ix_orders_code", table_name="orders", if_exists=True)',
    'op.create_index_concurrently("ix_parts_n", "parts", ["n"])',
    'op.add_foreign_key("fk_parts", "parts", "users", ["n"], ["id"])',
    'op.add_check("ck_parts", "parts", "n < id")',
    "op.add_foreign_key(",
    'ondelete="CASCADE"',
    'op.add_unique("uq_orders_code", "orders", ["code"])',
    'op.set_not_null("users", "name")',
    "op.add_column_with_default(",
    "gen_random_uuid()",
    "# If the table has rows, fill the column first",
]


def run(project, function, *arguments, **options):
    """One of Alembic's commands, with the models as they are now."""
    sys.modules.pop("models", None)
    return function(project.config, *arguments, **options)


def autogenerate(project, message, **options):
    run(project, alembic.revision, message=message, autogenerate=True, **options)


def body(project, number, function="upgrade"):
    (path,) = project.versions.glob(f"{number}_*.py")
    _, up, down = path.read_text().replace("def downgrade", "def upgrade").split("def upgrade")
    return up if function == "upgrade" else down


def look(project):
    """Columns, indexes and constraints."""
    columns = """
        SELECT attrelid::regclass::text, attname::text, attnotnull, pg_get_expr(adbin, adrelid)
        FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attnum > 0 AND NOT attisdropped AND attrelid::regclass::text IN ('users', 'orders', 'shops', 'venues')
    """
    indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename !~ 'history|alembic'"
    constraints = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype IN ('c', 'f', 'u')"
    return [sorted(map(str, project.rows(query))) for query in (columns, indexes, constraints)]


@pytest.fixture
def changed(project, monkeypatch):
    monkeypatch.setenv("TSEXT_ENV", "development")
    project.run_with(CHECKS)
    project.models(BEFORE)
    autogenerate(project, "before")
    run(project, command.upgrade)
    project.models(AFTER)
    return project


def test_tables_in_use_get_the_safe_form_in_a_revision_of_its_own(changed):
    autogenerate(changed, "after")

    first, second = body(changed, "002"), body(changed, "003")
    assert [each for each in FIRST if each not in first] == []
    assert [each for each in SECOND if each not in second] == []
    assert "concurrently" not in first and "op.set_not_null" not in first and "op.add_unique" not in first
    assert "op.create_table" not in second and "op.add_column(" not in second

    before = look(changed)
    run(changed, command.upgrade)
    run(changed, alembic.check)
    after = look(changed)
    command.rollback(changed.config, "1")
    assert look(changed) == before
    run(changed, command.upgrade)
    assert look(changed) == after


def test_a_way_back_that_was_interrupted_goes_on(changed):
    autogenerate(changed, "after", rev_id="007_after")
    run(changed, command.upgrade)
    command.rollback(changed.config, "7")
    back = body(changed, "007", "downgrade")
    assert "if_not_exists=True" in back and 'op.create_index_concurrently("ix_orders_old"' in back
    # the index is in the way of what comes last on the way back, after all that was committed
    changed.execute("INSERT INTO users (id, name, score, phone) VALUES (1, 'a', 0, '1'), (2, 'b', 0, '1')")

    with pytest.raises(RevisionFailed, match="could not create unique index"):
        command.rollback(changed.config, "1")
    assert changed.scalar("SELECT version_num FROM alembic_version") == "007_after"
    changed.execute("UPDATE users SET phone = id")
    command.rollback(changed.config, "1")

    with pytest.raises(RevisionFailed, match='"tsext_users_age_not_null" of relation "users" is violated'):
        run(changed, command.upgrade)
    changed.execute("UPDATE users SET age = 1")
    run(changed, command.upgrade)
    assert changed.scalar("SELECT count(DISTINCT token) + count(DISTINCT rank) FROM users") == 4
    run(changed, alembic.check)


def test_it_can_be_switched_off(changed):
    path = changed.path / "alembic.ini"
    path.write_text(path.read_text() + "\n[tsext:development]\nsafe_autogenerate = off\n")
    autogenerate(changed, "after")

    assert "op.create_index('ix_orders_user'" in body(changed, "002")
    assert not list(changed.versions.glob("003_*"))


TYPES = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("accounts", metadata, sa.Column("id", sa.{integer}, primary_key=True), sa.Column("code", sa.String({short})))
sa.Table("fees", metadata, sa.Column("account", sa.Integer, sa.ForeignKey("accounts.id", name="fk_fees")),
         sa.Column("id", sa.{integer}, primary_key=True), sa.Column("cents", sa.{money}, nullable={nullable}),
         sa.Column("a", sa.{integer}), sa.Column("b", sa.{integer}), sa.Index("ix_fees", "a", "b"),
         sa.Column("parent", sa.{integer}, unique=True), sa.Column("d", sa.{integer}),
         sa.Index("ix_fees_cents", "cents"){more})
"""


def test_types_are_changed_over_two_revisions(project, monkeypatch):
    """Where it would rewrite a table, and can be done so: nothing refers to the column, and no index is shared."""
    monkeypatch.setenv("TSEXT_ENV", "development")
    project.run_with(CHECKS)
    project.models(TYPES.format(integer="Integer", short=5, money="Integer", nullable=True, more=""))
    autogenerate(project, "before")
    run(project, command.upgrade)
    project.execute(
        "INSERT INTO accounts VALUES (1, 'a')",
        "INSERT INTO fees (account, cents) SELECT 1, g FROM generate_series(1, 9) AS g",
    )
    before = project.rows(COLUMNS)
    more = ', sa.Index("ix_fees_account", sa.text("cents DESC"), "account")'
    more += ', sa.CheckConstraint("a < d", name="ck_fees")'  # which then is about a column that is changed, too
    more += ', sa.ForeignKeyConstraint(["a"], ["fees.parent"], name="fk_parent")'  # to one that is changed meanwhile
    project.models(TYPES.format(integer="BigInteger", short=50, money="Text", nullable=False, more=more))
    autogenerate(project, "types")

    first, second, third = (body(project, f"00{number}") for number in (2, 3, 4))
    assert (
        first.count("op.alter_column(") == 5
    )  # wider text, what is referred to, twice, and what is in one thing with another
    said = [line.strip() for line in second.splitlines() if line.strip().startswith("op.")]
    assert said[:-3] == [
        'op.set_not_null("fees", "cents")',
        "op.create_index_concurrently(",
        'op.add_foreign_key("fk_parent", "fees", "fees", ["a"], ["parent"])',
        'op.add_check("ck_fees", "fees", "a < d")',
    ]
    assert said[-3:] == [
        f'op.expand_column_type("fees", "{column}", "{type_}")'
        for column, type_ in (("id", "BIGINT"), ("cents", "TEXT"), ("a", "BIGINT"))
    ]
    assert "# Deploy an application that reads and writes either type before this." in third
    assert 'existing_using="cents::INTEGER"' in third
    run(project, command.upgrade)
    run(project, alembic.check)
    after = project.rows(COLUMNS)
    project.execute("INSERT INTO fees (cents) VALUES ('10')")
    command.rollback(project.config, "1")
    assert project.rows(COLUMNS) == before
    assert project.scalar("SELECT sum(cents) FROM fees WHERE id = cents") == 55
    run(project, command.upgrade)
    assert project.rows(COLUMNS) == after
    run(project, alembic.check)


COLUMNS = """
SELECT attrelid::regclass::text, attname::text, format_type(atttypid, atttypmod), attnotnull,
    pg_get_expr(adbin, adrelid)
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attnum > 0 AND NOT attisdropped AND attrelid::regclass::text IN ('fees', 'accounts') ORDER BY 1, 2
"""

TRADES = """
from datetime import timedelta
import sqlalchemy as sa
from tsext import Dimension, Hypertable
metadata = sa.MetaData()
sa.Table("trades", metadata, sa.Column("time", sa.DateTime(timezone=True), primary_key=True),
         sa.Column("received", sa.DateTime(timezone=True), primary_key=True),
         sa.Column("device", sa.Text, primary_key=True), {shape})
"""


def test_what_timescaledb_cannot_change_moves_the_rows(project, monkeypatch):
    """A table with rows becomes a hypertable, and that one with another column and fewer dimensions."""
    monkeypatch.setenv("TSEXT_ENV", "development")
    project.models(TRADES.format(shape="schema=None"))
    autogenerate(project, "trades")
    run(project, command.upgrade)
    project.execute(
        "CREATE EXTENSION timescaledb",
        "INSERT INTO trades SELECT t, t, 'a' FROM generate_series('2026-01-01'::timestamptz, "
        "'2026-01-20', INTERVAL '1 hour') AS t",
    )
    by_time = 'Hypertable("time", timedelta(days=1), [Dimension("device", number_partitions=2)])'
    steps = [
        ("a hypertable", by_time, 'op.repartition_hypertable(\n        "trades",\n        "time",'),
        (
            "by another column",
            'Hypertable("received")',
            'op.repartition_hypertable("trades", "received", dimensions=[])',
        ),
    ]
    for number, (message, shape, expected) in enumerate(steps, 2):
        project.models(TRADES.format(shape=shape))
        autogenerate(project, message)
        assert expected in body(project, f"00{number}")
        if number == 3:
            with pytest.raises(RevisionFailed, match="has given trades another shape, and may still be undone"):
                run(project, command.upgrade)
            backfills.finish(project.config, "repartition_trades")
        run(project, command.upgrade)
        run(project, alembic.check)
        assert project.scalar("SELECT count(*) FROM trades") == 457
        before = partitioning(project)
        command.rollback(project.config, str(number - 1))
        assert partitioning(project) != before
        run(project, command.upgrade)
        assert partitioning(project) == before
    assert partitioning(project) == [("received", 3)]
    backfills.finish(project.config, "repartition_trades")
    command.rollback(project.config, "1")  # all rows are moved twice, as no old table is left
    assert partitioning(project) == [(None, 0)]
    assert project.scalar("SELECT count(*) FROM trades") == 457


def partitioning(project):
    """Columns, and how many chunks there are."""
    return project.rows(
        "SELECT string_agg(column_name, ' ' ORDER BY dimension_number), (SELECT count(*) FROM "
        "timescaledb_information.chunks AS c WHERE (c.hypertable_schema, c.hypertable_name) = ('public', 'trades')) "
        "FROM timescaledb_information.dimensions WHERE (hypertable_schema, hypertable_name) = ('public', 'trades')"
    )


REFERENCE = """

Index("ix_market_data_close", MarketData.close, postgresql_where=text("volume > 5"))
Index("uq_market_data_all", MarketData.time, MarketData.instrument_id, MarketData.close, unique=True)
Index("ix_accounts_broker", Account.broker)
Account.__table__.append_constraint(UniqueConstraint("broker", "code"))
"""


@contextmanager
def stopped_before(number, start):
    """As if it failed before one of the statements that start so, in any connection."""
    seen = count(1)

    def stop(connection, cursor, statement, *_):
        if statement.startswith(start) and next(seen) == number:
            raise RuntimeError("stopped")

    sa.event.listen(sa.Engine, "before_cursor_execute", stop)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", stop)


def test_the_reference_schema_is_changed_in_production(project, monkeypatch):
    monkeypatch.setenv("TSEXT_ENV", "development")  # with test data, and so with chunks
    for folder in ("alembic", "migrations_sql"):
        shutil.copytree(ROOT / folder, project.path / folder, dirs_exist_ok=True)
    run(project, command.upgrade)
    project.execute(
        "INSERT INTO market_data SELECT id, '1m', '2026-01-01'::timestamptz + g * INTERVAL '20 days', 1, 1, 1, 1 "
        "FROM generate_series(1, 9) AS g, (SELECT id FROM instruments LIMIT 1) AS i"
    )
    project.models((ROOT / "alembic" / "models.py").read_text() + REFERENCE)
    autogenerate(project, "more")
    assert '"ix_market_data_close"' in body(project, "004")
    assert not list(project.versions.glob("005_*"))

    monkeypatch.setenv("TSEXT_ENV", "production")
    with stopped_before(2, "CREATE UNIQUE INDEX CONCURRENTLY _"), pytest.raises(RevisionFailed, match="stopped"):
        run(project, command.upgrade)
    run(project, command.upgrade)
    run(project, alembic.check)
    assert command.validate(project.config) == []
    with project.engine.connect() as connection:
        _, *chunks = catalog.indexed_tables(connection, "market_data")
    assert chunks and {len(chunk.indexes) for chunk in chunks} == {4}
    command.rollback(project.config, "3")
    run(project, command.upgrade)
    run(project, alembic.check)


AGGREGATES = """
import sqlalchemy as sa
from tsext import AggregateIndex, ContinuousAggregate, Hypertable

metadata = sa.MetaData()
columns = [sa.Column(name, sa.Text) for name in {columns}]
time = sa.Column("time", sa.DateTime(timezone=True), nullable=False)
sa.Table("ticks", metadata, time, sa.Column("price", sa.Float), *columns, Hypertable("time"))
query = "SELECT time_bucket('1 hour', time) AS bucket, {function}(price) AS price FROM ticks GROUP BY 1"
ContinuousAggregate("hourly", query, indexes=[AggregateIndex("ix_hourly", ["{index}"])], metadata=metadata)
query = "SELECT time_bucket('1 day', bucket) AS bucket, max(price) AS price FROM hourly GROUP BY 1"
ContinuousAggregate("daily", query, metadata=metadata)
"""


@pytest.mark.licensed
def test_aggregates_are_filled_before_they_take_a_name(new_project, licensed_url, monkeypatch):
    monkeypatch.setenv("TSEXT_DATABASE_URL", licensed_url)
    project = new_project(licensed_url)
    engine = licensed.engine(licensed_url)
    upgrade = partial(alembic.upgrade, revision="head")

    def migrated(**said):
        project.models(AGGREGATES.format(**said))
        for work in (lambda config: alembic.revision(config, "next", True), upgrade, alembic.check):
            sys.modules.pop("models", None)
            work(project.config)

    def highest():
        with engine.connect() as connection:
            return connection.exec_driver_sql("SELECT (SELECT max(price) FROM hourly), max(price) FROM daily").one()

    migrated(columns=[], function="max", index="price")
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO ticks VALUES ('2026-01-01 10:00', 1), ('2026-01-01 10:30', 2)")
    migrated(columns=[], function="max", index="price DESC")
    assert [each.name for each in sorted(project.versions.glob("*.py"))] == ["001_next.py", "002_next.py"]
    # another query is filled before it takes the name of the old one, and what else there is stands apart from it
    migrated(columns=["venue"], function="min", index="price DESC")
    assert tuple(highest()) == (1, 1)
    assert "op.add_column(" in (project.versions / "003_next.py").read_text()
    swap = (project.versions / "004_next_new_aggregates.py").read_text()
    assert swap.index("op.refresh_continuous_aggregate(") < swap.rindex('op.rename_continuous_aggregate("hourly", "ho')
    alembic.downgrade(project.config, "002")
    assert tuple(highest()) == (None, None)
    upgrade(project.config)
    assert tuple(highest()) == (1, 1)
    alembic.downgrade(project.config, "base")
    sys.modules.pop("models", None)
