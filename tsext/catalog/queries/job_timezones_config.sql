SELECT id, timezone FROM _timescaledb_config.bgw_job WHERE timezone IS NOT NULL
