SELECT state, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds, query
FROM pg_stat_activity
WHERE pid = %(pid)s
