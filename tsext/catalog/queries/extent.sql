SELECT min(range_start) AS start, max(range_end) AS end,
       min(range_start_integer) AS start_integer, max(range_end_integer) AS end_integer
FROM timescaledb_information.chunks
WHERE hypertable_schema = %(schema)s AND hypertable_name = %(name)s
