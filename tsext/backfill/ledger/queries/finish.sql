-- now() is when the transaction began, in which the work was done
UPDATE tsext.backfill_task
SET state = CASE WHEN %(position)s::text IS NULL THEN 'done' ELSE 'open' END,
    position = %(position)s,
    batch = coalesce(%(batch)s, batch),
    seen = seen + %(seen)s,
    rows = rows + %(rows)s,
    bytes = bytes + %(bytes)s,
    seconds = seconds + extract(epoch FROM clock_timestamp() - now()),
    source_hash = coalesce(%(source_hash)s, source_hash),
    target_hash = coalesce(%(target_hash)s, target_hash),
    worker = %(worker)s,
    begun_at = coalesce(begun_at, now()),
    touched_at = clock_timestamp(),
    ended_at = CASE WHEN %(position)s::text IS NULL THEN clock_timestamp() END,
    tries = 0,
    not_before = NULL,
    error = NULL
WHERE id = %(task)s
