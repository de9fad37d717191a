-- The root of a hypertable holds nothing itself, and what is said about it is done to all chunks.
WITH RECURSIVE tables AS (
    SELECT to_regclass(%(relation)s)::oid AS oid
    UNION ALL
    SELECT i.inhrelid FROM tables JOIN pg_inherits AS i ON i.inhparent = tables.oid
)
SELECT n.nspname AS schema, c.relname AS name, greatest(c.reltuples, 0)::bigint AS tuples,
       array(SELECT a.attname::text FROM pg_index AS i, unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
             JOIN pg_attribute AS a ON a.attnum = k.attnum
             WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND k.place <= i.indnkeyatts
             ORDER BY k.place) AS primary_key,
       EXISTS (SELECT FROM pg_inherits AS i JOIN pg_class AS p ON p.oid = i.inhparent
               WHERE i.inhrelid = c.oid AND p.relkind = 'r') AS inherits
FROM tables
JOIN pg_class AS c ON c.oid = tables.oid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
  AND NOT (pg_relation_size(c.oid) = 0 AND EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = c.oid))
ORDER BY c.oid
