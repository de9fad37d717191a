SELECT p.proname AS name, bool_or(p.provolatile = 'v') AS volatile
FROM pg_proc AS p
WHERE p.pronamespace <> 'pg_catalog'::regnamespace OR p.provolatile = 'v'
GROUP BY 1
