-- Columns by which the rows of a table can be gone through: never null, and in an index, the fewest that are unique;
-- of a chunk without such an index, the time, if it leads one.
SELECT array(SELECT a.attname::text
             FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
             JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE k.place <= CASE WHEN i.indisunique THEN i.indnkeyatts ELSE 1 END
             ORDER BY k.place) AS columns
FROM pg_index AS i
JOIN pg_class AS x ON x.oid = i.indexrelid
JOIN pg_am AS m ON m.oid = x.relam
WHERE i.indrelid = to_regclass(%(relation)s)
  AND m.amname = 'btree' AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
  AND (i.indisunique
       AND NOT EXISTS (SELECT FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
                       JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                       WHERE k.place <= i.indnkeyatts AND NOT a.attnotnull)
       OR EXISTS (SELECT FROM pg_attribute AS a
                  WHERE a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attnotnull
                    AND a.attname = %(time)s))
ORDER BY i.indisprimary DESC, i.indisunique DESC, i.indnkeyatts, x.relname
LIMIT 1
