-- tsext: development
-- A small trading day to develop against: three instruments, two accounts, orders from every stage of their life.
-- The same rows on every run: rows are found by their natural keys, never by generated ids,
-- and times are fixed. A row that is looked up and missing becomes NULL, which a NOT NULL column refuses.
-- Needs personality_profiles.sql.

INSERT INTO instruments (
    venue, symbol, asset_class, base_currency, quote_currency, tick_size, lot_size, contract_multiplier
)
VALUES
    ('FXALL', 'EURUSD', 'fx', 'EUR', 'USD', 0.00001, 1000, 1),
    ('NASDAQ', 'GOOG', 'equity', NULL, 'USD', 0.01, 1, 1),
    ('COINBASE', 'BTCUSD', 'crypto', 'BTC', 'USD', 0.01, 0.00000001, 1),
    ('CME', 'CLF6', 'future', NULL, 'USD', 0.01, 1, 1000)
ON CONFLICT (venue, symbol) DO NOTHING;

INSERT INTO accounts (code, broker, mode, base_currency, max_leverage)
VALUES
    ('PAPER-1', 'simulator', 'paper', 'USD', 2),
    ('LIVE-1', 'interactive', 'live', 'USD', 1)
ON CONFLICT (code) DO NOTHING;

INSERT INTO strategies (code, description, kind, status, parameters)
VALUES
    ('trend-1', 'Crossing averages', 'trend', 'live', '{"fast": 10, "slow": 50}'),
    ('revert-1', 'Bollinger bands', 'mean_reversion', 'paper', '{"bars": 20, "width": 2.0}')
ON CONFLICT (code) DO NOTHING;

INSERT INTO strategy_assignments (
    strategy_id, account_id, instrument_id, personality_profile_id, allocated_capital, valid_from
)
SELECT strategies.id, accounts.id, instruments.id, personality_profiles.id, capital, '2026-01-05 00:00+00'
FROM (
    VALUES
        ('trend-1', 'LIVE-1', 'NASDAQ:GOOG', 'momentum', 40000),
        ('trend-1', 'LIVE-1', 'COINBASE:BTCUSD', 'conservative', 20000),
        ('revert-1', 'PAPER-1', 'FXALL:EURUSD', 'mean_reversion', 50000)
) AS given (strategy, account, instrument, profile, capital)
LEFT JOIN strategies ON strategies.code = strategy
LEFT JOIN accounts ON accounts.code = account
LEFT JOIN instruments ON instruments.venue || ':' || instruments.symbol = instrument
LEFT JOIN personality_profiles ON personality_profiles.name = profile AND personality_profiles.version = 1
ON CONFLICT (strategy_id, account_id, instrument_id) WHERE valid_until IS NULL DO NOTHING;

INSERT INTO personality_adjustments (
    strategy_assignment_id, from_profile_id, to_profile_id, reason, evidence, adjusted_at
)
SELECT assignment.id, was.id, assignment.personality_profile_id,
       'volatility doubled within a week', '{"realized_volatility": 0.81, "usual": 0.40}', '2026-01-06 00:00+00'
FROM strategy_assignments AS assignment
JOIN strategies ON strategies.id = assignment.strategy_id AND strategies.code = 'trend-1'
JOIN instruments ON instruments.id = assignment.instrument_id
                AND instruments.venue || ':' || instruments.symbol = 'COINBASE:BTCUSD'
LEFT JOIN personality_profiles AS was ON was.name = 'balanced' AND was.version = 1
WHERE NOT EXISTS (
    SELECT FROM personality_adjustments AS existing WHERE existing.strategy_assignment_id = assignment.id
);

INSERT INTO orders (
    client_order_id, account_id, instrument_id, strategy_assignment_id, signal_time,
    side, order_type, time_in_force, quantity, limit_price, stop_price,
    status, filled_quantity, average_fill_price, reject_reason, submitted_at, closed_at
)
SELECT given.client_order_id, accounts.id, instruments.id, assignment.id, signal_time::timestamptz,
       side, order_type, time_in_force, given.quantity, limit_price, stop_price,
       given.status, filled_quantity, average_fill_price, reject_reason,
       submitted_at::timestamptz, given.closed_at::timestamptz
