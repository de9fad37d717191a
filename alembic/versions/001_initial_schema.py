"""The plain tables: instruments, accounts, personalities, orders, money and risk

Revision ID: 001_initial_schema
Revises:
Create Date: 2026-11-02 09:00:00+00:00
"""

from alembic import op

revision = "001_initial_schema"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute_file("001_initial_schema.sql")


def downgrade() -> None:
    op.execute_rollback_file("001_rollback.sql")
