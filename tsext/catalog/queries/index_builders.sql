SELECT l.pid
FROM pg_locks AS l
JOIN pg_stat_progress_create_index AS p ON p.pid = l.pid
JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database()
WHERE l.locktype = 'relation' AND l.relation = to_regclass(%(relation)s) AND l.granted
    AND l.mode = 'ShareUpdateExclusiveLock' AND l.pid <> pg_backend_pid()
