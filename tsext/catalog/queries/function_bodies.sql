-- Of several with one name, none: which one is called cannot be told from the name.
SELECT p.proname AS name, min(l.lanname) AS language, min(p.prosrc) AS body
FROM pg_proc AS p
JOIN pg_language AS l ON l.oid = p.prolang
JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE l.lanname IN ('sql', 'plpgsql') AND p.provolatile = 'v' AND p.prosqlbody IS NULL
    AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'tsext')
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e')
GROUP BY 1
HAVING count(*) = 1
