WITH RECURSIVE named AS (
    SELECT to_regclass(n.relation)::oid AS relation, n.conflicts
    FROM json_to_recordset(CAST(%(needs)s AS json)) AS n(relation text, conflicts text[])
),
-- an index is locked with its table, a table with those that inherit from it: partitions, chunks
needed AS (
    SELECT relation, conflicts FROM named
    UNION
    SELECT i.indrelid, n.conflicts FROM named AS n JOIN pg_index AS i ON i.indexrelid = n.relation
    UNION
    SELECT i.inhrelid, n.conflicts FROM needed AS n JOIN pg_inherits AS i ON i.inhparent = n.relation
)
SELECT DISTINCT ON (l.virtualtransaction)
    l.pid, l.virtualtransaction, l.relation::regclass::text AS relation, l.mode, l.granted,
    extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8 AS age,
    coalesce(a.application_name, '') AS application, coalesce(a.usename, p.owner, '') AS role,
    coalesce(a.backend_type, '') AS backend_type, coalesce(a.state, '') AS state, coalesce(a.query, '') AS query, p.gid
FROM pg_locks AS l
JOIN needed AS n ON n.relation = l.relation AND l.mode = ANY (n.conflicts)
LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
-- a prepared transaction has no process; its virtual transaction is that of its session, or of none after a restart
LEFT JOIN pg_locks AS x ON l.pid IS NULL AND x.pid IS NULL AND x.virtualtransaction = l.virtualtransaction
    AND x.locktype = 'transactionid' AND x.mode = 'ExclusiveLock'
LEFT JOIN pg_prepared_xacts AS p ON p.transaction = x.transactionid
WHERE l.locktype = 'relation' AND l.pid IS DISTINCT FROM pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY l.virtualtransaction, l.granted, l.relation
