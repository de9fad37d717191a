-- Why it waits, and since when it does, whatever the reason; the seconds of earlier waits are summed up.
UPDATE tsext.backfill
SET reason = %(reason)s,
    waits_since = CASE WHEN %(reason)s::text IS NOT NULL THEN coalesce(waits_since, clock_timestamp()) END,
    waited = CASE WHEN %(reason)s::text IS NULL
        THEN waited + coalesce(extract(epoch FROM clock_timestamp() - waits_since), 0) ELSE waited END
WHERE id = %(id)s AND state = 'running'
