"""Autogenerate writes the safe form for tables that are in use, and it does what the plain form would."""

from __future__ import annotations

import pytest

BEFORE = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
sa.Table("orders", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("user_id", sa.Integer),
         sa.Column("code", sa.Text), sa.Index("ix_orders_code", "code"))
"""
AFTER = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text, nullable=False),
         sa.Column("age", sa.Integer, nullable=False), sa.Column("note", sa.Text))
sa.Table("orders", metadata, sa.Column("id", sa.Integer, primary_key=True),
         sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", name="fk_orders_user", ondelete="CASCADE")),
         sa.Column("code", sa.Text), sa.UniqueConstraint("code", name="uq_orders_code"),
         sa.Index("ix_orders_user", "user_id", postgresql_where=sa.text("user_id > 5")))
sa.Table("venues", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text, nullable=False),
         sa.Index("ix_venues_name", "name"))
"""


@pytest.fixture
def changed(project):
    project.environment["TSEXT_ENV"] = "development"
    project.models(BEFORE)
    project.run("alembic", "revision", "--autogenerate", "-m", "before")
    project.run("alembic", "upgrade", "head")
    project.models(AFTER)
    return project


def text(project, number):
    (path,) = project.versions.glob(f"{number}_*.py")
    return path.read_text()


def test_tables_in_use_get_the_safe_form_in_a_revision_of_its_own(changed):
    changed.run("alembic", "revision", "--autogenerate", "-m", "after")

    first, second = text(changed, "002"), text(changed, "003")
    assert "op.create_table('venues'" in first
    assert "op.create_index('ix_venues_name'" in first  # nobody uses a new table
    assert "op.add_column('users', sa.Column('note'" in first
    assert "concurrently" not in first and "op.set_not_null" not in first
    assert "op.create_index_concurrently('ix_orders_user', 'orders', ['user_id']" in second
    assert 'op.drop_index_concurrently("ix_orders_code", table_name="orders", if_exists=True)' in second
    assert "op.add_foreign_key(" in second and 'ondelete="CASCADE"' in second
    assert 'op.add_unique("uq_orders_code", "orders", ["code"])' in second
    assert 'op.set_not_null("users", "name")' in second
    assert "# If the table has rows, fill the column first" in second
    assert "op.create_table" not in second

    look = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE '%history' ORDER BY 1"
    before = changed.rows(look.replace("%", "%%"))
    changed.run("alembic", "upgrade", "head")
    changed.run("alembic", "check")
    changed.run("alembic", "downgrade", "001")
    assert changed.rows(look.replace("%", "%%")) == before
    changed.run("alembic", "upgrade", "head")
    changed.run("alembic", "check")


def test_it_can_be_switched_off(changed):
    path = changed.path / "alembic.ini"
    path.write_text(path.read_text() + "\n[tsext:development]\nsafe_autogenerate = off\n")
    changed.run("alembic", "revision", "--autogenerate", "-m", "after")

    assert "op.create_index('ix_orders_user'" in text(changed, "002")
    assert not list(changed.versions.glob("003_*"))
