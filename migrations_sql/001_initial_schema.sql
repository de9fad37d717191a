-- The plain tables of an adaptive trading system: who trades what, with which character, and what came of it.
-- Money, prices and quantities are numeric(20,8): exact, and fine enough for crypto. Times are timestamptz.
-- Nothing cascades: a row that others refer to is closed or retired, never deleted.


-- Functions that triggers use -----------------------------------------------------------------------------------

CREATE FUNCTION set_updated_at() RETURNS trigger
    LANGUAGE plpgsql
AS $function$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END;
$function$;

COMMENT ON FUNCTION set_updated_at() IS 'Stamps a row that really changes';

CREATE FUNCTION reject_change() RETURNS trigger
    LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation',
              HINT = 'insert a row that corrects the wrong one';
END;
$function$;

COMMENT ON FUNCTION reject_change() IS 'Keeps a table append-only';

CREATE FUNCTION audit_change() RETURNS trigger
    LANGUAGE plpgsql
AS $function$
DECLARE
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
BEGIN
    -- the schema is named, so that the writer's search_path does not decide where the entry goes
    EXECUTE format(
        'INSERT INTO %I.audit_log (action, table_name, row_id, old_row, new_row) VALUES ($1, $2, $3, $4, $5)',
        TG_TABLE_SCHEMA
    )
    USING lower(TG_OP), TG_TABLE_NAME, coalesce(new_row, old_row) ->> 'id', old_row, new_row;
    RETURN NULL;
END;
$function$;

COMMENT ON FUNCTION audit_change() IS 'Writes what changed, and who changed it, to audit_log';


-- What is traded, and for whom ----------------------------------------------------------------------------------

CREATE TABLE instruments (
    id                  integer       GENERATED ALWAYS AS IDENTITY,
    venue               text          NOT NULL,
    symbol              text          NOT NULL,
    asset_class         text          NOT NULL,
    base_currency       text,
    quote_currency      text          NOT NULL,
    tick_size           numeric(20,8) NOT NULL,
    lot_size            numeric(20,8) NOT NULL,
    contract_multiplier numeric(20,8) NOT NULL DEFAULT 1,
    is_tradable         boolean       NOT NULL DEFAULT true,
    delisted_at         timestamptz,
    created_at          timestamptz   NOT NULL DEFAULT now(),
    updated_at          timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_instruments PRIMARY KEY (id),
    CONSTRAINT uq_instruments_venue_symbol UNIQUE (venue, symbol),
    CONSTRAINT ck_instruments_asset_class CHECK (asset_class IN ('equity', 'fx', 'crypto', 'future', 'index')),
    CONSTRAINT ck_instruments_base_currency CHECK ((base_currency IS NOT NULL) = (asset_class IN ('fx', 'crypto'))),
    CONSTRAINT ck_instruments_tick_size CHECK (tick_size > 0),
    CONSTRAINT ck_instruments_lot_size CHECK (lot_size > 0),
    CONSTRAINT ck_instruments_contract_multiplier CHECK (contract_multiplier > 0),
    CONSTRAINT ck_instruments_delisted CHECK (delisted_at IS NULL OR NOT is_tradable)
);

COMMENT ON TABLE instruments IS 'What can be traded, once per venue';
COMMENT ON COLUMN instruments.base_currency IS 'What is bought with the quote currency; pairs only';
COMMENT ON COLUMN instruments.quote_currency IS 'Currency of its prices and of profit and loss';
COMMENT ON COLUMN instruments.contract_multiplier IS 'Money per unit of quantity and of price';

