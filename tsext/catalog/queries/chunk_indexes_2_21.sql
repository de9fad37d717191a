-- Up to 2.21 a table of the catalog tells which index of a chunk belongs to which of the hypertable.
SELECT c.schema_name AS schema, x.index_name AS name
FROM pg_index AS i
JOIN pg_class AS r ON r.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
JOIN pg_namespace AS n ON n.oid = t.relnamespace
JOIN _timescaledb_catalog.hypertable AS h ON h.schema_name = n.nspname AND h.table_name = t.relname
JOIN _timescaledb_catalog.chunk_index AS x ON x.hypertable_id = h.id AND x.hypertable_index_name = r.relname
JOIN _timescaledb_catalog.chunk AS c ON c.id = x.chunk_id
WHERE i.indexrelid = to_regclass(%(index)s)
