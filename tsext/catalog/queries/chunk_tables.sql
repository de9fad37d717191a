-- Joined by name: a cast to regclass would need USAGE on every schema.
SELECT n.nspname AS schema, c.relname AS name
FROM timescaledb_information.hypertables AS h
JOIN pg_namespace AS s ON s.nspname = h.hypertable_schema
JOIN pg_class AS t ON t.relnamespace = s.oid AND t.relname = h.hypertable_name
JOIN pg_inherits AS i ON i.inhparent = t.oid
JOIN pg_class AS c ON c.oid = i.inhrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE '\_timescaledb%'