CREATE TABLE accounts (
    id            integer      GENERATED ALWAYS AS IDENTITY,
    code          text         NOT NULL,
    broker        text         NOT NULL,
    mode          text         NOT NULL DEFAULT 'paper',
    status        text         NOT NULL DEFAULT 'active',
    base_currency text         NOT NULL,
    max_leverage  numeric(6,2) NOT NULL DEFAULT 1,
    closed_at     timestamptz,
    created_at    timestamptz  NOT NULL DEFAULT now(),
    updated_at    timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT pk_accounts PRIMARY KEY (id),
    CONSTRAINT uq_accounts_code UNIQUE (code),
    CONSTRAINT ck_accounts_mode CHECK (mode IN ('paper', 'live')),
    CONSTRAINT ck_accounts_status CHECK (status IN ('active', 'suspended', 'closed')),
    CONSTRAINT ck_accounts_max_leverage CHECK (max_leverage >= 1),
    CONSTRAINT ck_accounts_closed CHECK ((status = 'closed') = (closed_at IS NOT NULL))
);

COMMENT ON TABLE accounts IS 'Accounts at brokers';
COMMENT ON COLUMN accounts.mode IS 'paper until someone decides otherwise';


-- How it is traded: strategies, and the personality each is run with ----------------------------------------------

CREATE TABLE personality_profiles (
    id               integer      GENERATED ALWAYS AS IDENTITY,
    name             text         NOT NULL,
    version          integer      NOT NULL DEFAULT 1,
    description      text         NOT NULL DEFAULT '',
    risk_appetite    numeric(7,6) NOT NULL,
    holding_horizon  interval     NOT NULL,
    position_sizing  text         NOT NULL,
    risk_per_trade   numeric(7,6) NOT NULL,
    max_position     numeric(7,6) NOT NULL,
    max_drawdown     numeric(7,6) NOT NULL,
    adaptation_rate  numeric(7,6) NOT NULL DEFAULT 0,
    parameters       jsonb        NOT NULL DEFAULT '{}'::jsonb,
    is_active        boolean      NOT NULL DEFAULT true,
    created_at       timestamptz  NOT NULL DEFAULT now(),
    updated_at       timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT pk_personality_profiles PRIMARY KEY (id),
    CONSTRAINT uq_personality_profiles_name_version UNIQUE (name, version),
    CONSTRAINT ck_personality_profiles_version CHECK (version > 0),
    CONSTRAINT ck_personality_profiles_risk_appetite CHECK (risk_appetite BETWEEN 0 AND 1),
    CONSTRAINT ck_personality_profiles_holding_horizon CHECK (holding_horizon > interval '0'),
    CONSTRAINT ck_personality_profiles_position_sizing
        CHECK (position_sizing IN ('fixed_fraction', 'volatility_target', 'kelly_fraction')),
    CONSTRAINT ck_personality_profiles_risk_per_trade CHECK (risk_per_trade > 0 AND risk_per_trade <= max_position),
    CONSTRAINT ck_personality_profiles_max_position CHECK (max_position > 0 AND max_position <= 1),
    CONSTRAINT ck_personality_profiles_max_drawdown CHECK (max_drawdown > 0 AND max_drawdown <= 1),
    CONSTRAINT ck_personality_profiles_adaptation_rate CHECK (adaptation_rate BETWEEN 0 AND 1),
    CONSTRAINT ck_personality_profiles_parameters CHECK (jsonb_typeof(parameters) = 'object')
);

-- a rule rather than a matter of speed, so it is here and not in 003
CREATE UNIQUE INDEX uq_personality_profiles_active ON personality_profiles (name) WHERE is_active;

COMMENT ON TABLE personality_profiles IS 'How a trader behaves; a changed profile is a new version, the old one stays';
COMMENT ON COLUMN personality_profiles.risk_appetite IS '0 avoids every risk, 1 takes what the limits allow';
COMMENT ON COLUMN personality_profiles.holding_horizon IS 'How long it means to hold a position';
COMMENT ON COLUMN personality_profiles.risk_per_trade IS 'Fraction of the allocated capital one trade may lose';
COMMENT ON COLUMN personality_profiles.max_position IS 'Fraction of the allocated capital in one position';
COMMENT ON COLUMN personality_profiles.max_drawdown IS 'Fraction of the allocated capital lost at which it stops';
COMMENT ON COLUMN personality_profiles.adaptation_rate IS 'Weight of the newest results when it adapts; 0 never adapts';
COMMENT ON COLUMN personality_profiles.parameters IS 'What only this kind of trader needs';

