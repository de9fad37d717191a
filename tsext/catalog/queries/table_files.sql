-- Tables, and the files of each: its own, those of its indexes and of its TOAST table. By oid, or by name with all parts.
WITH RECURSIVE named AS (
    SELECT to_regclass(name)::oid AS oid FROM unnest(%(names)s::text[]) AS name
    UNION
    SELECT i.inhrelid FROM named AS n JOIN pg_inherits AS i ON i.inhparent = n.oid
), wanted AS (
    SELECT c.oid, c.relname, c.relnamespace, c.reltoastrelid, c.relfilenode
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid IN (SELECT oid FROM named UNION SELECT unnest(%(oids)s::oid[])) AND c.relkind IN ('r', 'p', 'm')
        AND n.nspname !~ '^(pg_|information_schema|tsext$|_timescaledb_catalog|_timescaledb_config|_timescaledb_cache)'
        AND c.relname NOT IN ('alembic_version', 'migration_history')
), heap AS (
    SELECT oid AS owner, oid FROM wanted
    UNION ALL
    SELECT oid, reltoastrelid FROM wanted WHERE reltoastrelid <> 0
), part AS (
    SELECT * FROM heap
    UNION ALL
    SELECT h.owner, i.indexrelid FROM heap AS h JOIN pg_index AS i ON i.indrelid = h.oid
), file AS (
    SELECT
        p.owner, array_agg(c.oid::bigint) AS oids, array_agg(c.relfilenode::bigint) AS nodes,
        sum(CASE WHEN %(measured)s THEN pg_relation_size(c.oid)
            ELSE c.relpages::bigint * current_setting('block_size')::bigint END)::bigint AS bytes
    FROM part AS p JOIN pg_class AS c ON c.oid = p.oid
    WHERE c.relfilenode <> 0
    GROUP BY 1
)
SELECT
    w.oid::bigint AS oid,
    rn.nspname || '.' || r.relname AS table,
    r.oid::bigint AS root,
    w.relfilenode::bigint AS node,
    coalesce(f.bytes, 0) AS bytes,
    coalesce(f.oids, '{}') AS files,
    coalesce(f.nodes, '{}') AS nodes
FROM wanted AS w
LEFT JOIN file AS f ON f.owner = w.oid
LEFT JOIN LATERAL (SELECT inhparent FROM pg_inherits WHERE inhrelid = w.oid LIMIT 1) AS i ON true
JOIN pg_class AS r ON r.oid = coalesce(i.inhparent, w.oid)
JOIN pg_namespace AS rn ON rn.oid = r.relnamespace
