-- What was written is noted behind the transaction, as the server tells it only then; nobody waits for the disk.
WITH quick AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), ended AS (
    UPDATE tsext.backfill_attempt SET ended_at = clock_timestamp(), error = %(error)s
    FROM quick
    WHERE id = %(id)s AND ended_at IS NULL
    RETURNING task
)
UPDATE tsext.backfill_task AS t SET wal_bytes = coalesce(t.wal_bytes, 0) + %(wal_bytes)s
FROM ended WHERE t.id = ended.task AND %(wal_bytes)s::bigint IS NOT NULL
