-- No view tells it. The row of the hypertable itself has no chunk: null, and 0 up to 2.19.
SELECT h.schema_name AS schema, h.table_name AS name, array_agg(s.column_name::text) AS columns
FROM _timescaledb_catalog.chunk_column_stats AS s
JOIN _timescaledb_catalog.hypertable AS h ON h.id = s.hypertable_id
WHERE coalesce(s.chunk_id, 0) = 0
GROUP BY 1, 2
