SELECT n.nspname AS schema, c.relname AS name
FROM timescaledb_information.hypertables AS h
JOIN pg_inherits AS i ON i.inhparent = format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass
JOIN pg_class AS c ON c.oid = i.inhrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE '\_timescaledb%'
