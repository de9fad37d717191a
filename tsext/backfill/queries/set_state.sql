UPDATE tsext.backfill
SET state = %(state)s, reason = %(reason)s,
    waits_since = CASE WHEN %(state)s = 'paused' THEN clock_timestamp() END,
    waited = waited + coalesce(extract(epoch FROM clock_timestamp() - waits_since), 0),
    begun_at = CASE WHEN %(state)s = 'running' THEN coalesce(begun_at, clock_timestamp()) ELSE begun_at END,
    ended_at = CASE WHEN %(state)s IN ('done', 'failed', 'cancelled', 'finished') THEN clock_timestamp() END
WHERE id = %(id)s AND (state = ANY (%(only)s) OR %(any)s)
