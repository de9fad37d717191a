-- What this session has locked, one row for each set of modes; always one at least, for the rest.
WITH held AS (
    SELECT relation AS oid, string_agg(DISTINCT mode, ' ') AS modes
    FROM pg_locks
    WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted AND relation >= 16384
        AND mode = ANY (%(modes)s::text[]) -- not SIReadLock, by which a serializable transaction blocks nobody
    GROUP BY 1
), found AS (
    SELECT h.modes, h.oid::bigint AS oid, coalesce(c.relfilenode::bigint, -1) AS node, coalesce(c.relkind, ' ')::text AS kind
    FROM held AS h
    LEFT JOIN pg_class AS c ON c.oid = h.oid
    -- not what the transaction itself has made: this row PostgreSQL writes when a table is made, and never again
    WHERE %(new)s OR NOT EXISTS (
        SELECT FROM pg_attribute AS a WHERE a.attrelid = h.oid AND a.attnum = -1
            AND a.xmin::text::bigint >= pg_current_xact_id_if_assigned()::text::bigint %% (1::bigint << 32)
    )
)
SELECT
    f.modes, array_agg(f.oid) AS oids, array_agg(f.node) AS nodes, array_agg(f.kind) AS kinds,
    pg_current_wal_insert_lsn()::text AS lsn,
    ARRAY(SELECT to_regclass(named)::oid::bigint FROM unnest(%(named)s::text[]) AS named) AS named
FROM (SELECT) AS always LEFT JOIN found AS f ON true
GROUP BY f.modes
