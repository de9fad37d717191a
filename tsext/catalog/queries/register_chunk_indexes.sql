INSERT INTO _timescaledb_catalog.chunk_index (chunk_id, index_name, hypertable_id, hypertable_index_name)
SELECT c.id, given.index, c.hypertable_id, given.root
FROM unnest(%(chunks)s::text[], %(indexes)s::text[], %(roots)s::text[]) AS given (chunk, index, root)
JOIN pg_class AS t ON t.oid = to_regclass(given.chunk)
JOIN pg_namespace AS n ON n.oid = t.relnamespace
JOIN _timescaledb_catalog.chunk AS c ON c.schema_name = n.nspname AND c.table_name = t.relname
WHERE NOT EXISTS (
    SELECT FROM _timescaledb_catalog.chunk_index AS i WHERE i.chunk_id = c.id AND i.index_name = given.index
)
