WITH RECURSIVE tables AS (
    SELECT to_regclass(%(relation)s)::oid AS oid, true AS root
    UNION ALL
    SELECT i.inhrelid, false FROM tables JOIN pg_inherits AS i ON i.inhparent = tables.oid AND %(parts)s
)
SELECT
    n.nspname AS schema,
    c.relname AS table,
    tables.root,
    c.relkind::text AS kind,
    x.relname AS index,
    coalesce(i.indisvalid AND i.indisready, false) AS valid,
    (CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END) || substr(
        pg_get_indexdef(i.indexrelid),
        position(quote_ident(c.relname) || ' USING ' IN pg_get_indexdef(i.indexrelid)) + length(quote_ident(c.relname)) + 1
    ) AS definition,
    pg_get_expr(i.indpred, i.indrelid) AS predicate,
    EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')) AS constraint
FROM tables
JOIN pg_class AS c ON c.oid = tables.oid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_index AS i ON i.indrelid = c.oid
LEFT JOIN pg_class AS x ON x.oid = i.indexrelid
ORDER BY tables.root DESC, c.oid, x.relname
