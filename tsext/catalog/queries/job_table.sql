-- It moved in 2.25. Found by name: a cast to regclass would need USAGE on both schemas.
SELECT n.nspname::text AS schema
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = 'bgw_job' AND c.relkind = 'r' AND n.nspname IN ('_timescaledb_catalog', '_timescaledb_config')
  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
