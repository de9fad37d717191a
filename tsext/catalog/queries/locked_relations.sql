WITH held AS (
    SELECT l.relation AS oid, (array_agg(l.mode ORDER BY array_position(%(modes)s::text[], l.mode) DESC))[1] AS mode
    FROM pg_locks AS l
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted
    GROUP BY 1
)
SELECT
    h.oid::bigint AS oid,
    coalesce(i.inhparent, h.oid)::bigint AS root,
    n.nspname || '.' || c.relname AS name,
    h.mode,
    pg_relation_filenode(h.oid)::bigint AS file,
    pg_table_size(h.oid) AS bytes,
    pg_current_wal_insert_lsn()::text AS lsn
FROM held AS h
JOIN pg_class AS c ON c.oid = h.oid AND c.relkind IN ('r', 'p', 'm')
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits AS i ON i.inhrelid = h.oid
WHERE n.nspname !~ '^(pg_|information_schema|tsext$|_timescaledb_catalog|_timescaledb_config|_timescaledb_cache)'
    AND c.relname NOT IN ('alembic_version', 'migration_history')