CREATE TABLE strategies (
    id          integer     GENERATED ALWAYS AS IDENTITY,
    code        text        NOT NULL,
    description text        NOT NULL DEFAULT '',
    kind        text        NOT NULL,
    status      text        NOT NULL DEFAULT 'draft',
    parameters  jsonb       NOT NULL DEFAULT '{}'::jsonb,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_strategies PRIMARY KEY (id),
    CONSTRAINT uq_strategies_code UNIQUE (code),
    CONSTRAINT ck_strategies_kind CHECK (kind IN ('trend', 'mean_reversion', 'market_making', 'arbitrage')),
    CONSTRAINT ck_strategies_status CHECK (status IN ('draft', 'backtest', 'paper', 'live', 'retired')),
    CONSTRAINT ck_strategies_parameters CHECK (jsonb_typeof(parameters) = 'object')
);

COMMENT ON TABLE strategies IS 'What produces signals';

CREATE TABLE strategy_assignments (
    id                     bigint        GENERATED ALWAYS AS IDENTITY,
    strategy_id            integer       NOT NULL,
    account_id             integer       NOT NULL,
    instrument_id          integer       NOT NULL,
    personality_profile_id integer       NOT NULL,
    allocated_capital      numeric(20,8) NOT NULL,
    valid_from             timestamptz   NOT NULL DEFAULT now(),
    valid_until            timestamptz,
    created_at             timestamptz   NOT NULL DEFAULT now(),
    updated_at             timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_strategy_assignments PRIMARY KEY (id),
    CONSTRAINT fk_strategy_assignments_strategy_id FOREIGN KEY (strategy_id) REFERENCES strategies (id),
    CONSTRAINT fk_strategy_assignments_account_id FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT fk_strategy_assignments_instrument_id FOREIGN KEY (instrument_id) REFERENCES instruments (id),
    CONSTRAINT fk_strategy_assignments_personality_profile_id
        FOREIGN KEY (personality_profile_id) REFERENCES personality_profiles (id),
    CONSTRAINT ck_strategy_assignments_allocated_capital CHECK (allocated_capital >= 0),
    CONSTRAINT ck_strategy_assignments_valid CHECK (valid_until > valid_from)
);

CREATE UNIQUE INDEX uq_strategy_assignments_current
    ON strategy_assignments (strategy_id, account_id, instrument_id) WHERE valid_until IS NULL;

COMMENT ON TABLE strategy_assignments IS 'Which strategy trades which instrument on which account, with which personality';
COMMENT ON COLUMN strategy_assignments.allocated_capital IS 'In the base currency of the account';
COMMENT ON COLUMN strategy_assignments.valid_until IS 'NULL: still in force';

CREATE TABLE personality_adjustments (
    id                     bigint      GENERATED ALWAYS AS IDENTITY,
    strategy_assignment_id bigint      NOT NULL,
    from_profile_id        integer     NOT NULL,
    to_profile_id          integer     NOT NULL,
    reason                 text        NOT NULL,
    evidence               jsonb       NOT NULL DEFAULT '{}'::jsonb,
    adjusted_at            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_personality_adjustments PRIMARY KEY (id),
    CONSTRAINT fk_personality_adjustments_strategy_assignment_id
        FOREIGN KEY (strategy_assignment_id) REFERENCES strategy_assignments (id),
    CONSTRAINT fk_personality_adjustments_from_profile_id
        FOREIGN KEY (from_profile_id) REFERENCES personality_profiles (id),
    CONSTRAINT fk_personality_adjustments_to_profile_id
        FOREIGN KEY (to_profile_id) REFERENCES personality_profiles (id),
    CONSTRAINT ck_personality_adjustments_changes CHECK (to_profile_id <> from_profile_id)
);

COMMENT ON TABLE personality_adjustments IS 'Each time the system adapted: from which profile to which, and why; append-only';
COMMENT ON COLUMN personality_adjustments.evidence IS 'The figures it was decided on';


