-- The personalities every installation starts with. They are starting points: whoever wants another behaviour adds
-- a version. So what exists stays as it is, here and on every further run.

INSERT INTO personality_profiles (
    name, version, description,
    risk_appetite, holding_horizon, position_sizing, risk_per_trade, max_position, max_drawdown, adaptation_rate,
    parameters
)
VALUES
    (
        'conservative', 1, 'Keeps the capital: few trades, small ones, and it stops early',
        0.15, '20 days', 'volatility_target', 0.0025, 0.05, 0.05, 0.02,
        '{"annual_volatility": 0.06, "confirmations": 3, "sessions": ["regular"]}'
    ),
    (
        'balanced', 1, 'The default: medium risk over days',
        0.40, '5 days', 'volatility_target', 0.005, 0.10, 0.10, 0.05,
        '{"annual_volatility": 0.12, "confirmations": 2}'
    ),
    (
        'momentum', 1, 'Follows a trend, adds to winners, leaves by a trailing stop',
        0.65, '10 days', 'volatility_target', 0.01, 0.20, 0.15, 0.10,
        '{"annual_volatility": 0.20, "lookback_bars": 50, "pyramid_steps": 3, "trailing_stop_atr": 2.5}'
    ),
    (
        'mean_reversion', 1, 'Buys what fell too far and sells what rose too far',
        0.50, '2 days', 'fixed_fraction', 0.0075, 0.15, 0.12, 0.08,
        '{"lookback_bars": 20, "entry_zscore": 2.0, "exit_zscore": 0.5, "stop_zscore": 3.5}'
    ),
    (
        'scalper', 1, 'Many small trades within minutes; lives on low fees',
        0.55, '5 minutes', 'fixed_fraction', 0.001, 0.10, 0.04, 0.20,
        '{"maker_only": true, "max_spread_ticks": 2, "max_trades_per_hour": 60}'
    ),
    (
        'opportunist', 1, 'Waits, then bets much when the odds are good',
        0.85, '1 day', 'kelly_fraction', 0.02, 0.30, 0.25, 0.15,
        '{"kelly_fraction": 0.25, "min_edge": 0.03, "min_strength": 0.8}'
    )
ON CONFLICT DO NOTHING;
