SELECT e.extname, n.nspname, e.extversion
FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
ORDER BY 1
