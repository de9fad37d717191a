-- In TimescaleDB's own unit: microseconds since 1970, or the integers themselves.
SELECT coalesce(range_start_integer, _timescaledb_functions.time_to_internal(range_start)) AS begin,
       coalesce(range_end_integer, _timescaledb_functions.time_to_internal(range_end)) AS "end",
       format('%%I.%%I', chunk_schema, chunk_name) AS name
FROM timescaledb_information.chunks
WHERE hypertable_schema = %(schema)s AND hypertable_name = %(name)s
  AND (%(chunk)s::text IS NULL OR chunk_name = (SELECT relname FROM pg_class WHERE oid = to_regclass(%(chunk)s)))
