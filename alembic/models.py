"""The schema of an adaptive trading system, as SQLAlchemy models: what ``alembic check`` compares the database with.

The SQL files in ``migrations_sql`` make the tables, these models describe them; whoever changes one changes the
other. Constraints are named by ``NAMING``, in both.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Interval,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import BigInteger

from tsext import Dimension, Hypertable

NAMING = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}

metadata = MetaData(naming_convention=NAMING)

Money = Annotated[Decimal, mapped_column(Numeric(20, 8))]
"""Prices, quantities and amounts: exact, and fine enough for crypto."""

Fraction = Annotated[Decimal, mapped_column(Numeric(7, 6))]
"""From 0 to 1."""

Json = Annotated[dict[str, Any], mapped_column(JSONB, server_default=text("'{}'::jsonb"))]

Id = Annotated[int, mapped_column(Integer, Identity(always=True), primary_key=True)]
BigId = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]

Now = Annotated[datetime, mapped_column(server_default=func.now())]
"""The time of the transaction, unless one is given."""


class Base(DeclarativeBase):
    """Base of all models."""

    metadata = metadata
    type_annotation_map = {
        datetime: DateTime(timezone=True),
        timedelta: Interval,
        str: Text,
    }


def one_of(column: str, *values: str) -> CheckConstraint:
    """A column that takes one of a few words; a CHECK, because an enum's values cannot be removed."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({words})", name=column)


# --- what is traded, and for whom


class Instrument(Base):
    """What can be traded, once per venue."""

    __tablename__ = "instruments"
    __table_args__ = (
        UniqueConstraint("venue", "symbol"),
        one_of("asset_class", "equity", "fx", "crypto", "future", "index"),
        CheckConstraint("(base_currency IS NOT NULL) = (asset_class IN ('fx', 'crypto'))", name="base_currency"),
        CheckConstraint("tick_size > 0", name="tick_size"),
        CheckConstraint("lot_size > 0", name="lot_size"),
        CheckConstraint("contract_multiplier > 0", name="contract_multiplier"),
        CheckConstraint("delisted_at IS NULL OR NOT is_tradable", name="delisted"),
        {"comment": "What can be traded, once per venue"},
    )

    id: Mapped[Id]
    venue: Mapped[str]
    symbol: Mapped[str]
    asset_class: Mapped[str]
    base_currency: Mapped[str | None] = mapped_column(comment="What is bought with the quote currency; pairs only")
    quote_currency: Mapped[str] = mapped_column(comment="Currency of its prices and of profit and loss")
    tick_size: Mapped[Money]
    lot_size: Mapped[Money]
    contract_multiplier: Mapped[Money] = mapped_column(
        server_default=text("1"), comment="Money per unit of quantity and of price"
    )
    is_tradable: Mapped[bool] = mapped_column(server_default=text("true"))
    delisted_at: Mapped[datetime | None]
    created_at: Mapped[Now]
    updated_at: Mapped[Now]


class Account(Base):
    """An account at a broker."""

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("code"),
        one_of("mode", "paper", "live"),
        one_of("status", "active", "suspended", "closed"),
        CheckConstraint("max_leverage >= 1", name="max_leverage"),
        CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="closed"),
        {"comment": "Accounts at brokers"},
    )

    id: Mapped[Id]
    code: Mapped[str]
    broker: Mapped[str]
    mode: Mapped[str] = mapped_column(server_default="paper", comment="paper until someone decides otherwise")
    status: Mapped[str] = mapped_column(server_default="active")
    base_currency: Mapped[str]
    max_leverage: Mapped[Decimal] = mapped_column(Numeric(6, 2), server_default=text("1"))
    closed_at: Mapped[datetime | None]
    created_at: Mapped[Now]
    updated_at: Mapped[Now]


# --- how it is traded


