UPDATE tsext.backfill
SET state = %(state)s, reason = %(reason)s,
    waits_since = CASE WHEN %(state)s = 'paused' THEN clock_timestamp() END,
    waited = waited + coalesce(extract(epoch FROM clock_timestamp() - waits_since), 0),
    waits_for = CASE WHEN %(state)s = 'paused' THEN ARRAY['paused'] END,
    waits_for_since = CASE WHEN %(state)s = 'paused' THEN clock_timestamp() END,
    waited_for = waited_for || coalesce((
        SELECT jsonb_object_agg(r, coalesce((waited_for ->> r)::float8, 0)
            + extract(epoch FROM clock_timestamp() - waits_for_since)::float8)
        FROM unnest(waits_for) AS r), '{}'),
    begun_at = CASE WHEN %(state)s = 'running' THEN coalesce(begun_at, clock_timestamp()) ELSE begun_at END,
    ended_at = CASE WHEN %(state)s IN ('done', 'failed', 'cancelled', 'finished') THEN clock_timestamp() END
WHERE id = %(id)s AND (state = ANY (%(only)s) OR %(any)s)
