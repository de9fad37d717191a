-- Attempts without an end whose backends are still there.
SELECT a.worker, a.host, a.pid, a.backend, t.step, t.relation, t.lower, t.upper, t.position, a.begun_at
FROM tsext.backfill_attempt AS a
JOIN tsext.backfill_task AS t ON t.id = a.task AND t.state = 'open'
JOIN pg_stat_activity AS s ON s.pid = a.backend AND coalesce(s.backend_start <= a.begun_at, true)
WHERE t.backfill = %(backfill)s AND a.ended_at IS NULL
ORDER BY a.begun_at