class PersonalityProfile(Base):
    """How a trader behaves."""

    __tablename__ = "personality_profiles"
    __table_args__ = (
        UniqueConstraint("name", "version"),
        Index("uq_personality_profiles_active", "name", unique=True, postgresql_where=text("is_active")),
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("risk_appetite BETWEEN 0 AND 1", name="risk_appetite"),
        CheckConstraint("holding_horizon > interval '0'", name="holding_horizon"),
        one_of("position_sizing", "fixed_fraction", "volatility_target", "kelly_fraction"),
        CheckConstraint("risk_per_trade > 0 AND risk_per_trade <= max_position", name="risk_per_trade"),
        CheckConstraint("max_position > 0 AND max_position <= 1", name="max_position"),
        CheckConstraint("max_drawdown > 0 AND max_drawdown <= 1", name="max_drawdown"),
        CheckConstraint("adaptation_rate BETWEEN 0 AND 1", name="adaptation_rate"),
        CheckConstraint("jsonb_typeof(parameters) = 'object'", name="parameters"),
        {"comment": "How a trader behaves; a changed profile is a new version, the old one stays"},
    )

    id: Mapped[Id]
    name: Mapped[str]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    description: Mapped[str] = mapped_column(server_default="")
    risk_appetite: Mapped[Fraction] = mapped_column(comment="0 avoids every risk, 1 takes what the limits allow")
    holding_horizon: Mapped[timedelta] = mapped_column(comment="How long it means to hold a position")
    position_sizing: Mapped[str]
    risk_per_trade: Mapped[Fraction] = mapped_column(comment="Fraction of the allocated capital one trade may lose")
    max_position: Mapped[Fraction] = mapped_column(comment="Fraction of the allocated capital in one position")
    max_drawdown: Mapped[Fraction] = mapped_column(comment="Fraction of the allocated capital lost at which it stops")
    adaptation_rate: Mapped[Fraction] = mapped_column(
        server_default=text("0"), comment="Weight of the newest results when it adapts; 0 never adapts"
    )
    parameters: Mapped[Json] = mapped_column(comment="What only this kind of trader needs")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[Now]
    updated_at: Mapped[Now]


class Strategy(Base):
    """What produces signals."""

    __tablename__ = "strategies"
    __table_args__ = (
        UniqueConstraint("code"),
        one_of("kind", "trend", "mean_reversion", "market_making", "arbitrage"),
        one_of("status", "draft", "backtest", "paper", "live", "retired"),
        CheckConstraint("jsonb_typeof(parameters) = 'object'", name="parameters"),
        {"comment": "What produces signals"},
    )

    id: Mapped[Id]
    code: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="draft")
    parameters: Mapped[Json]
    created_at: Mapped[Now]
    updated_at: Mapped[Now]


