-- What of a table CREATE TABLE … LIKE leaves out. A statistics target that is not set is -1 up to PostgreSQL 16.
WITH this AS (SELECT to_regclass(%(relation)s)::oid AS oid)
SELECT
    (SELECT quote_ident(s.spcname) FROM pg_tablespace AS s WHERE s.oid = c.reltablespace) AS tablespace,
    CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END AS of_type,
    (SELECT array_agg('toast.' || o) FROM pg_class AS t, unnest(t.reloptions) AS o WHERE t.oid = c.reltoastrelid)
        AS toast_options,
    (
        SELECT json_agg(json_build_object('privilege', p.privilege, 'grantee', p.grantee, 'grantable', p.is_grantable)
            ORDER BY p.attnum, p.place)
        FROM (
            SELECT 0 AS attnum, e.privilege_type AS privilege, e.is_grantable, e.place,
                CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END AS grantee
            FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) WITH ORDINALITY
                AS e (grantor, grantee, privilege_type, is_grantable, place)
            UNION ALL
            SELECT a.attnum, format('%%s (%%I)', e.privilege_type, a.attname), e.is_grantable, e.place,
                CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END
            FROM pg_attribute AS a, aclexplode(a.attacl) WITH ORDINALITY
                AS e (grantor, grantee, privilege_type, is_grantable, place)
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ) AS p
    ) AS privileges,
    (
        SELECT json_agg(json_build_object('name', a.attname, 'statistics', nullif(a.attstattarget, -1), 'options', a.attoptions)
            ORDER BY a.attnum)
        FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND (coalesce(a.attstattarget, -1) <> -1 OR a.attoptions IS NOT NULL)
    ) AS columns,
    (
        SELECT json_agg(json_build_object(
            'column', a.attname, 'relation', d.objid::regclass::text, 'name', q.relname,
            'type', (SELECT format_type(s.seqtypid, NULL) FROM pg_sequence AS s WHERE s.seqrelid = q.oid),
            'comment', obj_description(q.oid, 'pg_class'),
            'privileges', (
                SELECT json_agg(json_build_object('privilege', e.privilege_type, 'grantable', e.is_grantable, 'grantee',
                    CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END))
                FROM aclexplode(coalesce(q.relacl, acldefault('s', q.relowner))) AS e
            )
        ) ORDER BY a.attnum)
        FROM pg_depend AS d
        JOIN pg_class AS q ON q.oid = d.objid AND q.relkind = 'S'
        JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
            AND d.deptype = 'i'
    ) AS sequences,
    (
        SELECT json_agg(json_build_object(
            'name', x.relname, 'comment', obj_description(x.oid, 'pg_class'), 'clustered', i.indisclustered,
            'tablespace', (SELECT s.spcname FROM pg_tablespace AS s WHERE s.oid = x.reltablespace),
            'statistics', (
                SELECT json_object_agg(a.attnum, a.attstattarget) FROM pg_attribute AS a
                WHERE a.attrelid = x.oid AND a.attstattarget <> -1
            )
        ) ORDER BY x.relname)
        FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
        WHERE i.indrelid = c.oid
    ) AS indexes,
    (
        SELECT json_agg(json_build_object(
            'schema', n.nspname, 'name', s.stxname, 'target', nullif(s.stxstattarget, -1),
            'comment', obj_description(s.oid, 'pg_statistic_ext'), 'owner', quote_ident(pg_get_userbyid(s.stxowner)),
            'definition', substr(pg_get_statisticsobjdef(s.oid),
                length(format('CREATE STATISTICS %%I.%%I', n.nspname, s.stxname)) + 1)
        ) ORDER BY s.stxname)
        FROM pg_statistic_ext AS s JOIN pg_namespace AS n ON n.oid = s.stxnamespace
        WHERE s.stxrelid = c.oid
    ) AS statistics,
    (
        SELECT json_agg(pg_get_ruledef(w.oid) ORDER BY w.oid)
        FROM (SELECT DISTINCT d.objid FROM pg_depend AS d
              WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid) AS d
        JOIN pg_rewrite AS w ON w.oid = d.objid JOIN pg_class AS v ON v.oid = w.ev_class AND v.relkind = 'v'
        WHERE w.rulename <> '_RETURN'
    ) AS view_rules,
    (
        SELECT json_agg(DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid))
        FROM pg_type AS t JOIN pg_depend AS d ON d.refobjid = t.oid AND d.refclassid = 'pg_type'::regclass AND d.deptype = 'n'
        WHERE t.oid IN (c.reltype, (SELECT r.typarray FROM pg_type AS r WHERE r.oid = c.reltype))
    ) AS uses_of_row_type,
    (SELECT array_agg(p.pubname) FROM pg_publication AS p WHERE p.puballtables) AS published_with_all
FROM this
JOIN pg_class AS c ON c.oid = this.oid
