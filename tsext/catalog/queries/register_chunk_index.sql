INSERT INTO _timescaledb_catalog.chunk_index (chunk_id, index_name, hypertable_id, hypertable_index_name)
SELECT c.id, %(index)s, c.hypertable_id, %(root)s
FROM pg_class AS t
JOIN pg_namespace AS n ON n.oid = t.relnamespace
JOIN _timescaledb_catalog.chunk AS c ON c.schema_name = n.nspname AND c.table_name = t.relname
WHERE t.oid = to_regclass(%(chunk)s)
    AND NOT EXISTS (
        SELECT FROM _timescaledb_catalog.chunk_index AS i WHERE i.chunk_id = c.id AND i.index_name = %(index)s
    )
