SELECT
    c.oid::bigint AS oid,
    n.nspname || '.' || c.relname AS name,
    pg_relation_filenode(c.oid)::bigint AS file,
    c.relpages::bigint * current_setting('block_size')::bigint AS bytes
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = ANY (%(oids)s::oid[])
