-- About how many rows a table has, with its chunks: as of the last ANALYZE, or by its size.
SELECT coalesce(sum(CASE WHEN c.reltuples > 0 THEN c.reltuples ELSE pg_relation_size(c.oid) / 60 END), 0)::bigint AS rows
FROM pg_class AS c
WHERE c.oid = to_regclass(%(relation)s)
    OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(%(relation)s))
