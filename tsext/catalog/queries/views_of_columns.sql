-- The views that read some columns of a table, also by a rule.
SELECT DISTINCT n.nspname::text AS schema, v.relname::text AS name
FROM pg_attribute AS a
JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
    AND d.classid = 'pg_rewrite'::regclass
JOIN pg_rewrite AS w ON w.oid = d.objid
JOIN pg_class AS v ON v.oid = w.ev_class
JOIN pg_namespace AS n ON n.oid = v.relnamespace
WHERE a.attrelid = to_regclass(%(relation)s) AND a.attname::text = ANY (%(columns)s)
ORDER BY 1, 2
