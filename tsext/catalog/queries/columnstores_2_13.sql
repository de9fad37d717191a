-- As columnstores.sql, where there is no compression_settings yet in the catalog.
WITH relations AS (
    SELECT hypertable_schema AS schema, hypertable_name AS name, hypertable_schema, hypertable_name, false AS aggregate
    FROM timescaledb_information.hypertables WHERE compression_enabled
    UNION ALL
    SELECT view_schema, view_name, materialization_hypertable_schema, materialization_hypertable_name, true
    FROM timescaledb_information.continuous_aggregates WHERE compression_enabled
)
SELECT r.schema, r.name, r.aggregate, s.segmentby, s.orderby, s.orderby_desc, s.orderby_nullsfirst,
       NULL::jsonb AS index, d.column_type::text AS column_type, d.compress_interval_length AS length
FROM relations AS r
JOIN _timescaledb_catalog.hypertable AS h ON h.schema_name = r.hypertable_schema AND h.table_name = r.hypertable_name
JOIN LATERAL (
    SELECT * FROM _timescaledb_catalog.dimension WHERE hypertable_id = h.id ORDER BY id LIMIT 1
) AS d ON true
JOIN LATERAL (
    SELECT array_agg(attname::text ORDER BY segmentby_column_index)
               FILTER (WHERE segmentby_column_index IS NOT NULL) AS segmentby,
           array_agg(attname::text ORDER BY orderby_column_index)
               FILTER (WHERE orderby_column_index IS NOT NULL) AS orderby,
           array_agg(NOT orderby_asc ORDER BY orderby_column_index)
               FILTER (WHERE orderby_column_index IS NOT NULL) AS orderby_desc,
           array_agg(orderby_nullsfirst ORDER BY orderby_column_index)
               FILTER (WHERE orderby_column_index IS NOT NULL) AS orderby_nullsfirst
    FROM timescaledb_information.compression_settings AS c
    WHERE (c.hypertable_schema, c.hypertable_name)
          IN ((r.schema, r.name), (r.hypertable_schema, r.hypertable_name))
) AS s ON true
ORDER BY 1, 2
