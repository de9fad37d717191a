-- What was written is noted behind the transaction, as the server tells it only then; nobody waits for the disk. Nor for
-- another worker that has taken up what is left of the task, and would be stopped for having us wait: of that sitting
-- the WAL is not noted.
WITH quick AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), ended AS (
    UPDATE tsext.backfill_attempt SET ended_at = clock_timestamp(), error = %(error)s
    FROM quick
    WHERE id = %(id)s AND ended_at IS NULL
    RETURNING task
), free AS (
    SELECT t.id
    FROM tsext.backfill_task AS t
    JOIN ended ON ended.task = t.id
    WHERE %(wal_bytes)s::bigint IS NOT NULL
    FOR NO KEY UPDATE OF t SKIP LOCKED
)
UPDATE tsext.backfill_task AS t SET wal_bytes = coalesce(t.wal_bytes, 0) + %(wal_bytes)s
FROM free WHERE t.id = free.id
