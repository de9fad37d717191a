SELECT DISTINCT n.nspname AS schema, t.tgname AS name
FROM pg_trigger AS t
JOIN pg_proc AS f ON f.oid = t.tgfoid
JOIN pg_namespace AS s ON s.oid = f.pronamespace
JOIN pg_class AS c ON c.oid = t.tgrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE s.nspname LIKE '\_timescaledb%' AND n.nspname NOT LIKE '\_timescaledb%'
