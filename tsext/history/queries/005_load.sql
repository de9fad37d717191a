CREATE TABLE IF NOT EXISTS tsext.load_reject (
    backfill BIGINT NOT NULL REFERENCES tsext.backfill ON DELETE CASCADE,
    line BIGINT NOT NULL,
    sqlstate TEXT NOT NULL,
    reason TEXT NOT NULL,
    record BYTEA NOT NULL,
    PRIMARY KEY (backfill, line)
);
COMMENT ON TABLE tsext.load_reject IS
    'Records of a file that the server refused, entered in the transaction that loaded their neighbours.';
