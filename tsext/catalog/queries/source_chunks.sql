-- The chunks of a hypertable, with what they hold of its first dimension.
SELECT format('%%I.%%I', chunk_schema, chunk_name) AS name, range_start::text AS lower, range_end::text AS upper,
       range_start_integer::text AS lower_integer, range_end_integer::text AS upper_integer
FROM timescaledb_information.chunks
WHERE hypertable_schema = %(schema)s AND hypertable_name = %(name)s
ORDER BY range_start, range_start_integer, chunk_name