class StrategyAssignment(Base):
    """Which strategy trades which instrument on which account, with which personality."""

    __tablename__ = "strategy_assignments"
    __table_args__ = (
        Index(
            "uq_strategy_assignments_current",
            "strategy_id",
            "account_id",
            "instrument_id",
            unique=True,
            postgresql_where=text("valid_until IS NULL"),
        ),
        Index("ix_strategy_assignments_account_id", "account_id", "instrument_id"),
        Index("ix_strategy_assignments_personality_profile_id", "personality_profile_id"),
        CheckConstraint("allocated_capital >= 0", name="allocated_capital"),
        CheckConstraint("valid_until > valid_from", name="valid"),
        {"comment": "Which strategy trades which instrument on which account, with which personality"},
    )

    id: Mapped[BigId]
    strategy_id: Mapped[int] = mapped_column(ForeignKey("strategies.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    instrument_id: Mapped[int] = mapped_column(ForeignKey("instruments.id"))
    personality_profile_id: Mapped[int] = mapped_column(ForeignKey("personality_profiles.id"))
    allocated_capital: Mapped[Money] = mapped_column(comment="In the base currency of the account")
    valid_from: Mapped[Now]
    valid_until: Mapped[datetime | None] = mapped_column(comment="NULL: still in force")
    created_at: Mapped[Now]
    updated_at: Mapped[Now]


class PersonalityAdjustment(Base):
    """One adaptation: from which profile to which, and why; append-only."""

    __tablename__ = "personality_adjustments"
    __table_args__ = (
        Index(
            "ix_personality_adjustments_strategy_assignment_id",
            "strategy_assignment_id",
            text("adjusted_at DESC"),
        ),
        CheckConstraint("to_profile_id <> from_profile_id", name="changes"),
        {"comment": "Each time the system adapted: from which profile to which, and why; append-only"},
    )

    id: Mapped[BigId]
    strategy_assignment_id: Mapped[int] = mapped_column(ForeignKey("strategy_assignments.id"))
    from_profile_id: Mapped[int] = mapped_column(ForeignKey("personality_profiles.id"))
    to_profile_id: Mapped[int] = mapped_column(ForeignKey("personality_profiles.id"))
    reason: Mapped[str]
    evidence: Mapped[Json] = mapped_column(comment="The figures it was decided on")
    adjusted_at: Mapped[Now]


# --- what was done


class Order(Base):
    """An order sent to a broker, by a strategy or by hand."""

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("account_id", "client_order_id"),
        Index("ix_orders_account_id_submitted_at", "account_id", text("submitted_at DESC")),
        Index(
            "ix_orders_open",
            "instrument_id",
            "account_id",
            postgresql_include=["side", "quantity", "filled_quantity", "limit_price"],
            postgresql_where=text("status IN ('pending', 'working', 'partially_filled')"),
        ),
        Index("ix_orders_instrument_id_submitted_at", "instrument_id", text("submitted_at DESC")),
        Index(
            "ix_orders_strategy_assignment_id",
            "strategy_assignment_id",
            postgresql_where=text("strategy_assignment_id IS NOT NULL"),
        ),
        Index(
            "ix_orders_parent_order_id",
            "parent_order_id",
            postgresql_where=text("parent_order_id IS NOT NULL"),
        ),
        one_of("side", "buy", "sell"),
        one_of("order_type", "market", "limit", "stop", "stop_limit"),
        one_of("time_in_force", "day", "gtc", "ioc", "fok"),
        one_of("status", "pending", "working", "partially_filled", "filled", "cancelled", "rejected", "expired"),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("filled_quantity BETWEEN 0 AND quantity", name="filled_quantity"),
        CheckConstraint("status <> 'filled' OR filled_quantity = quantity", name="filled"),
        CheckConstraint("(average_fill_price IS NOT NULL) = (filled_quantity > 0)", name="average_fill_price"),
        CheckConstraint("(limit_price IS NOT NULL) = (order_type IN ('limit', 'stop_limit'))", name="limit_price"),
        CheckConstraint("(stop_price IS NOT NULL) = (order_type IN ('stop', 'stop_limit'))", name="stop_price"),
        CheckConstraint(
            "(closed_at IS NOT NULL) = (status IN ('filled', 'cancelled', 'rejected', 'expired'))",
            name="closed",
        ),
        CheckConstraint("parent_order_id <> id", name="parent_order_id"),
        {"comment": "Orders sent to brokers, by a strategy or by hand"},
    )

    id: Mapped[BigId]
    client_order_id: Mapped[str] = mapped_column(
        comment="Our own id, unique per account: sending an order again is harmless"
    )
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    instrument_id: Mapped[int] = mapped_column(ForeignKey("instruments.id"))
    strategy_assignment_id: Mapped[int | None] = mapped_column(
        ForeignKey("strategy_assignments.id"), comment="NULL: entered by hand"
    )
    parent_order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    signal_time: Mapped[datetime | None] = mapped_column(
        comment="With strategy and instrument the key of the signal; no foreign key, because signals is a hypertable"
    )
    side: Mapped[str]
    order_type: Mapped[str]
    time_in_force: Mapped[str] = mapped_column(server_default="day")
    quantity: Mapped[Money]
    limit_price: Mapped[Money | None] = mapped_column(comment="May be negative: some futures trade below zero")
    stop_price: Mapped[Money | None]
    status: Mapped[str] = mapped_column(server_default="pending")
    filled_quantity: Mapped[Money] = mapped_column(server_default=text("0"))
    average_fill_price: Mapped[Money | None]
    reject_reason: Mapped[str | None]
    submitted_at: Mapped[Now]
    closed_at: Mapped[datetime | None]
    created_at: Mapped[Now]
    updated_at: Mapped[Now]


class OrderFill(Base):
    """What the venue says was executed; append-only."""

    __tablename__ = "order_fills"
    __table_args__ = (
        UniqueConstraint("order_id", "venue_execution_id"),
        Index(
            "ix_order_fills_executed_at",
            text("executed_at DESC"),
            postgresql_include=["order_id", "quantity", "price", "fee"],
        ),
        CheckConstraint("quantity > 0", name="quantity"),
        one_of("liquidity", "maker", "taker"),
        {"comment": "What the venue says was executed; append-only"},
    )

    id: Mapped[BigId]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    venue_execution_id: Mapped[str] = mapped_column(comment="Unique per order: a report received twice is booked once")
    quantity: Mapped[Money]
    price: Mapped[Money]
    fee: Mapped[Money] = mapped_column(server_default=text("0"), comment="Negative: a rebate")
    fee_currency: Mapped[str]
    liquidity: Mapped[str | None]
    executed_at: Mapped[datetime] = mapped_column(comment="Clock of the venue")
    received_at: Mapped[Now] = mapped_column(comment="Our clock")


class Position(Base):
    """What an account holds now of one instrument."""

    __tablename__ = "positions"
    __table_args__ = (
        PrimaryKeyConstraint("account_id", "instrument_id"),
        Index(
            "ix_positions_open",
            "instrument_id",
            postgresql_include=["quantity", "average_entry_price"],
            postgresql_where=text("quantity <> 0"),
        ),
        CheckConstraint(
            "CASE WHEN quantity = 0 THEN num_nonnulls(average_entry_price, opened_at) = 0"
            " ELSE num_nonnulls(average_entry_price, opened_at) = 2 END",
            name="open",
        ),
        {"comment": "What each account holds now; the history is in order_fills"},
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    instrument_id: Mapped[int] = mapped_column(ForeignKey("instruments.id"))
    quantity: Mapped[Money] = mapped_column(server_default=text("0"), comment="Negative: short")
    average_entry_price: Mapped[Money | None]
    realized_pnl: Mapped[Money] = mapped_column(
        server_default=text("0"), comment="In the quote currency of the instrument, fees not taken off"
    )
    opened_at: Mapped[datetime | None]
    lock_version: Mapped[int] = mapped_column(
        server_default=text("1"), comment="Counts updates, so that a writer sees that another was faster"
    )
    updated_at: Mapped[Now]


class LedgerEntry(Base):
    """One movement of money; append-only."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        UniqueConstraint("account_id", "reference"),
        Index("ix_ledger_entries_account_id_currency", "account_id", "currency", postgresql_include=["amount"]),
        Index("ix_ledger_entries_account_id_booked_at", "account_id", text("booked_at DESC")),
        Index(
            "ix_ledger_entries_order_fill_id",
            "order_fill_id",
            postgresql_where=text("order_fill_id IS NOT NULL"),
        ),
        one_of("entry_type", "deposit", "withdrawal", "trade", "fee", "funding", "dividend", "correction"),
        CheckConstraint("amount <> 0", name="amount"),
        CheckConstraint("entry_type NOT IN ('trade', 'fee') OR order_fill_id IS NOT NULL", name="order_fill_id"),
        {"comment": "Every movement of money; append-only, so that the balance is their sum"},
    )

    id: Mapped[BigId]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    entry_type: Mapped[str]
    amount: Mapped[Money] = mapped_column(comment="Positive: into the account")
    currency: Mapped[str]
    order_fill_id: Mapped[int | None] = mapped_column(ForeignKey("order_fills.id"))
    reference: Mapped[str] = mapped_column(comment="Unique per account: booking the same movement again is harmless")
    booked_at: Mapped[Now]


# --- what must not happen


class RiskLimit(Base):
    """What an account may not exceed, and what happens if it does."""

    __tablename__ = "risk_limits"
    __table_args__ = (
        UniqueConstraint("account_id", "instrument_id", "limit_type", postgresql_nulls_not_distinct=True),
        one_of("limit_type", "position", "notional", "daily_loss", "drawdown", "open_orders", "orders_per_minute"),
        CheckConstraint("threshold >= 0", name="threshold"),
        one_of("action", "warn", "reject", "flatten", "halt"),
        {"comment": "What an account may not exceed, and what happens if it does"},
    )

    id: Mapped[Id]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    instrument_id: Mapped[int | None] = mapped_column(
        ForeignKey("instruments.id"), comment="NULL: the account as a whole"
    )
    limit_type: Mapped[str]
    threshold: Mapped[Money]
    action: Mapped[str] = mapped_column(server_default="reject")
    is_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[Now]
    updated_at: Mapped[Now]


class RiskEvent(Base):
    """What the risk engine saw."""

    __tablename__ = "risk_events"
    __table_args__ = (
        Index("ix_risk_events_account_id_occurred_at", "account_id", text("occurred_at DESC")),
        Index(
            "ix_risk_events_unacknowledged",
            "severity",
            text("occurred_at DESC"),
            postgresql_where=text("acknowledged_at IS NULL"),
        ),
        Index("ix_risk_events_order_id", "order_id", postgresql_where=text("order_id IS NOT NULL")),
        one_of("severity", "info", "warning", "critical"),
        CheckConstraint("(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name="acknowledged"),
        {"comment": "What the risk engine saw"},
    )

    id: Mapped[BigId]
    occurred_at: Mapped[Now]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    instrument_id: Mapped[int | None] = mapped_column(ForeignKey("instruments.id"))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    risk_limit_id: Mapped[int | None] = mapped_column(ForeignKey("risk_limits.id"))
    severity: Mapped[str]
    event_type: Mapped[str]
    measured: Mapped[Money | None]
    threshold: Mapped[Money | None] = mapped_column(comment="Of the limit as it was then")
    message: Mapped[str]
    details: Mapped[Json]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]


class CircuitBreakerEvent(Base):
    """Trading was stopped, or allowed again; append-only."""

    __tablename__ = "circuit_breaker_events"
    __table_args__ = (
        Index("ix_circuit_breaker_events_occurred_at", "scope", text("occurred_at DESC")),
        one_of("scope", "global", "account", "strategy", "instrument"),
        CheckConstraint(
            "(account_id IS NOT NULL) = (scope = 'account')"
            " AND (strategy_id IS NOT NULL) = (scope = 'strategy')"
            " AND (instrument_id IS NOT NULL) = (scope = 'instrument')",
            name="scope_target",
        ),
        one_of("state", "open", "half_open", "closed"),
        CheckConstraint("cooldown > interval '0'", name="cooldown"),
        {
            "comment": "Each time trading was stopped or allowed again; the newest row of a scope is its state; "
            "append-only"
        },
    )

    id: Mapped[BigId]
    occurred_at: Mapped[Now]
    scope: Mapped[str]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    strategy_id: Mapped[int | None] = mapped_column(ForeignKey("strategies.id"))
    instrument_id: Mapped[int | None] = mapped_column(ForeignKey("instruments.id"))
    state: Mapped[str] = mapped_column(comment="open stops trading, half_open probes, closed trades")
    risk_event_id: Mapped[int | None] = mapped_column(ForeignKey("risk_events.id"))
    reason: Mapped[str]
    actor: Mapped[str] = mapped_column(server_default=text("CURRENT_USER"))
    cooldown: Mapped[timedelta | None]


class AuditEntry(Base):
    """A change to what decides how money is risked; written by triggers, append-only."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_table_name_row_id", "table_name", "row_id", text("occurred_at DESC")),
        Index("ix_audit_log_occurred_at", "occurred_at", postgresql_using="brin"),
        one_of("action", "insert", "update", "delete"),
        CheckConstraint(
            "(old_row IS NULL) = (action = 'insert') AND (new_row IS NULL) = (action = 'delete')", name="rows"
        ),
        {"comment": "Changes to what decides how money is risked; written by triggers; append-only"},
    )

    id: Mapped[BigId]
    occurred_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    actor: Mapped[str] = mapped_column(
        server_default=text("SESSION_USER"), comment="Who logged in, whatever role was set since"
    )
    action: Mapped[str]
    table_name: Mapped[str]
    row_id: Mapped[str]
    old_row: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    new_row: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


