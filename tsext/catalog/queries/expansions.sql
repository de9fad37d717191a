SELECT n.nspname::text AS schema, c.relname::text AS name, t.tgargs AS arguments
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE starts_with(t.tgname::text, %(prefix)s)
ORDER BY 1, 2, t.tgname
