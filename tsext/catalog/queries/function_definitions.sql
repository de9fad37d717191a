SELECT p.proname AS name, array_agg(pg_get_functiondef(p.oid) ORDER BY p.oid) AS definitions
FROM pg_proc AS p
JOIN pg_language AS l ON l.oid = p.prolang
JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE l.lanname IN ('sql', 'plpgsql') AND p.provolatile = 'v' AND p.prokind IN ('f', 'p')
    AND p.prorettype <> 'event_trigger'::regtype
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'tsext')
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e')
GROUP BY 1
