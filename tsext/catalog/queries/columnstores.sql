-- The views join names with commas, and so cannot tell ["a,b"] from ["a", "b"], nor NULL from none; hence the catalog.
WITH relations AS (
    SELECT hypertable_schema AS schema, hypertable_name AS name, hypertable_schema, hypertable_name, false AS aggregate
    FROM timescaledb_information.hypertables WHERE compression_enabled
    UNION ALL
    SELECT view_schema, view_name, materialization_hypertable_schema, materialization_hypertable_name, true
    FROM timescaledb_information.continuous_aggregates WHERE compression_enabled
)
SELECT r.schema, r.name, r.aggregate, s.segmentby, s.orderby, s.orderby_desc, s.orderby_nullsfirst,
       to_jsonb(s) -> 'index' AS index, d.column_type::text AS column_type, d.compress_interval_length AS length
FROM relations AS r
JOIN pg_namespace AS n ON n.nspname = r.hypertable_schema
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = r.hypertable_name
LEFT JOIN _timescaledb_catalog.compression_settings AS s ON s.relid = c.oid
JOIN _timescaledb_catalog.hypertable AS h ON h.schema_name = r.hypertable_schema AND h.table_name = r.hypertable_name
JOIN LATERAL (
    SELECT * FROM _timescaledb_catalog.dimension WHERE hypertable_id = h.id ORDER BY id LIMIT 1
) AS d ON true
ORDER BY 1, 2
