-- The library of what needs Timescale's licence; builds under the Apache licence do not have it.
SELECT FROM pg_config() AS c
WHERE c.name = 'PKGLIBDIR'
  AND pg_stat_file(format('%%s/timescaledb-tsl-%%s.so', c.setting, %(version)s::text), true) IS NOT NULL
