-- The keys and indexes of the chunks of a hypertable, and what makes each again under its name.
SELECT
    h.inhrelid AS oid,
    h.inhrelid::regclass::text AS chunk,
    n.nspname::text AS schema,
    x.relname::text AS name,
    k.conname::text AS constraint,
    m.amname::text AS method,
    s.spcname::text AS tablespace,
    CASE WHEN k.oid IS NULL
        THEN pg_get_indexdef(x.oid)
        ELSE format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', h.inhrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
    END AS creation,
    a.attname::text AS column
FROM pg_inherits AS h
JOIN pg_index AS i ON i.indrelid = h.inhrelid
JOIN pg_class AS x ON x.oid = i.indexrelid
JOIN pg_namespace AS n ON n.oid = x.relnamespace
JOIN pg_am AS m ON m.oid = x.relam
LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
LEFT JOIN pg_tablespace AS s ON s.oid = x.reltablespace
LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
WHERE h.inhparent = to_regclass(%(relation)s)
ORDER BY h.inhrelid, k.oid IS NULL, k.contype, x.relname