FROM (
    VALUES
        (
            'goog-1', 'LIVE-1', 'NASDAQ:GOOG', 'trend-1', '2026-01-05 15:00+00', 'buy', 'market', 'day',
            100, NULL, NULL, 'filled', 100, 180.15, NULL, '2026-01-05 15:00:01+00', '2026-01-05 15:00:02+00'
        ),
        (
            'goog-2', 'LIVE-1', 'NASDAQ:GOOG', NULL, NULL, 'sell', 'limit', 'gtc',
            40, 182.00, NULL, 'partially_filled', 15, 182.00, NULL, '2026-01-06 15:30:00+00', NULL
        ),
        (
            'goog-3', 'LIVE-1', 'NASDAQ:GOOG', NULL, NULL, 'sell', 'stop', 'gtc',
            60, NULL, 171.00, 'working', 0, NULL, NULL, '2026-01-06 15:30:05+00', NULL
        ),
        (
            'btc-1', 'LIVE-1', 'COINBASE:BTCUSD', 'trend-1', '2026-01-06 00:00+00', 'buy', 'limit', 'ioc',
            0.25, 64000.00, NULL, 'filled', 0.25, 63990.00, NULL, '2026-01-06 00:00:01+00', '2026-01-06 00:00:02+00'
        ),
        (
            'btc-2', 'LIVE-1', 'COINBASE:BTCUSD', 'trend-1', '2026-01-06 01:00+00', 'buy', 'market', 'ioc',
            5, NULL, NULL, 'rejected', 0, NULL, 'position limit', '2026-01-06 01:00:01+00', '2026-01-06 01:00:01+00'
        ),
        (
            'eur-1', 'PAPER-1', 'FXALL:EURUSD', 'revert-1', '2026-01-05 09:00+00', 'sell', 'limit', 'day',
            10000, 1.09200, NULL, 'filled', 10000, 1.09200, NULL, '2026-01-05 09:00:01+00', '2026-01-05 09:00:04+00'
        ),
        (
            'eur-2', 'PAPER-1', 'FXALL:EURUSD', 'revert-1', '2026-01-05 14:00+00', 'buy', 'market', 'day',
            10000, NULL, NULL, 'filled', 10000, 1.08950, NULL, '2026-01-05 14:00:01+00', '2026-01-05 14:00:02+00'
        ),
        (
            'eur-3', 'PAPER-1', 'FXALL:EURUSD', 'revert-1', '2026-01-05 16:00+00', 'buy', 'limit', 'day',
            10000, 1.08500, NULL, 'expired', 0, NULL, NULL, '2026-01-05 16:00:01+00', '2026-01-05 22:00:00+00'
        )
) AS given (
    client_order_id, account, instrument, strategy, signal_time, side, order_type, time_in_force,
    quantity, limit_price, stop_price, status, filled_quantity, average_fill_price, reject_reason,
    submitted_at, closed_at
)
LEFT JOIN accounts ON accounts.code = account
LEFT JOIN instruments ON instruments.venue || ':' || instruments.symbol = instrument
LEFT JOIN strategies ON strategies.code = strategy
LEFT JOIN strategy_assignments AS assignment
       ON assignment.strategy_id = strategies.id
      AND assignment.account_id = accounts.id
      AND assignment.instrument_id = instruments.id
      AND assignment.valid_until IS NULL
ON CONFLICT (account_id, client_order_id) DO NOTHING;

INSERT INTO order_fills (
    order_id, venue_execution_id, quantity, price, fee, fee_currency, liquidity, executed_at, received_at
)
SELECT orders.id, execution, given.quantity, price, fee, 'USD', liquidity,
       executed_at::timestamptz, executed_at::timestamptz + interval '3 milliseconds'
FROM (
    VALUES
        ('LIVE-1', 'goog-1', 'NQ-7001', 60, 180.10, 0.30, 'taker', '2026-01-05 15:00:01.200+00'),
        ('LIVE-1', 'goog-1', 'NQ-7002', 40, 180.225, 0.20, 'taker', '2026-01-05 15:00:01.900+00'),
        ('LIVE-1', 'goog-2', 'NQ-7107', 15, 182.00, -0.03, 'maker', '2026-01-06 16:02:11.000+00'),
        ('LIVE-1', 'btc-1', 'CB-0451', 0.25, 63990.00, 9.60, 'taker', '2026-01-06 00:00:01.500+00'),
        ('PAPER-1', 'eur-1', 'FX-1', 10000, 1.09200, 0.20, 'maker', '2026-01-05 09:00:03.100+00'),
        ('PAPER-1', 'eur-2', 'FX-2', 10000, 1.08950, 0.40, 'taker', '2026-01-05 14:00:01.700+00')
) AS given (account, client_order_id, execution, quantity, price, fee, liquidity, executed_at)
LEFT JOIN accounts ON accounts.code = account
LEFT JOIN orders ON orders.account_id = accounts.id AND orders.client_order_id = given.client_order_id
ON CONFLICT (order_id, venue_execution_id) DO NOTHING;

