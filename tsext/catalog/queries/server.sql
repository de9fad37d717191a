-- What of a server decides whether a run can succeed: one row. Other users' sessions are hidden from ordinary roles.
SELECT pg_is_in_recovery() AS standby,
       current_setting('transaction_read_only')::boolean AS read_only,
       pg_has_role('pg_read_all_stats', 'USAGE') AS sees_sessions,
       current_setting('max_locks_per_transaction')::int AS max_locks_per_transaction,
       current_setting('max_connections')::int AS max_connections,
       current_setting('max_prepared_transactions')::int AS max_prepared_transactions,
       (SELECT count(*) FROM pg_locks WHERE NOT fastpath)::int AS locks_held,
       CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END AS data_directory,
       (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
       pg_size_bytes(current_setting('max_wal_size')) AS max_wal_size,
       pg_size_bytes(current_setting('maintenance_work_mem')) AS maintenance_work_mem,
       current_setting('wal_level') <> 'minimal' AS logs_all,
       current_setting('archive_mode') <> 'off' AS archives,
       (SELECT coalesce(json_agg(json_build_object(
                   'name', application_name, 'state', state, 'seconds', extract(epoch FROM replay_lag)::float,
                   'bytes', pg_wal_lsn_diff(here.lsn, replay_lsn)::bigint) ORDER BY application_name), '[]')
        FROM pg_stat_replication WHERE state IS NOT NULL)::text AS replicas,
       (SELECT coalesce(json_agg(json_build_object(
                   'name', slot_name, 'active', active, 'wal_status', wal_status,
                   'bytes', pg_wal_lsn_diff(here.lsn, restart_lsn)::bigint) ORDER BY slot_name), '[]')
        FROM pg_replication_slots WHERE NOT temporary)::text AS slots,
       (SELECT coalesce(json_agg(json_build_object(
                   'pid', pid, 'application', application_name, 'role', usename, 'state', state, 'query', left(query, 100),
                   'seconds', extract(epoch FROM clock_timestamp() - xact_start)::float) ORDER BY xact_start), '[]')
        FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
          AND xact_start < clock_timestamp() - make_interval(secs => %(seconds)s))::text AS transactions,
       (SELECT coalesce(json_agg(json_build_object(
                   'gid', gid, 'role', owner, 'seconds', extract(epoch FROM clock_timestamp() - prepared)::float)
                   ORDER BY prepared), '[]')
        FROM pg_prepared_xacts
        WHERE database = current_database()
          AND prepared < clock_timestamp() - make_interval(secs => %(seconds)s))::text AS prepared
FROM (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn) AS here
