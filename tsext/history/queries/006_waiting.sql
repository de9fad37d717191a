ALTER TABLE tsext.backfill ADD COLUMN IF NOT EXISTS waits_since TIMESTAMPTZ;
ALTER TABLE tsext.backfill ADD COLUMN IF NOT EXISTS waited DOUBLE PRECISION NOT NULL DEFAULT 0;
COMMENT ON COLUMN tsext.backfill.waited IS 'Seconds, until waits_since.';

ALTER TABLE tsext.backfill_task ALTER COLUMN wal_bytes DROP DEFAULT, ALTER COLUMN wal_bytes DROP NOT NULL;
UPDATE tsext.backfill_task SET wal_bytes = NULL WHERE wal_bytes = 0;
COMMENT ON COLUMN tsext.backfill_task.wal_bytes IS
    'Written by the backends of its workers, from PostgreSQL 18 on; NULL: not measured.';
