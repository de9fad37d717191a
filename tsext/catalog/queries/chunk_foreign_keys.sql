-- Of a key to a hypertable, both the key and its copies stand on the referencing table.
SELECT n.nspname, c.relname, k.conname
FROM pg_constraint AS k
JOIN pg_constraint AS p ON p.oid = k.conparentid AND p.conrelid = k.conrelid
JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE k.contype = 'f'
