WITH held AS (
    SELECT l.relation AS oid, (array_agg(l.mode ORDER BY array_position(%(modes)s::text[], l.mode) DESC))[1] AS mode
    FROM pg_locks AS l
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted
        AND l.mode = ANY (%(modes)s::text[]) -- not SIReadLock, by which a serializable transaction blocks nobody
    GROUP BY 1
)
SELECT
    h.oid::bigint AS oid,
    h.mode,
    pg_relation_filenode(c.oid)::bigint AS file,
    coalesce(pg_table_size(c.oid), 0) AS bytes,
    pg_current_wal_insert_lsn()::text AS lsn
FROM held AS h
LEFT JOIN pg_class AS c ON c.oid = h.oid
WHERE h.oid >= 16384 AND (c.oid IS NULL OR c.relkind IN ('r', 'p', 'm'))
