SELECT p.pronargs AS arguments, p.provolatile = 'v' AS is_volatile,
       format_type(p.prorettype, NULL) AS returns, format_type(a.atttypid, NULL) AS column_type
FROM pg_proc AS p, pg_attribute AS a
WHERE p.oid = to_regproc(%(function)s) AND a.attrelid = to_regclass(%(relation)s) AND a.attname = %(column)s
