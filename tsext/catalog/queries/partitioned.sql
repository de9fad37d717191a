SELECT coalesce(a.view_schema, d.hypertable_schema) AS schema, coalesce(a.view_name, d.hypertable_name) AS name,
       d.column_name AS column, a.view_name IS NOT NULL AS continuous_aggregate
FROM timescaledb_information.dimensions AS d
LEFT JOIN timescaledb_information.continuous_aggregates AS a
  ON a.materialization_hypertable_schema = d.hypertable_schema
 AND a.materialization_hypertable_name = d.hypertable_name
WHERE d.dimension_number = 1