-- What was done: orders, fills, positions, money -------------------------------------------------------------------

CREATE TABLE orders (
    id                     bigint        GENERATED ALWAYS AS IDENTITY,
    client_order_id        text          NOT NULL,
    account_id             integer       NOT NULL,
    instrument_id          integer       NOT NULL,
    strategy_assignment_id bigint,
    parent_order_id        bigint,
    signal_time            timestamptz,
    side                   text          NOT NULL,
    order_type             text          NOT NULL,
    time_in_force          text          NOT NULL DEFAULT 'day',
    quantity               numeric(20,8) NOT NULL,
    limit_price            numeric(20,8),
    stop_price             numeric(20,8),
    status                 text          NOT NULL DEFAULT 'pending',
    filled_quantity        numeric(20,8) NOT NULL DEFAULT 0,
    average_fill_price     numeric(20,8),
    reject_reason          text,
    submitted_at           timestamptz   NOT NULL DEFAULT now(),
    closed_at              timestamptz,
    created_at             timestamptz   NOT NULL DEFAULT now(),
    updated_at             timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_orders PRIMARY KEY (id),
    CONSTRAINT uq_orders_account_id_client_order_id UNIQUE (account_id, client_order_id),
    CONSTRAINT fk_orders_account_id FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT fk_orders_instrument_id FOREIGN KEY (instrument_id) REFERENCES instruments (id),
    CONSTRAINT fk_orders_strategy_assignment_id
        FOREIGN KEY (strategy_assignment_id) REFERENCES strategy_assignments (id),
    CONSTRAINT fk_orders_parent_order_id FOREIGN KEY (parent_order_id) REFERENCES orders (id),
    CONSTRAINT ck_orders_side CHECK (side IN ('buy', 'sell')),
    CONSTRAINT ck_orders_order_type CHECK (order_type IN ('market', 'limit', 'stop', 'stop_limit')),
    CONSTRAINT ck_orders_time_in_force CHECK (time_in_force IN ('day', 'gtc', 'ioc', 'fok')),
    CONSTRAINT ck_orders_status CHECK (
        status IN ('pending', 'working', 'partially_filled', 'filled', 'cancelled', 'rejected', 'expired')
    ),
    CONSTRAINT ck_orders_quantity CHECK (quantity > 0),
    CONSTRAINT ck_orders_filled_quantity CHECK (filled_quantity BETWEEN 0 AND quantity),
    CONSTRAINT ck_orders_filled CHECK (status <> 'filled' OR filled_quantity = quantity),
    CONSTRAINT ck_orders_average_fill_price CHECK ((average_fill_price IS NOT NULL) = (filled_quantity > 0)),
    CONSTRAINT ck_orders_limit_price CHECK ((limit_price IS NOT NULL) = (order_type IN ('limit', 'stop_limit'))),
    CONSTRAINT ck_orders_stop_price CHECK ((stop_price IS NOT NULL) = (order_type IN ('stop', 'stop_limit'))),
    CONSTRAINT ck_orders_closed
        CHECK ((closed_at IS NOT NULL) = (status IN ('filled', 'cancelled', 'rejected', 'expired'))),
    CONSTRAINT ck_orders_parent_order_id CHECK (parent_order_id <> id)
);

COMMENT ON TABLE orders IS 'Orders sent to brokers, by a strategy or by hand';
COMMENT ON COLUMN orders.client_order_id IS 'Our own id, unique per account: sending an order again is harmless';
COMMENT ON COLUMN orders.strategy_assignment_id IS 'NULL: entered by hand';
COMMENT ON COLUMN orders.signal_time IS
    'With strategy and instrument the key of the signal; no foreign key, because signals is a hypertable';
COMMENT ON COLUMN orders.limit_price IS 'May be negative: some futures trade below zero';

