-- tsext: no-transaction
-- Undoes 003_add_indexes while trading goes on. IF EXISTS, because an interrupted run may have dropped some already.

DROP INDEX CONCURRENTLY IF EXISTS ix_audit_log_occurred_at;
DROP INDEX CONCURRENTLY IF EXISTS ix_audit_log_table_name_row_id;
DROP INDEX CONCURRENTLY IF EXISTS ix_circuit_breaker_events_occurred_at;
DROP INDEX CONCURRENTLY IF EXISTS ix_risk_events_order_id;
DROP INDEX CONCURRENTLY IF EXISTS ix_risk_events_unacknowledged;
DROP INDEX CONCURRENTLY IF EXISTS ix_risk_events_account_id_occurred_at;
DROP INDEX CONCURRENTLY IF EXISTS ix_personality_adjustments_strategy_assignment_id;
DROP INDEX CONCURRENTLY IF EXISTS ix_strategy_assignments_personality_profile_id;
DROP INDEX CONCURRENTLY IF EXISTS ix_strategy_assignments_account_id;
DROP INDEX CONCURRENTLY IF EXISTS ix_ledger_entries_order_fill_id;
DROP INDEX CONCURRENTLY IF EXISTS ix_ledger_entries_account_id_booked_at;
DROP INDEX CONCURRENTLY IF EXISTS ix_ledger_entries_account_id_currency;
DROP INDEX CONCURRENTLY IF EXISTS ix_positions_open;
DROP INDEX CONCURRENTLY IF EXISTS ix_order_fills_executed_at;
DROP INDEX CONCURRENTLY IF EXISTS ix_orders_parent_order_id;
DROP INDEX CONCURRENTLY IF EXISTS ix_orders_strategy_assignment_id;
DROP INDEX CONCURRENTLY IF EXISTS ix_orders_instrument_id_submitted_at;
DROP INDEX CONCURRENTLY IF EXISTS ix_orders_open;
DROP INDEX CONCURRENTLY IF EXISTS ix_orders_account_id_submitted_at;
