INSERT INTO _timescaledb_catalog.chunk_index (chunk_id, index_name, hypertable_id, hypertable_index_name)
SELECT c.id, %(index)s, h.id, %(root)s
FROM _timescaledb_catalog.chunk AS c
JOIN _timescaledb_catalog.hypertable AS h ON h.id = c.hypertable_id AND h.schema_name = %(root_schema)s
WHERE c.schema_name = %(chunk_schema)s AND c.table_name = %(chunk)s
    AND NOT EXISTS (
        SELECT FROM _timescaledb_catalog.chunk_index AS i WHERE i.chunk_id = c.id AND i.index_name = %(index)s
    )
