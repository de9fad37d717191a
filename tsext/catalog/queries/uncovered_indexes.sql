-- Since 2.22 an index of a chunk belongs to that of the hypertable if both are built alike.
SELECT format('%I.%I', h.hypertable_schema, h.hypertable_name) AS hypertable, format('%I.%I', n.nspname, r.relname) AS name,
       count(*)::int AS chunks, min(format('%I.%I', cn.nspname, c.relname)) AS example
FROM timescaledb_information.hypertables AS h
JOIN pg_namespace AS n ON n.nspname = h.hypertable_schema
JOIN pg_class AS t ON t.relnamespace = n.oid AND t.relname = h.hypertable_name
JOIN pg_index AS i ON i.indrelid = t.oid
JOIN pg_class AS r ON r.oid = i.indexrelid
JOIN pg_inherits AS p ON p.inhparent = t.oid
JOIN pg_class AS c ON c.oid = p.inhrelid AND c.relkind = 'r'
JOIN pg_namespace AS cn ON cn.oid = c.relnamespace
WHERE NOT EXISTS (
    SELECT FROM pg_index AS x
    WHERE x.indrelid = c.oid AND x.indnatts = i.indnatts AND x.indisunique = i.indisunique
      AND _timescaledb_functions.index_matches(i.indexrelid::regclass, x.indexrelid::regclass))
GROUP BY 1, 2 ORDER BY 1, 2
