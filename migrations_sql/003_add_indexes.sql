-- tsext: no-transaction
-- Indexes for the queries that run all day, built while trading goes on: CONCURRENTLY blocks no writer.
-- Each is dropped first, since a build that was interrupted leaves an INVALID index behind, which
-- CREATE INDEX IF NOT EXISTS would take for the finished one. So this file can be run again at any point.
-- Hypertables cannot be indexed CONCURRENTLY: theirs are made with them in 002_add_timescaledb.

-- an account's newest orders
DROP INDEX CONCURRENTLY IF EXISTS ix_orders_account_id_submitted_at;
CREATE INDEX CONCURRENTLY ix_orders_account_id_submitted_at ON orders (account_id, submitted_at DESC);

-- orders at the venue, looked up for every tick: a small index, whatever the table holds
DROP INDEX CONCURRENTLY IF EXISTS ix_orders_open;
CREATE INDEX CONCURRENTLY ix_orders_open ON orders (instrument_id, account_id)
    INCLUDE (side, quantity, filled_quantity, limit_price)
    WHERE status IN ('pending', 'working', 'partially_filled');

DROP INDEX CONCURRENTLY IF EXISTS ix_orders_instrument_id_submitted_at;
CREATE INDEX CONCURRENTLY ix_orders_instrument_id_submitted_at ON orders (instrument_id, submitted_at DESC);

DROP INDEX CONCURRENTLY IF EXISTS ix_orders_strategy_assignment_id;
CREATE INDEX CONCURRENTLY ix_orders_strategy_assignment_id ON orders (strategy_assignment_id)
    WHERE strategy_assignment_id IS NOT NULL;

DROP INDEX CONCURRENTLY IF EXISTS ix_orders_parent_order_id;
CREATE INDEX CONCURRENTLY ix_orders_parent_order_id ON orders (parent_order_id) WHERE parent_order_id IS NOT NULL;

-- what was traded in a period, answered from the index alone
DROP INDEX CONCURRENTLY IF EXISTS ix_order_fills_executed_at;
CREATE INDEX CONCURRENTLY ix_order_fills_executed_at ON order_fills (executed_at DESC)
    INCLUDE (order_id, quantity, price, fee);

-- who holds an instrument
DROP INDEX CONCURRENTLY IF EXISTS ix_positions_open;
CREATE INDEX CONCURRENTLY ix_positions_open ON positions (instrument_id) INCLUDE (quantity, average_entry_price)
    WHERE quantity <> 0;

-- account_balance() reads nothing but this
DROP INDEX CONCURRENTLY IF EXISTS ix_ledger_entries_account_id_currency;
CREATE INDEX CONCURRENTLY ix_ledger_entries_account_id_currency ON ledger_entries (account_id, currency)
    INCLUDE (amount);

DROP INDEX CONCURRENTLY IF EXISTS ix_ledger_entries_account_id_booked_at;
CREATE INDEX CONCURRENTLY ix_ledger_entries_account_id_booked_at ON ledger_entries (account_id, booked_at DESC);

DROP INDEX CONCURRENTLY IF EXISTS ix_ledger_entries_order_fill_id;
CREATE INDEX CONCURRENTLY ix_ledger_entries_order_fill_id ON ledger_entries (order_fill_id)
    WHERE order_fill_id IS NOT NULL;

DROP INDEX CONCURRENTLY IF EXISTS ix_strategy_assignments_account_id;
CREATE INDEX CONCURRENTLY ix_strategy_assignments_account_id ON strategy_assignments (account_id, instrument_id);

DROP INDEX CONCURRENTLY IF EXISTS ix_strategy_assignments_personality_profile_id;
CREATE INDEX CONCURRENTLY ix_strategy_assignments_personality_profile_id
    ON strategy_assignments (personality_profile_id);

DROP INDEX CONCURRENTLY IF EXISTS ix_personality_adjustments_strategy_assignment_id;
CREATE INDEX CONCURRENTLY ix_personality_adjustments_strategy_assignment_id
    ON personality_adjustments (strategy_assignment_id, adjusted_at DESC);

DROP INDEX CONCURRENTLY IF EXISTS ix_risk_events_account_id_occurred_at;
CREATE INDEX CONCURRENTLY ix_risk_events_account_id_occurred_at ON risk_events (account_id, occurred_at DESC);

-- what someone still has to look at
DROP INDEX CONCURRENTLY IF EXISTS ix_risk_events_unacknowledged;
CREATE INDEX CONCURRENTLY ix_risk_events_unacknowledged ON risk_events (severity, occurred_at DESC)
    WHERE acknowledged_at IS NULL;

DROP INDEX CONCURRENTLY IF EXISTS ix_risk_events_order_id;
CREATE INDEX CONCURRENTLY ix_risk_events_order_id ON risk_events (order_id) WHERE order_id IS NOT NULL;

-- the newest state of each scope
DROP INDEX CONCURRENTLY IF EXISTS ix_circuit_breaker_events_occurred_at;
CREATE INDEX CONCURRENTLY ix_circuit_breaker_events_occurred_at ON circuit_breaker_events (scope, occurred_at DESC);

DROP INDEX CONCURRENTLY IF EXISTS ix_audit_log_table_name_row_id;
CREATE INDEX CONCURRENTLY ix_audit_log_table_name_row_id ON audit_log (table_name, row_id, occurred_at DESC);

-- rows arrive in the order of their time, so a BRIN index of a few pages finds a period
DROP INDEX CONCURRENTLY IF EXISTS ix_audit_log_occurred_at;
CREATE INDEX CONCURRENTLY ix_audit_log_occurred_at ON audit_log USING brin (occurred_at);
