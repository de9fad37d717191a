-- Whether rows may be copied straight into chunks with the same outcome as through the hypertable: nothing is to be done
-- for a row but to check and index it, and a chunk's own CHECK refuses what belongs elsewhere. Without a columnstore none
-- of the chunks is compressed.
SELECT EXISTS (
    SELECT FROM _timescaledb_catalog.hypertable AS h
    JOIN pg_class AS root ON root.oid = to_regclass(format('%%I.%%I', h.schema_name, h.table_name))
    WHERE h.schema_name = %(schema)s AND h.table_name = %(name)s
      AND h.num_dimensions = 1 AND h.compression_state = 0 AND NOT root.relrowsecurity
      AND NOT EXISTS (SELECT FROM _timescaledb_catalog.continuous_agg AS a WHERE a.raw_hypertable_id = h.id)
      AND (%(chunk)s::text IS NULL
           OR EXISTS (SELECT FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
                      WHERE i.inhrelid = to_regclass(%(chunk)s) AND i.inhparent = root.oid AND c.relkind = 'r'))
      -- TimescaleDB 2.31 looks for the time of a row where the hypertable has it, which has had columns that were dropped
      AND NOT EXISTS (SELECT FROM pg_attribute AS a
                      LEFT JOIN pg_attribute AS b ON b.attrelid = to_regclass(%(chunk)s) AND b.attname = a.attname
                      WHERE %(chunk)s::text IS NOT NULL AND a.attrelid = root.oid AND a.attnum > 0
                        AND NOT a.attisdropped AND b.attnum IS DISTINCT FROM a.attnum)
      -- TRIGGER_TYPE_INSERT is 4; TimescaleDB's own on the root only sends rows to chunks
      AND NOT EXISTS (SELECT FROM pg_trigger AS t
                      JOIN pg_proc AS f ON f.oid = t.tgfoid
                      JOIN pg_namespace AS s ON s.oid = f.pronamespace
                      WHERE t.tgrelid IN (root.oid, to_regclass(%(chunk)s)) AND NOT t.tgisinternal AND t.tgtype & 4 <> 0
                        AND (t.tgrelid <> root.oid OR s.nspname NOT LIKE '\_timescaledb%%'))
      -- a chunk gives no numbers
      AND NOT EXISTS (SELECT FROM pg_attribute AS a
                      WHERE a.attrelid = root.oid AND a.attidentity <> '' AND a.attname <> ALL (%(columns)s::text[]))
) AS fillable
