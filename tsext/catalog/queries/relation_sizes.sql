-- A relation with its chunks or partitions, and where it has a columnstore, what holds the rows of its chunks.
WITH RECURSIVE given AS (
    SELECT given, to_regclass(given)::oid AS root FROM unnest(%(relations)s::text[]) AS given
), family AS (
    SELECT given, root, root AS oid FROM given WHERE root IS NOT NULL
    UNION
    SELECT f.given, f.root, m.oid FROM family AS f
    CROSS JOIN LATERAL (SELECT inhrelid AS oid FROM pg_inherits WHERE inhparent = f.oid
                        {columnstore}) AS m
), member AS (
    SELECT f.given, f.root, c.oid, c.reltoastrelid, c.reltablespace, greatest(c.reltuples, 0)::bigint AS tuples,
           (SELECT count(*) FROM pg_index WHERE indrelid = c.oid) AS indexes
    FROM family AS f JOIN pg_class AS c USING (oid)
    WHERE c.relkind IN ('r', 'p', 'm')
)
SELECT m.given, n.nspname::text AS schema, r.relname::text AS name, count(*)::int AS relations, sum(indexes)::int AS indexes,
       count(*) FILTER (WHERE m.reltoastrelid <> 0)::int AS toasted, sum(pg_table_size(m.oid))::bigint AS table_bytes,
       sum(pg_indexes_size(m.oid))::bigint AS index_bytes, sum(tuples)::bigint AS tuples,
       bool_or(m.reltablespace <> 0) AS elsewhere
FROM member AS m JOIN pg_class AS r ON r.oid = m.root JOIN pg_namespace AS n ON n.oid = r.relnamespace
GROUP BY 1, 2, 3 ORDER BY 1
