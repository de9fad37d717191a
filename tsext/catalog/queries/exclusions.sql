SELECT
    n.nspname::text AS schema,
    c.relname::text AS table,
    k.conname::text AS name,
    m.amname::text AS using,
    ARRAY(
        SELECT pg_get_indexdef(k.conindid, position::int, true)
            || CASE WHEN o.opcdefault THEN '' ELSE ' ' || quote_ident(o.opcname) END
        FROM unnest(i.indclass::oid[]) WITH ORDINALITY AS u (opclass, position) JOIN pg_opclass AS o ON o.oid = u.opclass
        WHERE position <= i.indnkeyatts ORDER BY position
    ) AS elements,
    ARRAY(
        SELECT CASE WHEN o.opcdefault THEN a.attname::text END
        FROM unnest(i.indclass::oid[], i.indkey::int2[]) WITH ORDINALITY AS u (opclass, attnum, position)
        JOIN pg_opclass AS o ON o.oid = u.opclass
        LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
        WHERE position <= i.indnkeyatts ORDER BY position
    ) AS columns,
    ARRAY(
        SELECT CASE WHEN pg_operator_is_visible(o.oid) THEN o.oprname::text
            ELSE format('OPERATOR(%I.%s)', s.nspname, o.oprname) END
        FROM unnest(k.conexclop) WITH ORDINALITY AS u (operator, position)
        JOIN pg_operator AS o ON o.oid = u.operator JOIN pg_namespace AS s ON s.oid = o.oprnamespace
        ORDER BY position
    ) AS operators,
    pg_get_expr(i.indpred, i.indrelid, true) AS condition,
    k.condeferrable AS deferrable,
    k.condeferred AS deferred
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_index AS i ON i.indexrelid = k.conindid
JOIN pg_class AS x ON x.oid = k.conindid
JOIN pg_am AS m ON m.oid = x.relam
WHERE k.contype = 'x' AND k.conparentid = 0 AND n.nspname !~ '^(pg_|_timescaledb_|tsext$)'
ORDER BY 1, 2, 3