# --- hypertables


class MarketData(Base):
    """A candle: open, high, low, close and volume of one timeframe."""

    __tablename__ = "market_data"
    __table_args__ = (
        PrimaryKeyConstraint("instrument_id", "timeframe", "time"),
        Index("ix_market_data_time", text("time DESC")),
        one_of("timeframe", "1m", "5m", "15m", "1h", "4h", "1d", "1w", "1mo"),
        CheckConstraint("high >= greatest(open, close, low)", name="high"),
        CheckConstraint("low <= least(open, close)", name="low"),
        CheckConstraint("volume >= 0", name="volume"),
        {
            "comment": "Candles; kept for good, since backtests read them",
            "info": {"timescaledb": Hypertable(column="time", chunk_time_interval=timedelta(days=30))},
        },
    )

    instrument_id: Mapped[int] = mapped_column(ForeignKey("instruments.id"))
    timeframe: Mapped[str]
    time: Mapped[datetime] = mapped_column(comment="Begin of the candle")
    open: Mapped[Money]
    high: Mapped[Money]
    low: Mapped[Money]
    close: Mapped[Money]
    volume: Mapped[Decimal] = mapped_column(
        Numeric(28, 8),
        server_default=text("0"),
        comment="In units of the instrument; 0 where the venue tells none, as in fx",
    )


