SELECT n.nspname AS schema, t.relname AS table, c.relname AS name,
       array(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
             JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum ORDER BY k.place) AS columns,
       i.indoption[i.indnatts - 1] & 1 = 1 AS last_is_descending
FROM timescaledb_information.hypertables AS h
JOIN pg_namespace AS n ON n.nspname = h.hypertable_schema
JOIN pg_class AS t ON t.relnamespace = n.oid AND t.relname = h.hypertable_name
JOIN pg_index AS i ON i.indrelid = t.oid
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_am AS m ON m.oid = c.relam
WHERE m.amname = 'btree' AND c.relname ~ '_idx[0-9]*$' AND NOT i.indisunique
  AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = i.indnatts
