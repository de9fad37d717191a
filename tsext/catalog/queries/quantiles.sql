-- Values of a column between which there are about as many rows; none where the table has not been analysed.
SELECT histogram_bounds::text::text[] AS bounds
FROM pg_stats
WHERE schemaname = %(schema)s AND tablename = %(name)s AND attname = %(column)s AND NOT inherited