INSERT INTO positions (
    account_id, instrument_id, quantity, average_entry_price, realized_pnl, opened_at, lock_version
)
SELECT accounts.id, instruments.id, quantity, price, pnl, opened_at::timestamptz, lock_version
FROM (
    VALUES
        ('LIVE-1', 'NASDAQ:GOOG', 85, 180.15, 27.75, '2026-01-05 15:00:01.200+00', 3),
        ('LIVE-1', 'COINBASE:BTCUSD', 0.25, 63990.00, 0, '2026-01-06 00:00:01.500+00', 1),
        ('PAPER-1', 'FXALL:EURUSD', 0, NULL, 25.00, NULL, 2)
) AS given (account, instrument, quantity, price, pnl, opened_at, lock_version)
LEFT JOIN accounts ON accounts.code = account
LEFT JOIN instruments ON instruments.venue || ':' || instruments.symbol = instrument
ON CONFLICT (account_id, instrument_id) DO NOTHING;

INSERT INTO ledger_entries (account_id, entry_type, amount, currency, reference, booked_at)
SELECT accounts.id, 'deposit', amount, 'USD', 'deposit-1', '2026-01-02 08:00+00'
FROM (VALUES ('PAPER-1', 100000), ('LIVE-1', 60000)) AS given (account, amount)
LEFT JOIN accounts ON accounts.code = account
ON CONFLICT (account_id, reference) DO NOTHING;

-- each fill moves money twice: its price, and its fee
INSERT INTO ledger_entries (account_id, entry_type, amount, currency, order_fill_id, reference, booked_at)
SELECT orders.account_id, entry_type, amount, fee_currency, fill.id,
       entry_type || ':' || venue_execution_id, executed_at
FROM order_fills AS fill
JOIN orders ON orders.id = fill.order_id
JOIN accounts ON accounts.id = orders.account_id
CROSS JOIN LATERAL (
    VALUES
        ('trade', CASE orders.side WHEN 'buy' THEN -1 ELSE 1 END * fill.quantity * fill.price),
        ('fee', -fill.fee)
) AS booking (entry_type, amount)
WHERE (accounts.code, orders.client_order_id) IN (
    ('LIVE-1', 'goog-1'), ('LIVE-1', 'goog-2'), ('LIVE-1', 'btc-1'), ('PAPER-1', 'eur-1'), ('PAPER-1', 'eur-2')
)
ON CONFLICT (account_id, reference) DO NOTHING;

INSERT INTO risk_limits (account_id, instrument_id, limit_type, threshold, action)
SELECT accounts.id, instruments.id, limit_type, threshold, action
FROM (
    VALUES
        ('LIVE-1', NULL, 'daily_loss', 1500, 'halt'),
        ('LIVE-1', NULL, 'orders_per_minute', 30, 'reject'),
        ('LIVE-1', 'COINBASE:BTCUSD', 'position', 1, 'reject'),
        ('PAPER-1', NULL, 'drawdown', 0.10, 'warn')
) AS given (account, instrument, limit_type, threshold, action)
LEFT JOIN accounts ON accounts.code = account
LEFT JOIN instruments ON instruments.venue || ':' || instruments.symbol = instrument
ON CONFLICT (account_id, instrument_id, limit_type) DO NOTHING;

INSERT INTO risk_events (
    occurred_at, account_id, instrument_id, order_id, risk_limit_id,
    severity, event_type, measured, threshold, message, details
)
SELECT orders.submitted_at, orders.account_id, orders.instrument_id, orders.id, risk_limits.id,
       'critical', 'limit_exceeded', 5.25, risk_limits.threshold,
       'order btc-2 would have made the position 5.25 BTC', '{"held": 0.25, "ordered": 5}'
FROM orders
JOIN accounts ON accounts.id = orders.account_id AND accounts.code = 'LIVE-1'
LEFT JOIN risk_limits
       ON risk_limits.account_id = orders.account_id
      AND risk_limits.instrument_id = orders.instrument_id
      AND risk_limits.limit_type = 'position'
WHERE orders.client_order_id = 'btc-2'
  AND NOT EXISTS (SELECT FROM risk_events AS existing WHERE existing.order_id = orders.id);