CREATE TABLE order_fills (
    id                 bigint        GENERATED ALWAYS AS IDENTITY,
    order_id           bigint        NOT NULL,
    venue_execution_id text          NOT NULL,
    quantity           numeric(20,8) NOT NULL,
    price              numeric(20,8) NOT NULL,
    fee                numeric(20,8) NOT NULL DEFAULT 0,
    fee_currency       text          NOT NULL,
    liquidity          text,
    executed_at        timestamptz   NOT NULL,
    received_at        timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_order_fills PRIMARY KEY (id),
    CONSTRAINT uq_order_fills_order_id_venue_execution_id UNIQUE (order_id, venue_execution_id),
    CONSTRAINT fk_order_fills_order_id FOREIGN KEY (order_id) REFERENCES orders (id),
    CONSTRAINT ck_order_fills_quantity CHECK (quantity > 0),
    CONSTRAINT ck_order_fills_liquidity CHECK (liquidity IN ('maker', 'taker'))
);

COMMENT ON TABLE order_fills IS 'What the venue says was executed; append-only';
COMMENT ON COLUMN order_fills.venue_execution_id IS 'Unique per order: a report received twice is booked once';
COMMENT ON COLUMN order_fills.fee IS 'Negative: a rebate';
COMMENT ON COLUMN order_fills.executed_at IS 'Clock of the venue';
COMMENT ON COLUMN order_fills.received_at IS 'Our clock';

CREATE TABLE positions (
    account_id          integer       NOT NULL,
    instrument_id       integer       NOT NULL,
    quantity            numeric(20,8) NOT NULL DEFAULT 0,
    average_entry_price numeric(20,8),
    realized_pnl        numeric(20,8) NOT NULL DEFAULT 0,
    opened_at           timestamptz,
    lock_version        integer       NOT NULL DEFAULT 1,
    updated_at          timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_positions PRIMARY KEY (account_id, instrument_id),
    CONSTRAINT fk_positions_account_id FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT fk_positions_instrument_id FOREIGN KEY (instrument_id) REFERENCES instruments (id),
    CONSTRAINT ck_positions_open CHECK (
        CASE WHEN quantity = 0
             THEN num_nonnulls(average_entry_price, opened_at) = 0
             ELSE num_nonnulls(average_entry_price, opened_at) = 2
        END
    )
);

COMMENT ON TABLE positions IS 'What each account holds now; the history is in order_fills';
COMMENT ON COLUMN positions.quantity IS 'Negative: short';
COMMENT ON COLUMN positions.realized_pnl IS 'In the quote currency of the instrument, fees not taken off';
COMMENT ON COLUMN positions.lock_version IS 'Counts updates, so that a writer sees that another was faster';

CREATE TABLE ledger_entries (
    id            bigint        GENERATED ALWAYS AS IDENTITY,
    account_id    integer       NOT NULL,
    entry_type    text          NOT NULL,
    amount        numeric(20,8) NOT NULL,
    currency      text          NOT NULL,
    order_fill_id bigint,
    reference     text          NOT NULL,
    booked_at     timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_ledger_entries PRIMARY KEY (id),
    CONSTRAINT uq_ledger_entries_account_id_reference UNIQUE (account_id, reference),
    CONSTRAINT fk_ledger_entries_account_id FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT fk_ledger_entries_order_fill_id FOREIGN KEY (order_fill_id) REFERENCES order_fills (id),
    CONSTRAINT ck_ledger_entries_entry_type CHECK (
        entry_type IN ('deposit', 'withdrawal', 'trade', 'fee', 'funding', 'dividend', 'correction')
    ),
    CONSTRAINT ck_ledger_entries_amount CHECK (amount <> 0),
    CONSTRAINT ck_ledger_entries_order_fill_id
        CHECK (entry_type NOT IN ('trade', 'fee') OR order_fill_id IS NOT NULL)
);

COMMENT ON TABLE ledger_entries IS 'Every movement of money; append-only, so that the balance is their sum';
COMMENT ON COLUMN ledger_entries.amount IS 'Positive: into the account';
COMMENT ON COLUMN ledger_entries.reference IS 'Unique per account: booking the same movement again is harmless';

