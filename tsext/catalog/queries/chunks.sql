SELECT hypertable_schema, hypertable_name, count(*) AS chunks
FROM timescaledb_information.chunks GROUP BY 1, 2 ORDER BY 1, 2
