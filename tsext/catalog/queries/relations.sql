WITH RECURSIVE chosen AS (
    SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
        c.relpersistence::text AS persistence
    FROM pg_class AS c
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
        CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) ELSE format_type(a.atttypid, a.atttypmod) END
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
        CASE WHEN k.conindid <> 0 THEN (SELECT c.relname FROM pg_class AS c WHERE c.oid = k.conindid) END
    )) AS found
    FROM pg_constraint AS k
    JOIN chosen ON chosen.oid = k.conrelid
    WHERE k.conparentid = 0
    GROUP BY 1
),
indexes AS (
    SELECT i.indrelid AS oid, json_agg(json_build_array(
        c.relname, i.indisunique, i.indisvalid, i.indpred IS NULL,
        (SELECT array_agg(a.attname::text) FROM pg_attribute AS a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey))
    )) AS found
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN chosen ON chosen.oid = i.indrelid
    GROUP BY 1
),
dependents AS (
    SELECT d.refobjid AS oid, json_agg(DISTINCT jsonb_build_array(r.ev_class::regclass::text, a.attname)) AS found
    FROM pg_depend AS d
    JOIN pg_rewrite AS r ON r.oid = d.objid
    JOIN chosen ON chosen.oid = d.refobjid
    LEFT JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND d.refobjsubid > 0
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND r.ev_class <> d.refobjid
    GROUP BY 1
)
SELECT
    chosen.schema,
    chosen.name,
    chosen.kind,
    chosen.persistence,
    coalesce(sizes.bytes, 0) AS bytes,
    coalesce(sizes.parts, 0) AS parts,
    columns.found AS columns,
    constraints.found AS constraints,
    indexes.found AS indexes,
    dependents.found AS dependents,
    (SELECT ARRAY[n.nspname::text, c.relname::text] FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE i.indexrelid = chosen.oid) AS index_of,
    (SELECT ARRAY[n.nspname::text, c.relname::text] FROM pg_partitioned_table AS p JOIN pg_class AS c ON c.oid = p.partdefid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE p.partrelid = chosen.oid) AS default_partition
FROM chosen
LEFT JOIN sizes ON sizes.root = chosen.oid
LEFT JOIN columns ON columns.oid = chosen.oid
LEFT JOIN constraints ON constraints.oid = chosen.oid
LEFT JOIN indexes ON indexes.oid = chosen.oid
LEFT JOIN dependents ON dependents.oid = chosen.oid
