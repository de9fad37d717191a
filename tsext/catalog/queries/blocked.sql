WITH RECURSIVE waiting AS MATERIALIZED (
    SELECT DISTINCT ON (pid) pid, waitstart, relation, mode
    FROM pg_locks
    WHERE NOT granted AND pid <> %(pid)s
    ORDER BY pid, waitstart
),
edges AS MATERIALIZED (
    SELECT w.pid, b.blocker FROM waiting AS w CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS b (blocker)
),
blocked (pid) AS (
    SELECT pid FROM edges WHERE blocker = %(pid)s
    UNION
    SELECT e.pid FROM edges AS e JOIN blocked AS b ON e.blocker = b.pid
)
SELECT
    w.pid,
    extract(epoch FROM clock_timestamp() - coalesce(w.waitstart, clock_timestamp()))::float8 AS seconds,
    w.relation::regclass::text AS relation,
    w.mode,
    a.application_name AS application,
    a.query
FROM blocked AS b
JOIN waiting AS w ON w.pid = b.pid
LEFT JOIN pg_stat_activity AS a ON a.pid = w.pid
ORDER BY seconds DESC