-- Its body is parsed now, so PostgreSQL knows that it needs ledger_entries.
CREATE FUNCTION account_balance(account integer, in_currency text) RETURNS numeric
    LANGUAGE sql
    STABLE
    PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(sum(entry.amount), 0)
    FROM ledger_entries AS entry
    WHERE entry.account_id = account AND entry.currency = in_currency;
END;

COMMENT ON FUNCTION account_balance(integer, text) IS 'Money of an account in one currency';


-- What must not happen: limits, and what was done when it did ------------------------------------------------------

CREATE TABLE risk_limits (
    id            integer       GENERATED ALWAYS AS IDENTITY,
    account_id    integer       NOT NULL,
    instrument_id integer,
    limit_type    text          NOT NULL,
    threshold     numeric(20,8) NOT NULL,
    action        text          NOT NULL DEFAULT 'reject',
    is_enabled    boolean       NOT NULL DEFAULT true,
    created_at    timestamptz   NOT NULL DEFAULT now(),
    updated_at    timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_risk_limits PRIMARY KEY (id),
    CONSTRAINT uq_risk_limits_account_id_instrument_id_limit_type
        UNIQUE NULLS NOT DISTINCT (account_id, instrument_id, limit_type),
    CONSTRAINT fk_risk_limits_account_id FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT fk_risk_limits_instrument_id FOREIGN KEY (instrument_id) REFERENCES instruments (id),
    CONSTRAINT ck_risk_limits_limit_type CHECK (
        limit_type IN ('position', 'notional', 'daily_loss', 'drawdown', 'open_orders', 'orders_per_minute')
    ),
    CONSTRAINT ck_risk_limits_threshold CHECK (threshold >= 0),
    CONSTRAINT ck_risk_limits_action CHECK (action IN ('warn', 'reject', 'flatten', 'halt'))
);

COMMENT ON TABLE risk_limits IS 'What an account may not exceed, and what happens if it does';
COMMENT ON COLUMN risk_limits.instrument_id IS 'NULL: the account as a whole';

CREATE TABLE risk_events (
    id              bigint        GENERATED ALWAYS AS IDENTITY,
    occurred_at     timestamptz   NOT NULL DEFAULT now(),
    account_id      integer       NOT NULL,
    instrument_id   integer,
    order_id        bigint,
    risk_limit_id   integer,
    severity        text          NOT NULL,
    event_type      text          NOT NULL,
    measured        numeric(20,8),
    threshold       numeric(20,8),
    message         text          NOT NULL,
    details         jsonb         NOT NULL DEFAULT '{}'::jsonb,
    acknowledged_at timestamptz,
    acknowledged_by text,
    CONSTRAINT pk_risk_events PRIMARY KEY (id),
    CONSTRAINT fk_risk_events_account_id FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT fk_risk_events_instrument_id FOREIGN KEY (instrument_id) REFERENCES instruments (id),
    CONSTRAINT fk_risk_events_order_id FOREIGN KEY (order_id) REFERENCES orders (id),
    CONSTRAINT fk_risk_events_risk_limit_id FOREIGN KEY (risk_limit_id) REFERENCES risk_limits (id),
    CONSTRAINT ck_risk_events_severity CHECK (severity IN ('info', 'warning', 'critical')),
    CONSTRAINT ck_risk_events_acknowledged CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
);

COMMENT ON TABLE risk_events IS 'What the risk engine saw';
COMMENT ON COLUMN risk_events.threshold IS 'Of the limit as it was then';

