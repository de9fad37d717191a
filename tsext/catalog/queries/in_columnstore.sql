SELECT _timescaledb_functions.chunk_status(i.inhrelid) & 1 = 1
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhparent
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN _timescaledb_catalog.hypertable AS h ON h.schema_name = n.nspname AND h.table_name = c.relname
WHERE i.inhrelid = to_regclass(%(relation)s)
