SELECT
    EXISTS (
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
            -- what we may not see has no backend_type
            AND (xact_start < clock_timestamp() - %(age)s * interval '1 second' OR backend_type IS NULL)
    )
    OR EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database()),
    pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
