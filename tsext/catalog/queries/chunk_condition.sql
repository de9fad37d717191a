-- As a condition over the rows of the hypertable.
SELECT format('%%1$I >= %%2$L AND %%1$I < %%3$L', i.primary_dimension,
              coalesce(i.range_start::text, i.range_start_integer::text),
              coalesce(i.range_end::text, i.range_end_integer::text)) AS condition
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN timescaledb_information.chunks AS i ON i.chunk_schema = n.nspname AND i.chunk_name = c.relname
WHERE c.oid = to_regclass(%(relation)s)
