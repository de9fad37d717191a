CREATE TABLE IF NOT EXISTS migration_history (
    version INTEGER PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    applied_at TIMESTAMPTZ DEFAULT NOW(),
    rollback_available BOOLEAN NOT NULL DEFAULT true,
    checksum VARCHAR(64) NOT NULL,
    execution_time_ms INTEGER NOT NULL,
    applied_by VARCHAR(100) DEFAULT CURRENT_USER
);

CREATE TABLE IF NOT EXISTS tsext.bookkeeping (
    only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    schema_version INTEGER NOT NULL,
    events BIGINT NOT NULL DEFAULT 0,
    last_hash VARCHAR(64) NOT NULL DEFAULT repeat('0', 64)
);
COMMENT ON TABLE tsext.bookkeeping IS 'One row: the version of this schema, and where the chain of events ends.';
INSERT INTO tsext.bookkeeping (schema_version) VALUES (0) ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS tsext.bridge (
    revision TEXT PRIMARY KEY,
    version INTEGER NOT NULL UNIQUE,
    files JSONB NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE tsext.bridge IS 'Alembic revision, its number in migration_history, and the SHA-256 of each of its files.';

CREATE TABLE IF NOT EXISTS tsext.event (
    id BIGINT PRIMARY KEY,
    at TIMESTAMPTZ NOT NULL,
    kind TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('succeeded', 'failed')),
    revision TEXT,
    version INTEGER,
    checksum TEXT,
    execution_time_ms INTEGER,
    environment TEXT,
    applied_by TEXT NOT NULL DEFAULT CURRENT_USER,
    client TEXT,
    error TEXT,
    details JSONB,
    previous_hash VARCHAR(64) NOT NULL,
    hash VARCHAR(64) NOT NULL
);
COMMENT ON TABLE tsext.event IS 'What was tried and how it ended; append-only, each row hashed over itself and its predecessor.';
