SELECT hypertable_schema AS schema, hypertable_name AS name, count(*) FILTER (WHERE is_compressed) AS compressed
FROM timescaledb_information.chunks
GROUP BY 1, 2