INSERT INTO risk_events (
    occurred_at, account_id, severity, event_type, message, acknowledged_at, acknowledged_by
)
SELECT '2026-01-05 15:20+00', accounts.id, 'info', 'stale_feed', 'no tick for 45 s', '2026-01-05 15:25+00', 'operator'
FROM accounts
WHERE accounts.code = 'LIVE-1'
  AND NOT EXISTS (
      SELECT FROM risk_events AS existing
      WHERE existing.account_id = accounts.id AND existing.event_type = 'stale_feed'
  );

INSERT INTO circuit_breaker_events (
    occurred_at, scope, instrument_id, state, risk_event_id, reason, actor, cooldown
)
SELECT event.occurred_at + after, 'instrument', event.instrument_id, state, event.id, reason, who, cooldown
FROM risk_events AS event
JOIN orders ON orders.id = event.order_id AND orders.client_order_id = 'btc-2'
JOIN accounts ON accounts.id = orders.account_id AND accounts.code = 'LIVE-1'
CROSS JOIN (
    VALUES
        (interval '0', 'open', 'position limit', 'risk-engine', interval '15 minutes'),
        (interval '15 minutes', 'half_open', 'cooled down', 'risk-engine', NULL),
        (interval '20 minutes', 'closed', 'limit checked, strategy at fault mended', 'operator', NULL)
) AS given (after, state, reason, who, cooldown)
WHERE NOT EXISTS (SELECT FROM circuit_breaker_events AS existing WHERE existing.risk_event_id = event.id);

INSERT INTO signals (
    strategy_id, instrument_id, time, personality_profile_id, direction, strength, price, decision, features
)
SELECT strategies.id, instruments.id, at::timestamptz, personality_profiles.id,
       direction, strength, price, decision, features::jsonb
FROM (
    VALUES
        (
            'trend-1', 'NASDAQ:GOOG', '2026-01-05 15:00+00', 'momentum',
            'long', 0.74, 180.12, 'acted', '{"fast": 179.8, "slow": 176.2}'
        ),
        (
            'trend-1', 'COINBASE:BTCUSD', '2026-01-06 00:00+00', 'conservative',
            'long', 0.61, 63985.5, 'acted', '{"fast": 63510, "slow": 62020}'
        ),
        (
            'trend-1', 'COINBASE:BTCUSD', '2026-01-06 01:00+00', 'conservative',
            'long', 0.66, 64120.0, 'blocked', '{"fast": 63640, "slow": 62070}'
        ),
        (
            'revert-1', 'FXALL:EURUSD', '2026-01-05 09:00+00', 'mean_reversion',
            'short', 0.58, 1.0919, 'acted', '{"zscore": 2.1}'
        ),
        (
            'revert-1', 'FXALL:EURUSD', '2026-01-05 14:00+00', 'mean_reversion',
            'flat', 0.90, 1.0895, 'acted', '{"zscore": 0.4}'
        ),
        (
            'revert-1', 'FXALL:EURUSD', '2026-01-05 16:00+00', 'mean_reversion',
            'long', 0.55, 1.0861, 'acted', '{"zscore": -2.0}'
        )
) AS given (strategy, instrument, at, profile, direction, strength, price, decision, features)
LEFT JOIN strategies ON strategies.code = strategy
LEFT JOIN instruments ON instruments.venue || ':' || instruments.symbol = instrument
LEFT JOIN personality_profiles ON personality_profiles.name = profile AND personality_profiles.version = 1
ON CONFLICT (strategy_id, instrument_id, time) DO NOTHING;

-- one trade per second and instrument for two minutes, across midnight: more than one chunk
INSERT INTO trades (instrument_id, time, venue_trade_id, price, quantity, aggressor_side)
SELECT instruments.id, timestamptz '2026-01-05 23:59:00+00' + second * interval '1 second', 'T' || second,
       base + tick_size * (second * 7 % 11 - 5), lot_size * (1 + second % 5),
       CASE WHEN second % 2 = 0 THEN 'buy' ELSE 'sell' END
FROM (VALUES ('FXALL:EURUSD', 1.0905), ('COINBASE:BTCUSD', 63980)) AS given (instrument, base)
LEFT JOIN instruments ON instruments.venue || ':' || instruments.symbol = instrument
CROSS JOIN generate_series(0, 119) AS second
ON CONFLICT (instrument_id, time, venue_trade_id) DO NOTHING;
