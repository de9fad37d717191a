-- The rate is that of the twenty tasks that were at work last, of one worker.
SELECT count(*) AS tasks,
       count(*) FILTER (WHERE state = 'done') AS done,
       count(*) FILTER (WHERE state = 'failed') AS failed,
       coalesce(sum(rows), 0)::bigint AS rows,
       coalesce(sum(bytes), 0)::bigint AS bytes,
       sum(wal_bytes)::bigint AS wal_bytes,
       coalesce(sum(seen), 0)::bigint AS seen,
       coalesce(sum(greatest(expected, seen)) FILTER (WHERE state <> 'done'), 0)::bigint
           + coalesce(sum(seen) FILTER (WHERE state = 'done'), 0)::bigint AS expected,
       coalesce(bool_or(expected IS NULL), true) AS unknown,
       (SELECT count(DISTINCT a.worker)
        FROM tsext.backfill_attempt AS a
        JOIN tsext.backfill_task AS o ON o.id = a.task AND o.state = 'open'
        JOIN pg_stat_activity AS s ON s.pid = a.backend AND coalesce(s.backend_start <= a.begun_at, true)
        WHERE o.backfill = %(backfill)s AND a.ended_at IS NULL) AS workers,
       (SELECT sum(l.seen) / nullif(sum(l.seconds), 0)
        FROM (SELECT seen, seconds FROM tsext.backfill_task
              WHERE backfill = %(backfill)s AND seconds > 0 ORDER BY touched_at DESC LIMIT 20) AS l) AS rate
FROM tsext.backfill_task
WHERE backfill = %(backfill)s AND state <> 'split'
