SELECT id, timezone FROM _timescaledb_catalog.bgw_job WHERE timezone IS NOT NULL
