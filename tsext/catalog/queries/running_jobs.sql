SELECT application_name, pid
FROM pg_stat_activity
WHERE application_name = ANY (%(names)s) AND datname = current_database() AND pid <> pg_backend_pid()
ORDER BY application_name, pid
