WITH RECURSIVE chosen AS (
    SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
        c.relpersistence::text AS persistence, c.relreplident::text AS replica_identity,
        c.relrowsecurity AS row_security,
        coalesce(s.spcname, 'pg_default')::text AS tablespace, coalesce(m.amname, '')::text AS access_method
    FROM pg_class AS c
    LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
    LEFT JOIN pg_am AS m ON m.oid = c.relam
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I')
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'tsext')
        AND n.nspname !~ '^(_?timescaledb_|pg_temp_|pg_toast_temp_)'
),
parts (root, oid) AS (
    SELECT oid, oid FROM chosen WHERE kind IN ('r', 'p', 'm')
    UNION ALL
    SELECT parts.root, i.inhrelid FROM parts JOIN pg_inherits AS i ON i.inhparent = parts.oid
),
sizes AS (
    SELECT
        parts.root,
        count(*) - 1 AS parts,
        sum(CASE WHEN c.relpages > 0 THEN c.relpages * current_setting('block_size')::bigint
            ELSE coalesce(pg_relation_size(c.oid), 0) END)::bigint AS bytes
    FROM parts
    JOIN pg_class AS c ON c.oid = parts.oid
    GROUP BY 1
),
columns AS (
    SELECT a.attrelid AS oid, json_agg(json_build_array(
        a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated <> '',
        CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) ELSE format_type(a.atttypid, a.atttypmod) END,
        a.attidentity <> '', a.atthasdef,
        (SELECT l.collname FROM pg_collation AS l JOIN pg_type AS b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
            WHERE l.oid = a.attcollation AND l.oid <> b.typcollation)
    ) ORDER BY a.attnum) AS found
    FROM pg_attribute AS a
    JOIN chosen ON chosen.oid = a.attrelid AND chosen.kind IN ('r', 'p', 'v', 'm', 'f')
    JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attnum > 0 AND NOT a.attisdropped
    GROUP BY 1
),
constraints AS (
    SELECT k.conrelid AS oid, json_agg(json_build_array(
        k.conname, k.contype, k.convalidated, pg_get_constraintdef(k.oid),
        (SELECT array_agg(a.attname::text) FROM pg_attribute AS a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)),
        CASE WHEN k.confrelid <> 0 THEN (SELECT ARRAY[n.nspname::text, c.relname::text] FROM pg_class AS c
            JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = k.confrelid) END,
        CASE WHEN k.conindid <> 0 THEN (SELECT c.relname FROM pg_class AS c WHERE c.oid = k.conindid) END,
        (SELECT array_agg(a.attname::text) FROM pg_attribute AS a
            WHERE a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey))
    )) AS found
    FROM pg_constraint AS k
    JOIN chosen ON chosen.oid = k.conrelid
    WHERE k.conparentid = 0
    GROUP BY 1
),
indexes AS (
    SELECT i.indrelid AS oid, json_agg(json_build_array(
        c.relname, i.indisunique, i.indisvalid, i.indpred IS NULL,
        (SELECT array_agg(a.attname::text ORDER BY key.position) FROM unnest(i.indkey) WITH ORDINALITY AS key (attnum, position)
            JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = key.attnum),
        (SELECT array_agg(DISTINCT a.attname::text) FROM pg_depend AS d
            JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = i.indrelid AND d.refobjsubid > 0),
        i.indexprs IS NOT NULL
    )) AS found
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN chosen ON chosen.oid = i.indrelid
    GROUP BY 1
),
depending (oid, kind, name, attnum) AS (
    SELECT d.refobjid, 'view', r.ev_class::regclass::text, d.refobjsubid
    FROM pg_depend AS d
    JOIN pg_rewrite AS r ON r.oid = d.objid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND r.ev_class <> d.refobjid
    UNION ALL
    SELECT d.refobjid, 'policy', p.polname, d.refobjsubid
    FROM pg_depend AS d
    JOIN pg_policy AS p ON p.oid = d.objid
    WHERE d.classid = 'pg_policy'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
    UNION ALL
    SELECT d.refobjid, 'trigger', t.tgname, d.refobjsubid
    FROM pg_depend AS d
    JOIN pg_trigger AS t ON t.oid = d.objid
    WHERE d.classid = 'pg_trigger'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
        AND NOT t.tgisinternal
    UNION ALL
    SELECT d.refobjid, 'generated column', a.attname, d.refobjsubid
    FROM pg_depend AS d
    JOIN pg_attrdef AS f ON f.oid = d.objid
    JOIN pg_attribute AS a ON a.attrelid = f.adrelid AND a.attnum = f.adnum AND a.attgenerated <> ''
    WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = f.adrelid
        AND d.refobjsubid > 0 AND d.refobjsubid <> f.adnum
    UNION ALL
    SELECT d.refobjid, 'default', f.adrelid::regclass::text || '.' || a.attname, 0
    FROM pg_depend AS d
    JOIN pg_attrdef AS f ON f.oid = d.objid
    JOIN pg_attribute AS a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
    WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> f.adrelid
    UNION ALL
    SELECT d.refobjid, 'function', p.proname, d.refobjsubid
    FROM pg_depend AS d
    JOIN pg_proc AS p ON p.oid = d.objid
    WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass
),
dependents AS (
    SELECT d.oid, json_agg(DISTINCT jsonb_build_array(d.kind, d.name, a.attname)) AS found
    FROM depending AS d
    JOIN chosen ON chosen.oid = d.oid
    LEFT JOIN pg_attribute AS a ON a.attrelid = d.oid AND a.attnum = d.attnum AND d.attnum > 0
    GROUP BY 1
)
SELECT
    chosen.schema,
    chosen.name,
    chosen.kind,
    chosen.persistence,
    chosen.replica_identity,
    chosen.row_security,
    coalesce(sizes.bytes, 0) AS bytes,
    coalesce(sizes.parts, 0) AS parts,
    columns.found AS columns,
    constraints.found AS constraints,
    indexes.found AS indexes,
    dependents.found AS dependents,
    (SELECT ARRAY[n.nspname::text, c.relname::text] FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE i.indexrelid = chosen.oid) AS index_of,
    (SELECT ARRAY[n.nspname::text, c.relname::text] FROM pg_partitioned_table AS p JOIN pg_class AS c ON c.oid = p.partdefid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE p.partrelid = chosen.oid) AS default_partition,
    (SELECT array_agg(a.attname::text) FROM pg_partitioned_table AS p JOIN pg_attribute AS a
        ON a.attrelid = p.partrelid AND a.attnum = ANY (p.partattrs) WHERE p.partrelid = chosen.oid) AS partition_key,
    (SELECT ARRAY[n.nspname::text, c.relname::text] FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhparent
        JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE i.inhrelid = chosen.oid LIMIT 1) AS parent,
    (SELECT json_object_agg(t.tgname, p.proname) FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE t.tgrelid = chosen.oid AND NOT t.tgisinternal) AS triggers,
    (SELECT json_object_agg(t.tgname, pg_get_triggerdef(t.oid)) FROM pg_trigger AS t
        WHERE t.tgrelid = chosen.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')) AS trigger_definitions,
    chosen.tablespace,
    chosen.access_method,
    EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = chosen.oid) AS policies
FROM chosen
LEFT JOIN sizes ON sizes.root = chosen.oid
LEFT JOIN columns ON columns.oid = chosen.oid
LEFT JOIN constraints ON constraints.oid = chosen.oid
LEFT JOIN indexes ON indexes.oid = chosen.oid
LEFT JOIN dependents ON dependents.oid = chosen.oid
