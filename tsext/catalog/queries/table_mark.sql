-- What differs once anybody has altered a table: its columns, constraints, triggers (foreign keys to it have some here), indexes.
SELECT (SELECT string_agg(xmin::text, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid) || ' '
    || coalesce((SELECT string_agg(xmin::text || oid, ' ' ORDER BY oid) FROM pg_constraint
                 WHERE conrelid = c.oid), '') || ' '
    || coalesce((SELECT string_agg(xmin::text || oid, ' ' ORDER BY oid) FROM pg_trigger
                 WHERE tgrelid = c.oid), '') || ' '
    || coalesce((SELECT string_agg(xmin::text || indexrelid, ' ' ORDER BY indexrelid) FROM pg_index
                 WHERE indrelid = c.oid), '') AS mark
FROM pg_catalog.pg_class AS c WHERE c.oid = to_regclass(%(table)s)
