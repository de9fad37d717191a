"""TimescaleDB, and the hypertables market_data, trades and signals

Revision ID: 002_add_timescaledb
Revises: 001_initial_schema
Create Date: 2026-11-03 09:00:00+00:00
"""

from datetime import timedelta

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "002_add_timescaledb"
down_revision = "001_initial_schema"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_extension("timescaledb", if_not_exists=True)
    _market_data()
    _trades()
    _signals()


def downgrade() -> None:
    op.execute_rollback_file("002_rollback.sql")


def _market_data() -> None:
    op.create_table(
        "market_data",
        sa.Column("instrument_id", sa.Integer(), nullable=False),
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False, comment="Begin of the candle"),
        sa.Column("open", sa.Numeric(20, 8), nullable=False),
        sa.Column("high", sa.Numeric(20, 8), nullable=False),
        sa.Column("low", sa.Numeric(20, 8), nullable=False),
        sa.Column("close", sa.Numeric(20, 8), nullable=False),
        sa.Column(
            "volume",
            sa.Numeric(28, 8),
            server_default=sa.text("0"),
            nullable=False,
            comment="In units of the instrument; 0 where the venue tells none, as in fx",
        ),
        sa.CheckConstraint(
            "timeframe IN ('1m', '5m', '15m', '1h', '4h', '1d', '1w', '1mo')",
            name=op.f("ck_market_data_timeframe"),
        ),
        sa.CheckConstraint("high >= greatest(open, close, low)", name=op.f("ck_market_data_high")),
        sa.CheckConstraint("low <= least(open, close)", name=op.f("ck_market_data_low")),
        sa.CheckConstraint("volume >= 0", name=op.f("ck_market_data_volume")),
        sa.ForeignKeyConstraint(["instrument_id"], ["instruments.id"], name=op.f("fk_market_data_instrument_id")),
        sa.PrimaryKeyConstraint("instrument_id", "timeframe", "time", name=op.f("pk_market_data")),
        comment="Candles; kept for good, since backtests read them",
    )
    op.create_hypertable("market_data", column="time", chunk_time_interval=timedelta(days=30))
    op.create_index("ix_market_data_time", "market_data", [sa.text("time DESC")])


def _trades() -> None:
    op.create_table(
        "trades",
        sa.Column(
            "instrument_id",
            sa.Integer(),
            nullable=False,
            comment="No foreign key: ticks come by the million, and dropping old chunks would lock instruments",
        ),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False, comment="Clock of the venue"),
        sa.Column("venue_trade_id", sa.Text(), nullable=False),
        sa.Column("price", sa.Numeric(20, 8), nullable=False),
        sa.Column("quantity", sa.Numeric(20, 8), nullable=False),
        sa.Column("aggressor_side", sa.Text(), nullable=True, comment="NULL: the venue does not tell"),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_trades_quantity")),
        sa.CheckConstraint("aggressor_side IN ('buy', 'sell')", name=op.f("ck_trades_aggressor_side")),
        sa.PrimaryKeyConstraint("instrument_id", "time", "venue_trade_id", name=op.f("pk_trades")),
        comment="Everyone's trades, tick by tick, as the venues publish them; ours are in order_fills",
    )
    op.create_hypertable("trades", column="time", chunk_time_interval=timedelta(days=1))
    op.add_dimension("trades", column="instrument_id", number_partitions=4)
    op.create_index("ix_trades_time", "trades", [sa.text("time DESC")])


def _signals() -> None:
    op.create_table(
        "signals",
        sa.Column("strategy_id", sa.Integer(), nullable=False),
        sa.Column("instrument_id", sa.Integer(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "personality_profile_id",
            sa.Integer(),
            nullable=False,
            comment="The profile it was produced under; the assignment may have another by now",
        ),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("strength", sa.Numeric(7, 6), nullable=False, comment="0 is a guess, 1 is as sure as it gets"),
        sa.Column("price", sa.Numeric(20, 8), nullable=False, comment="Last price when it was produced"),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column(
            "features",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="The figures it was decided on",
        ),
        sa.CheckConstraint("direction IN ('long', 'short', 'flat')", name=op.f("ck_signals_direction")),
        sa.CheckConstraint("strength BETWEEN 0 AND 1", name=op.f("ck_signals_strength")),
        sa.CheckConstraint("decision IN ('acted', 'ignored', 'blocked')", name=op.f("ck_signals_decision")),
        sa.ForeignKeyConstraint(["strategy_id"], ["strategies.id"], name=op.f("fk_signals_strategy_id")),
        sa.ForeignKeyConstraint(["instrument_id"], ["instruments.id"], name=op.f("fk_signals_instrument_id")),
        sa.ForeignKeyConstraint(
            ["personality_profile_id"],
            ["personality_profiles.id"],
            name=op.f("fk_signals_personality_profile_id"),
        ),
        sa.PrimaryKeyConstraint("strategy_id", "instrument_id", "time", name=op.f("pk_signals")),
        comment="What the strategies wanted to do, and whether it was done; kept for good, as evidence",
    )
    op.create_hypertable("signals", column="time", chunk_time_interval=timedelta(days=30))
    op.create_index(
        "ix_signals_instrument_id_time",
        "signals",
        ["instrument_id", sa.text("time DESC")],
        postgresql_include=["direction", "strength"],
    )
    op.create_index("ix_signals_time", "signals", [sa.text("time DESC")])
    op.create_index(
        "ix_signals_blocked",
        "signals",
        [sa.text("time DESC")],
        postgresql_where=sa.text("decision = 'blocked'"),
    )
