-- After each failure twice as long, at most a minute.
UPDATE tsext.backfill_task
SET state = CASE WHEN %(final)s OR tries + 1 >= %(tries)s THEN 'failed' ELSE 'open' END,
    tries = tries + 1,
    not_before = clock_timestamp() + least(60, 0.5 * 2 ^ least(tries, 10)) * interval '1 second',
    touched_at = clock_timestamp(),
    worker = %(worker)s,
    error = %(error)s
WHERE id = %(task)s AND state = 'open'
RETURNING state
