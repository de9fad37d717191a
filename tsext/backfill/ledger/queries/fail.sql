-- After each failure it waits twice as long, at most a minute; what does not count, a second. A worker that has taken it
-- up meanwhile is not waited for, as it would be stopped for that.
WITH free AS (
    SELECT id FROM tsext.backfill_task WHERE id = %(task)s AND state = 'open' FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE tsext.backfill_task AS t
SET state = CASE WHEN tries + %(counts)s >= %(tries)s THEN 'failed' ELSE 'open' END,
    tries = tries + %(counts)s,
    not_before = clock_timestamp() + CASE WHEN %(counts)s = 0 THEN 1 ELSE least(60, 2 ^ least(tries, 10)) END
        * interval '1 second',
    batch = greatest(coalesce(batch, 1000) / 4, 1),
    touched_at = clock_timestamp(),
    worker = %(worker)s,
    error = %(error)s
FROM free WHERE t.id = free.id
RETURNING state
