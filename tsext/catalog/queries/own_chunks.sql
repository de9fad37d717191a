SELECT format('%%I.%%I', n.nspname, c.relname) AS name
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE i.inhparent = to_regclass(%(relation)s) AND i.xmin = pg_current_xact_id()::xid
