-- The chunks of a hypertable that are for times of which another one of the same name has all chunks in the columnstore.
WITH chunks AS (
    SELECT hypertable_schema AS schema, is_compressed, format('%%I.%%I', chunk_schema, chunk_name) AS name,
           int8range(range_start_integer, range_end_integer) AS integers, tstzrange(range_start, range_end) AS times
    FROM timescaledb_information.chunks
    WHERE hypertable_name = %(name)s AND hypertable_schema IN (%(old)s, %(new)s)
)
SELECT n.name
FROM chunks AS n JOIN chunks AS o ON o.schema = %(old)s AND o.integers && n.integers AND o.times && n.times
WHERE n.schema = %(new)s
GROUP BY n.name
HAVING bool_and(o.is_compressed)
ORDER BY n.name
