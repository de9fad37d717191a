-- The information views do not tell the functions with their schemas, so those are read from the catalog behind them.
SELECT d.hypertable_schema AS schema, d.hypertable_name AS name, d.column_name AS column,
       d.column_type::text AS column_type,
       (extract(epoch FROM d.time_interval) * 1000000)::bigint AS microseconds,
       d.integer_interval,
       d.num_partitions::int AS number_partitions,
       CASE WHEN c.partitioning_func <> 'get_partition_hash'
            THEN format('%I.%I', c.partitioning_func_schema, c.partitioning_func) END AS partitioning_func,
       CASE WHEN c.integer_now_func <> ''
            THEN format('%I.%I', c.integer_now_func_schema, c.integer_now_func) END AS integer_now_func,
       i.tablespaces::text[] AS tablespaces
FROM timescaledb_information.dimensions AS d
JOIN timescaledb_information.hypertables AS i USING (hypertable_schema, hypertable_name)
JOIN _timescaledb_catalog.hypertable AS h
  ON h.schema_name = d.hypertable_schema AND h.table_name = d.hypertable_name
JOIN _timescaledb_catalog.dimension AS c ON c.hypertable_id = h.id AND c.column_name = d.column_name
ORDER BY d.hypertable_schema, d.hypertable_name, d.dimension_number
