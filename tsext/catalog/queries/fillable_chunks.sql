-- Chunks that rows may be copied straight into, with the same outcome as through the hypertable: nothing is to be done
-- for a row but to check and index it, and the chunk's own CHECK refuses what belongs elsewhere.
SELECT format('%%I.%%I', i.chunk_schema, i.chunk_name) AS name,
       coalesce(i.range_start_integer, _timescaledb_functions.time_to_internal(i.range_start)) AS begin,
       coalesce(i.range_end_integer, _timescaledb_functions.time_to_internal(i.range_end)) AS "end"
FROM timescaledb_information.chunks AS i
JOIN _timescaledb_catalog.hypertable AS h
  ON h.schema_name = i.hypertable_schema AND h.table_name = i.hypertable_name
JOIN pg_class AS root ON root.oid = to_regclass(format('%%I.%%I', i.hypertable_schema, i.hypertable_name))
JOIN pg_class AS c ON c.oid = to_regclass(format('%%I.%%I', i.chunk_schema, i.chunk_name))
WHERE i.hypertable_schema = %(schema)s AND i.hypertable_name = %(name)s
  AND format('%%I.%%I', i.chunk_schema, i.chunk_name) = coalesce(%(chunk)s, format('%%I.%%I', i.chunk_schema, i.chunk_name))
  AND h.num_dimensions = 1 AND h.compression_state = 0 AND NOT coalesce(i.is_compressed, false)
  AND c.relkind = 'r' AND NOT root.relrowsecurity
  AND NOT EXISTS (SELECT FROM _timescaledb_catalog.continuous_agg AS a WHERE a.raw_hypertable_id = h.id)
  -- TRIGGER_TYPE_INSERT is 4; TimescaleDB's own on the root only sends rows to chunks
  AND NOT EXISTS (SELECT FROM pg_trigger AS t
                  JOIN pg_proc AS f ON f.oid = t.tgfoid
                  JOIN pg_namespace AS s ON s.oid = f.pronamespace
                  WHERE t.tgrelid IN (root.oid, c.oid) AND NOT t.tgisinternal AND t.tgtype & 4 <> 0
                    AND (t.tgrelid = c.oid OR s.nspname NOT LIKE '\_timescaledb%%'))
  -- a chunk gives no numbers
  AND NOT EXISTS (SELECT FROM pg_attribute AS a
                  WHERE a.attrelid = root.oid AND a.attidentity <> '' AND a.attname <> ALL (%(columns)s::text[]))
