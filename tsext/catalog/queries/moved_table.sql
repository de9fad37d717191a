-- All of a table that another one needs to take its place.
WITH this AS (SELECT to_regclass(%(relation)s)::oid AS oid)
SELECT
    n.nspname::text AS schema,
    c.relname::text AS name,
    c.relkind::text AS kind,
    c.relpersistence::text AS persistence,
    r.rolname::text AS owner,
    c.reloptions AS options,
    obj_description(c.oid, 'pg_class') AS comment,
    c.relrowsecurity AS row_security,
    c.relforcerowsecurity AS force_row_security,
    c.relreplident::text AS replica_identity,
    (SELECT x.relname::text FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
     WHERE i.indrelid = c.oid AND i.indisreplident) AS identity_index,
    EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = c.oid) AS is_child,
    EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = c.oid) AS has_children,
    (
        SELECT json_agg(json_build_object(
            'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
            'generated', a.attgenerated::text, 'identity', a.attidentity::text, 'base', b.typname, 'schema', bn.nspname,
            'element', coalesce(e.typname, ''), 'kind', b.typtype::text,
            'sequence', (
                SELECT d.objid::regclass::text FROM pg_depend AS d JOIN pg_sequence AS q ON q.seqrelid = d.objid
                WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                    AND d.refobjid = c.oid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i') LIMIT 1
            )
        ) ORDER BY a.attnum)
        FROM pg_attribute AS a
        JOIN pg_type AS t ON t.oid = a.atttypid
        JOIN pg_type AS b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
        JOIN pg_namespace AS bn ON bn.oid = b.typnamespace
        LEFT JOIN pg_type AS e ON e.oid = b.typelem AND b.typcategory = 'A'
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS columns,
    (
        SELECT json_agg(json_build_object(
            'name', k.conname, 'kind', k.contype::text, 'definition', pg_get_constraintdef(k.oid), 'valid', k.convalidated,
            'comment', obj_description(k.oid, 'pg_constraint'),
            'refers', (SELECT format('%%I.%%I', fn.nspname, f.relname) FROM pg_class AS f
                       JOIN pg_namespace AS fn ON fn.oid = f.relnamespace WHERE f.oid = k.confrelid AND f.oid <> c.oid),
            'columns', (
                SELECT json_agg(a.attname) FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey)
            )
        ) ORDER BY k.contype = 'f', k.contype <> 'p', k.conname)
        FROM pg_constraint AS k
        WHERE k.conrelid = c.oid AND k.conparentid = 0 AND k.contype IN ('p', 'u', 'x', 'c', 'f')
    ) AS constraints,
    (
        SELECT json_agg(json_build_object(
            'name', k.conname, 'table', format('%%I.%%I', kn.nspname, kc.relname), 'definition', pg_get_constraintdef(k.oid),
            'valid', k.convalidated, 'comment', obj_description(k.oid, 'pg_constraint')
        ) ORDER BY k.conname)
        FROM pg_constraint AS k JOIN pg_class AS kc ON kc.oid = k.conrelid JOIN pg_namespace AS kn ON kn.oid = kc.relnamespace
        WHERE k.confrelid = c.oid AND k.conrelid <> c.oid AND k.conparentid = 0 AND k.contype = 'f'
    ) AS referencing,
    (
        SELECT json_agg(json_build_object(
            'name', t.tgname, 'definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled::text,
            'comment', obj_description(t.oid, 'pg_trigger')
        ) ORDER BY t.tgname)
        FROM pg_trigger AS t
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND NOT starts_with(t.tgname::text, %(ours)s)
            AND t.tgname NOT IN ('ts_insert_blocker', 'ts_cagg_invalidation_trigger')
    ) AS triggers,
    (
        SELECT json_agg(json_build_object(
            'name', p.polname, 'permissive', p.polpermissive, 'command', p.polcmd::text,
            'roles', (SELECT json_agg(CASE WHEN m = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(m)) END)
                      FROM unnest(p.polroles) AS m),
            'using', pg_get_expr(p.polqual, c.oid), 'check', pg_get_expr(p.polwithcheck, c.oid),
            'comment', obj_description(p.oid, 'pg_policy')
        ) ORDER BY p.polname)
        FROM pg_policy AS p WHERE p.polrelid = c.oid
    ) AS policies,
    (
        SELECT json_agg(DISTINCT jsonb_build_object('name', format('%%I.%%I', vn.nspname, v.relname), 'kind', v.relkind::text))
        FROM pg_depend AS d
        JOIN pg_rewrite AS w ON w.oid = d.objid JOIN pg_class AS v ON v.oid = w.ev_class
        JOIN pg_namespace AS vn ON vn.oid = v.relnamespace
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
            AND v.oid <> c.oid
    ) AS views,
    (
        SELECT json_agg(pg_describe_object(d.classid, d.objid, 0)) FROM pg_depend AS d
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.classid IN ('pg_proc'::regclass)
    ) AS functions,
    EXISTS (SELECT FROM pg_rewrite AS w WHERE w.ev_class = c.oid) AS has_rules
FROM this
JOIN pg_class AS c ON c.oid = this.oid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_roles AS r ON r.oid = c.relowner
