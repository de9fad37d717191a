CREATE TABLE IF NOT EXISTS tsext.backfill (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    target TEXT,
    spec JSONB NOT NULL,
    state TEXT NOT NULL DEFAULT 'declared'
        CHECK (state IN ('declared', 'running', 'paused', 'cancelled', 'failed', 'done', 'applied', 'finished')),
    reason TEXT,
    limits JSONB NOT NULL DEFAULT '{}',
    revision TEXT,
    declared_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    declared_by TEXT NOT NULL DEFAULT CURRENT_USER,
    begun_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ
);
COMMENT ON TABLE tsext.backfill IS
    'Chunk-wise work: what is to be done, all that a worker on another machine needs to help, and why it waits.';

CREATE TABLE IF NOT EXISTS tsext.backfill_task (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    backfill BIGINT NOT NULL REFERENCES tsext.backfill ON DELETE CASCADE,
    step TEXT NOT NULL,
    relation TEXT NOT NULL,
    lower TEXT,
    upper TEXT,
    position TEXT,
    expected BIGINT,
    batch BIGINT,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'failed', 'split')),
    tries INTEGER NOT NULL DEFAULT 0,
    not_before TIMESTAMPTZ,
    seen BIGINT NOT NULL DEFAULT 0,
    rows BIGINT NOT NULL DEFAULT 0,
    bytes BIGINT NOT NULL DEFAULT 0,
    wal_bytes BIGINT NOT NULL DEFAULT 0,
    seconds DOUBLE PRECISION NOT NULL DEFAULT 0,
    source_hash TEXT,
    target_hash TEXT,
    worker TEXT,
    begun_at TIMESTAMPTZ,
    touched_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    error TEXT
);
COMMENT ON TABLE tsext.backfill_task IS
    'One row per chunk or range; a worker holds it FOR NO KEY UPDATE, and finishes it in the transaction of the work.';
-- no bound is a bound of its own
CREATE UNIQUE INDEX IF NOT EXISTS backfill_task_range
    ON tsext.backfill_task (backfill, step, relation, coalesce(lower, ''), coalesce(upper, ''));
CREATE INDEX IF NOT EXISTS backfill_task_open ON tsext.backfill_task (backfill, id) WHERE state = 'open';

CREATE TABLE IF NOT EXISTS tsext.backfill_attempt (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task BIGINT NOT NULL REFERENCES tsext.backfill_task ON DELETE CASCADE,
    worker TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    backend INTEGER NOT NULL,
    begun_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    ended_at TIMESTAMPTZ,
    error TEXT
);
COMMENT ON TABLE tsext.backfill_attempt IS
    'Who has taken up which task, committed at once: what has no end, and whose backend is gone, was interrupted.';
CREATE INDEX IF NOT EXISTS backfill_attempt_task ON tsext.backfill_attempt (task);
