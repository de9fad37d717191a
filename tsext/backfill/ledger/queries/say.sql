-- Why it waits, and since when it does, whatever the reason; the seconds of earlier waits are summed up, also by reason.
UPDATE tsext.backfill
SET reason = %(reason)s,
    waits_since = CASE WHEN %(reason)s::text IS NOT NULL THEN coalesce(waits_since, clock_timestamp()) END,
    waited = CASE WHEN %(reason)s::text IS NULL
        THEN waited + coalesce(extract(epoch FROM clock_timestamp() - waits_since), 0) ELSE waited END,
    waits_for = nullif(%(rules)s::text[], '{}'),
    waits_for_since = CASE WHEN %(rules)s::text[] <> '{}' THEN clock_timestamp() END,
    waited_for = waited_for || coalesce((
        SELECT jsonb_object_agg(r, coalesce((waited_for ->> r)::float8, 0)
            + extract(epoch FROM clock_timestamp() - waits_for_since)::float8)
        FROM unnest(waits_for) AS r), '{}')
WHERE id = %(id)s AND state = 'running'
