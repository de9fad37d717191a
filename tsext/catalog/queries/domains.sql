SELECT
    t.typname AS name,
    format_type(t.typbasetype, t.typtypmod) AS base,
    pg_get_expr(t.typdefaultbin, 0) AS default,
    t.typnotnull OR EXISTS (SELECT FROM pg_constraint AS k WHERE k.contypid = t.oid) AS constrained
FROM pg_type AS t
WHERE t.typtype = 'd'
