SELECT n.nspname AS schema, t.relname AS table, c.relname AS name,
       array(SELECT a.attname FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
             JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum ORDER BY k.place)::text[] AS columns,
       i.indoption[i.indnatts - 1] & 1 = 1 AS last_is_descending
FROM timescaledb_information.hypertables AS h
JOIN pg_index AS i ON i.indrelid = format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE NOT i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = i.indnatts
