SELECT
    c.oid::bigint AS oid,
    rn.nspname || '.' || r.relname AS table,
    r.oid <> c.oid AS is_part,
    pg_relation_filenode(c.oid)::bigint AS file,
    c.relpages::bigint * current_setting('block_size')::bigint AS bytes
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
JOIN pg_class AS r ON r.oid = coalesce(i.inhparent, c.oid)
JOIN pg_namespace AS rn ON rn.oid = r.relnamespace
WHERE c.oid = ANY (%(oids)s::oid[])
    AND c.relkind IN ('r', 'p', 'm')
    AND n.nspname !~ '^(pg_|information_schema|tsext$|_timescaledb_catalog|_timescaledb_config|_timescaledb_cache)'
    AND c.relname NOT IN ('alembic_version', 'migration_history')