CREATE TABLE circuit_breaker_events (
    id            bigint      GENERATED ALWAYS AS IDENTITY,
    occurred_at   timestamptz NOT NULL DEFAULT now(),
    scope         text        NOT NULL,
    account_id    integer,
    strategy_id   integer,
    instrument_id integer,
    state         text        NOT NULL,
    risk_event_id bigint,
    reason        text        NOT NULL,
    actor         text        NOT NULL DEFAULT CURRENT_USER,
    cooldown      interval,
    CONSTRAINT pk_circuit_breaker_events PRIMARY KEY (id),
    CONSTRAINT fk_circuit_breaker_events_account_id FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT fk_circuit_breaker_events_strategy_id FOREIGN KEY (strategy_id) REFERENCES strategies (id),
    CONSTRAINT fk_circuit_breaker_events_instrument_id FOREIGN KEY (instrument_id) REFERENCES instruments (id),
    CONSTRAINT fk_circuit_breaker_events_risk_event_id FOREIGN KEY (risk_event_id) REFERENCES risk_events (id),
    CONSTRAINT ck_circuit_breaker_events_scope CHECK (scope IN ('global', 'account', 'strategy', 'instrument')),
    CONSTRAINT ck_circuit_breaker_events_scope_target CHECK (
        (account_id IS NOT NULL) = (scope = 'account')
        AND (strategy_id IS NOT NULL) = (scope = 'strategy')
        AND (instrument_id IS NOT NULL) = (scope = 'instrument')
    ),
    CONSTRAINT ck_circuit_breaker_events_state CHECK (state IN ('open', 'half_open', 'closed')),
    CONSTRAINT ck_circuit_breaker_events_cooldown CHECK (cooldown > interval '0')
);

COMMENT ON TABLE circuit_breaker_events IS
    'Each time trading was stopped or allowed again; the newest row of a scope is its state; append-only';
COMMENT ON COLUMN circuit_breaker_events.state IS 'open stops trading, half_open probes, closed trades';

CREATE TABLE audit_log (
    id          bigint      GENERATED ALWAYS AS IDENTITY,
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor       text        NOT NULL DEFAULT SESSION_USER,
    action      text        NOT NULL,
    table_name  text        NOT NULL,
    row_id      text        NOT NULL,
    old_row     jsonb,
    new_row     jsonb,
    CONSTRAINT pk_audit_log PRIMARY KEY (id),
    CONSTRAINT ck_audit_log_action CHECK (action IN ('insert', 'update', 'delete')),
    CONSTRAINT ck_audit_log_rows CHECK (
        (old_row IS NULL) = (action = 'insert') AND (new_row IS NULL) = (action = 'delete')
    )
);

COMMENT ON TABLE audit_log IS 'Changes to what decides how money is risked; written by triggers; append-only';
COMMENT ON COLUMN audit_log.actor IS 'Who logged in, whatever role was set since';


-- Triggers -------------------------------------------------------------------------------------------------------

CREATE TRIGGER set_updated_at BEFORE UPDATE ON instruments
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER set_updated_at BEFORE UPDATE ON accounts
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER set_updated_at BEFORE UPDATE ON personality_profiles
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER set_updated_at BEFORE UPDATE ON strategies
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER set_updated_at BEFORE UPDATE ON strategy_assignments
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER set_updated_at BEFORE UPDATE ON orders
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER set_updated_at BEFORE UPDATE ON positions
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER set_updated_at BEFORE UPDATE ON risk_limits
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION set_updated_at();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON personality_adjustments
    FOR EACH STATEMENT EXECUTE FUNCTION reject_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_fills
    FOR EACH STATEMENT EXECUTE FUNCTION reject_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION reject_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON circuit_breaker_events
    FOR EACH STATEMENT EXECUTE FUNCTION reject_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION reject_change();

CREATE TRIGGER audit_change AFTER INSERT OR UPDATE OR DELETE ON accounts
    FOR EACH ROW EXECUTE FUNCTION audit_change();
CREATE TRIGGER audit_change AFTER INSERT OR UPDATE OR DELETE ON personality_profiles
    FOR EACH ROW EXECUTE FUNCTION audit_change();
CREATE TRIGGER audit_change AFTER INSERT OR UPDATE OR DELETE ON strategy_assignments
    FOR EACH ROW EXECUTE FUNCTION audit_change();
CREATE TRIGGER audit_change AFTER INSERT OR UPDATE OR DELETE ON risk_limits
    FOR EACH ROW EXECUTE FUNCTION audit_change();
