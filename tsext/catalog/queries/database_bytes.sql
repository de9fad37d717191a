SELECT coalesce(sum(pg_database_size(oid)), 0)::bigint AS bytes
FROM pg_database
WHERE datallowconn AND (has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE'))
