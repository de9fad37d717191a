SELECT d.hypertable_schema, d.hypertable_name, d.column_name, d.time_interval, d.integer_interval, d.num_partitions,
       d.hypertable_schema = current_schema() AS in_default_schema
FROM timescaledb_information.dimensions AS d
JOIN timescaledb_information.hypertables AS h USING (hypertable_schema, hypertable_name)
ORDER BY d.hypertable_schema, d.hypertable_name, d.dimension_number
