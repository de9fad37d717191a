SELECT f.given, format('%%I.%%I', n.nspname, p.proname) AS name
FROM unnest(%(functions)s::text[]) AS f (given)
JOIN pg_proc AS p ON p.oid = to_regproc(f.given)
JOIN pg_namespace AS n ON n.oid = p.pronamespace
