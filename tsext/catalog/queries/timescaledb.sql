SELECT extversion, current_setting('timescaledb.license', true) AS license
FROM pg_extension
WHERE extname = 'timescaledb'
