-- A domain counts as the type it is over.
SELECT a.attname AS name,
       CASE WHEN a.attgenerated <> '' THEN 'generated'
            WHEN b.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'integer'
            WHEN b.oid IN ('timestamp'::regtype, 'timestamptz'::regtype) THEN 'time'
            WHEN b.oid = 'date'::regtype THEN 'date'
            WHEN b.oid = 'uuid'::regtype THEN 'uuid'
            ELSE '' END AS kind
FROM pg_attribute AS a
JOIN pg_type AS t ON t.oid = a.atttypid
JOIN pg_type AS b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
WHERE a.attrelid = to_regclass(%(relation)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
