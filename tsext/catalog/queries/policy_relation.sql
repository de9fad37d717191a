-- A hypertable, or a continuous aggregate, which keeps its rows in a hypertable of another name.
SELECT o.is_aggregate, o.columnstore, d.column_type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) AS integer_time,
       d.integer_now_func IS NOT NULL AS has_now,
       array(SELECT x.relname::text FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
             WHERE i.indrelid = c.oid ORDER BY 1) AS indexes
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN (SELECT hypertable_schema AS schema, hypertable_name AS name, hypertable_schema, hypertable_name,
             false AS is_aggregate, (to_jsonb(h) ->> 'compression_enabled')::bool AS columnstore
      FROM timescaledb_information.hypertables AS h
      UNION ALL
      SELECT view_schema, view_name, materialization_hypertable_schema, materialization_hypertable_name,
             true, (to_jsonb(a) ->> 'compression_enabled')::bool
      FROM timescaledb_information.continuous_aggregates AS a) AS o ON o.schema = n.nspname AND o.name = c.relname
JOIN timescaledb_information.dimensions AS d
  ON d.hypertable_schema = o.hypertable_schema AND d.hypertable_name = o.hypertable_name AND d.dimension_number = 1
WHERE c.oid = to_regclass(%(relation)s)
