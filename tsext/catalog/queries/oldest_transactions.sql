SELECT pid, pid::text, '', '', true, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age,
    application_name, coalesce(usename, ''), backend_type, coalesce(state, ''), query, NULL
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
UNION ALL
SELECT NULL, gid, '', '', true, extract(epoch FROM clock_timestamp() - prepared)::float8,
    '', owner, '', '', '', gid
FROM pg_prepared_xacts
WHERE database = current_database()
ORDER BY age DESC
LIMIT 5
