-- The range of the first dimension that a chunk is for.
SELECT format('%%I.%%I', i.chunk_schema, i.chunk_name) AS name, range_start::text AS lower, range_end::text AS upper,
       range_start_integer::text AS lower_integer, range_end_integer::text AS upper_integer
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN timescaledb_information.chunks AS i ON i.chunk_schema = n.nspname AND i.chunk_name = c.relname
WHERE c.oid = to_regclass(%(chunk)s)
