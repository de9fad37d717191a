SELECT e.extversion AS installed, a.default_version AS offered, current_setting('timescaledb.license', true) AS license,
       r.rolsuper AS may_look
FROM pg_roles AS r
LEFT JOIN pg_available_extensions AS a ON a.name = 'timescaledb'
LEFT JOIN pg_extension AS e ON e.extname = 'timescaledb'
WHERE r.rolname = current_user AND coalesce(e.extversion, a.default_version) IS NOT NULL
