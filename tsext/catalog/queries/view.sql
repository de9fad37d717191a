-- The query of a view, and its options.
SELECT pg_catalog.pg_get_viewdef(c.oid) AS query, c.reloptions AS options
FROM pg_catalog.pg_class AS c WHERE c.oid = pg_catalog.to_regclass(%(view)s)