class Trade(Base):
    """Someone's trade, as the venue publishes it."""

    __tablename__ = "trades"
    __table_args__ = (
        PrimaryKeyConstraint("instrument_id", "time", "venue_trade_id"),
        Index("ix_trades_time", text("time DESC")),
        CheckConstraint("quantity > 0", name="quantity"),
        one_of("aggressor_side", "buy", "sell"),
        {
            "comment": "Everyone's trades, tick by tick, as the venues publish them; ours are in order_fills",
            "info": {
                "timescaledb": Hypertable(
                    column="time",
                    chunk_time_interval=timedelta(days=1),
                    dimensions=(Dimension(column="instrument_id", number_partitions=4),),
                )
            },
        },
    )

    instrument_id: Mapped[int] = mapped_column(
        comment="No foreign key: ticks come by the million, and dropping old chunks would lock instruments"
    )
    time: Mapped[datetime] = mapped_column(comment="Clock of the venue")
    venue_trade_id: Mapped[str]
    price: Mapped[Money]
    quantity: Mapped[Money]
    aggressor_side: Mapped[str | None] = mapped_column(comment="NULL: the venue does not tell")


class Signal(Base):
    """What a strategy wanted to do, and whether it was done."""

    __tablename__ = "signals"
    __table_args__ = (
        PrimaryKeyConstraint("strategy_id", "instrument_id", "time"),
        Index(
            "ix_signals_instrument_id_time",
            "instrument_id",
            text("time DESC"),
            postgresql_include=["direction", "strength"],
        ),
        Index("ix_signals_time", text("time DESC")),
        Index("ix_signals_blocked", text("time DESC"), postgresql_where=text("decision = 'blocked'")),
        one_of("direction", "long", "short", "flat"),
        CheckConstraint("strength BETWEEN 0 AND 1", name="strength"),
        one_of("decision", "acted", "ignored", "blocked"),
        {
            "comment": "What the strategies wanted to do, and whether it was done; kept for good, as evidence",
            "info": {"timescaledb": Hypertable(column="time", chunk_time_interval=timedelta(days=30))},
        },
    )

    strategy_id: Mapped[int] = mapped_column(ForeignKey("strategies.id"))
    instrument_id: Mapped[int] = mapped_column(ForeignKey("instruments.id"))
    time: Mapped[datetime]
    personality_profile_id: Mapped[int] = mapped_column(
        ForeignKey("personality_profiles.id"),
        comment="The profile it was produced under; the assignment may have another by now",
    )
    direction: Mapped[str]
    strength: Mapped[Fraction] = mapped_column(comment="0 is a guess, 1 is as sure as it gets")
    price: Mapped[Money] = mapped_column(comment="Last price when it was produced")
    decision: Mapped[str]
    features: Mapped[Json] = mapped_column(comment="The figures it was decided on")
