SELECT n.nspname::text AS schema, c.relname::text AS name, pg_get_partkeydef(c.oid) AS key
FROM pg_partitioned_table AS p
JOIN pg_class AS c ON c.oid = p.partrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
