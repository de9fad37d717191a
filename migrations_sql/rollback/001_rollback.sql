-- Undoes 001_initial_schema, rows and all. What refers to a table is dropped before it, and nothing cascades:
-- if something unknown depends on these tables, this stops instead of taking it along.

DROP TABLE audit_log;
DROP TABLE circuit_breaker_events;
DROP TABLE risk_events;
DROP TABLE risk_limits;
DROP FUNCTION account_balance(integer, text);
DROP TABLE ledger_entries;
DROP TABLE positions;
DROP TABLE order_fills;
DROP TABLE orders;
DROP TABLE personality_adjustments;
DROP TABLE strategy_assignments;
DROP TABLE strategies;
DROP TABLE personality_profiles;
DROP TABLE accounts;
DROP TABLE instruments;
DROP FUNCTION audit_change();
DROP FUNCTION reject_change();
DROP FUNCTION set_updated_at();
