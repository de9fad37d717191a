-- Up to 2.21 a table of the catalog tells which index of a chunk belongs to which of the hypertable. One that was built on
-- the chunk is not in it; it serves as well, unless it is unique, which ON CONFLICT would not know.
SELECT format('%I.%I', t.schema_name, t.table_name) AS hypertable, format('%I.%I', n.nspname, r.relname) AS name,
       count(*)::int AS chunks, min(format('%I.%I', c.schema_name, c.table_name)) AS example
FROM _timescaledb_catalog.hypertable AS t
JOIN pg_namespace AS n ON n.nspname = t.schema_name
JOIN pg_class AS h ON h.relnamespace = n.oid AND h.relname = t.table_name
JOIN pg_index AS i ON i.indrelid = h.oid
JOIN pg_class AS r ON r.oid = i.indexrelid
JOIN _timescaledb_catalog.chunk AS c ON c.hypertable_id = t.id
JOIN pg_namespace AS cn ON cn.nspname = c.schema_name
JOIN pg_class AS k ON k.relnamespace = cn.oid AND k.relname = c.table_name AND k.relkind = 'r'
WHERE t.compression_state <> 2 AND NOT EXISTS (
    SELECT FROM _timescaledb_catalog.chunk_index AS x
    JOIN pg_class AS own ON own.relname = x.index_name AND own.relnamespace = cn.oid
    WHERE x.chunk_id = c.id AND x.hypertable_index_name = r.relname)
  AND NOT EXISTS (
    SELECT FROM pg_index AS x
    WHERE x.indrelid = k.oid AND NOT x.indisunique AND NOT i.indisunique
      AND substr(pg_get_indexdef(x.indexrelid), position(' USING ' IN pg_get_indexdef(x.indexrelid)))
        = substr(pg_get_indexdef(i.indexrelid), position(' USING ' IN pg_get_indexdef(i.indexrelid))))
GROUP BY 1, 2 ORDER BY 1, 2
