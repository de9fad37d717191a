-- Since 2.22 an index of a chunk belongs to that of the hypertable if both are built alike. Those that TimescaleDB builds
-- have their expressions simplified, so that their text tells less.
SELECT n.nspname AS schema, c.relname AS name
FROM pg_index AS i
JOIN pg_inherits AS p ON p.inhparent = i.indrelid
JOIN pg_index AS x ON x.indrelid = p.inhrelid AND x.indnatts = i.indnatts AND x.indisunique = i.indisunique
JOIN pg_class AS c ON c.oid = x.indexrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE i.indexrelid = to_regclass(%(index)s)
    AND _timescaledb_functions.index_matches(i.indexrelid::regclass, x.indexrelid::regclass)
