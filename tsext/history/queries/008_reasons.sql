ALTER TABLE tsext.backfill ADD COLUMN IF NOT EXISTS waits_for TEXT[];
ALTER TABLE tsext.backfill ADD COLUMN IF NOT EXISTS waits_for_since TIMESTAMPTZ;
ALTER TABLE tsext.backfill ADD COLUMN IF NOT EXISTS waited_for JSONB NOT NULL DEFAULT '{}';
COMMENT ON COLUMN tsext.backfill.waited_for IS 'Seconds by reason, until waits_for_since.';
