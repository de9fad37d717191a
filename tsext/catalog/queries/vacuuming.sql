-- A VACUUM of the table, or of one of its partitions or chunks; ANALYZE is no matter.
WITH RECURSIVE tables AS (
    SELECT to_regclass(%(relation)s)::oid AS oid
    UNION ALL
    SELECT i.inhrelid FROM tables JOIN pg_inherits AS i ON i.inhparent = tables.oid
)
SELECT v.relid::regclass::text AS relation, v.phase
FROM pg_stat_progress_vacuum AS v
WHERE v.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND v.relid IN (SELECT oid FROM tables)
ORDER BY 1
LIMIT 1
