-- Where a continuous aggregate keeps its groups, and what it reads.
SELECT h.id, format('%%I.%%I', h.schema_name, h.table_name) AS materialization,
       format('%%I.%%I', a.hypertable_schema, a.hypertable_name) AS source,
       d.column_name::text AS column, d.column_type::text AS type,
       array(SELECT f.attname::text FROM pg_attribute AS f
             WHERE f.attrelid = format('%%I.%%I', h.schema_name, h.table_name)::regclass AND f.attnum > 0
                 AND NOT f.attisdropped ORDER BY f.attnum) AS columns
FROM timescaledb_information.continuous_aggregates AS a
JOIN _timescaledb_catalog.hypertable AS h
  ON h.schema_name = a.materialization_hypertable_schema AND h.table_name = a.materialization_hypertable_name
JOIN timescaledb_information.dimensions AS d
  ON d.hypertable_schema = h.schema_name AND d.hypertable_name = h.table_name AND d.dimension_number = 1
WHERE a.view_schema = %(schema)s AND a.view_name = %(name)s
