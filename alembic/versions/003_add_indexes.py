"""Indexes of the plain tables, built without blocking writers

Revision ID: 003_add_indexes
Revises: 002_add_timescaledb
Create Date: 2026-11-04 09:00:00+00:00
"""

from alembic import op

revision = "003_add_indexes"
down_revision = "002_add_timescaledb"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute_file("003_add_indexes.sql")


def downgrade() -> None:
    op.execute_rollback_file("003_rollback.sql")
