SELECT
    format_type(a.atttypid, a.atttypmod) AS type,
    a.attnotnull AS not_null,
    pg_get_expr(d.adbin, d.adrelid) AS default,
    CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END AS identity,
    a.attgenerated <> '' AS generated,
    col_description(a.attrelid, a.attnum) AS comment,
    a.attacl IS NOT NULL AS granted,
    n.nspname::text AS sequence_schema,
    q.relname::text AS sequence,
    format('INCREMENT BY %%s MINVALUE %%s START WITH %%s CACHE %%s', seqincrement, seqmin, seqstart, seqcache)
        || CASE WHEN seqcycle THEN ' CYCLE' ELSE '' END AS sequence_options
FROM pg_attribute AS a
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN LATERAL (
    SELECT c.relname, c.relnamespace, p.* FROM pg_depend AS s
    JOIN pg_sequence AS p ON p.seqrelid = s.objid JOIN pg_class AS c ON c.oid = s.objid
    WHERE s.classid = 'pg_class'::regclass AND s.refclassid = 'pg_class'::regclass AND s.refobjid = a.attrelid
        AND s.refobjsubid = a.attnum AND s.deptype IN ('a', 'i')
    LIMIT 1
) AS q ON true
LEFT JOIN pg_namespace AS n ON n.oid = q.relnamespace
WHERE a.attrelid = to_regclass(%(relation)s) AND a.attname = %(column)s AND a.attnum > 0 AND NOT a.attisdropped
