-- What goes with a column: its indexes, its constraints, the foreign keys to it, and whatever else depends on it.
WITH target AS (
    SELECT attrelid, attnum FROM pg_attribute
    WHERE attrelid = to_regclass(%(relation)s) AND attname = %(column)s AND attnum > 0 AND NOT attisdropped
), uses AS (
    SELECT DISTINCT d.classid, d.objid, d.objsubid, t.attrelid, t.attnum
    FROM target AS t
    JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.attrelid AND d.refobjsubid = t.attnum
)
SELECT
    CASE WHEN k.contype = 'f' AND k.confrelid = u.attrelid AND u.attnum = ANY (k.confkey) THEN 'referencing'
         WHEN k.oid IS NOT NULL THEN k.contype::text
         WHEN i.indexrelid IS NOT NULL THEN 'index'
         ELSE 'other' END AS kind,
    coalesce(k.conname, x.relname)::text AS name,
    CASE WHEN k.oid IS NOT NULL THEN pg_get_constraintdef(k.oid)
         WHEN i.indexrelid IS NOT NULL THEN pg_get_indexdef(i.indexrelid) END AS definition,
    pg_describe_object(u.classid, u.objid, u.objsubid) AS description,
    (
        SELECT array_agg(a.attname::text ORDER BY n) FROM unnest(k.conkey) WITH ORDINALITY AS m (attnum, n)
        JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = m.attnum
    ) AS columns,
    coalesce(k.convalidated, true) AS validated
FROM uses AS u
LEFT JOIN pg_constraint AS k ON u.classid = 'pg_constraint'::regclass AND k.oid = u.objid
LEFT JOIN pg_index AS i ON u.classid = 'pg_class'::regclass AND i.indexrelid = u.objid
LEFT JOIN pg_class AS x ON x.oid = i.indexrelid
WHERE u.classid <> 'pg_attrdef'::regclass
    AND NOT EXISTS (SELECT FROM pg_sequence AS q WHERE u.classid = 'pg_class'::regclass AND q.seqrelid = u.objid)
    AND (k.oid IS NULL OR (k.contype <> 'n' AND k.conparentid = 0))
ORDER BY 1, 2
