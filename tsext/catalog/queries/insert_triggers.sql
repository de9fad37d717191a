-- TRIGGER_TYPE_INSERT is 4; TimescaleDB's own are left out.
SELECT t.tgname AS name
FROM pg_trigger AS t
JOIN pg_proc AS f ON f.oid = t.tgfoid
JOIN pg_namespace AS s ON s.oid = f.pronamespace
WHERE t.tgrelid = to_regclass(%(relation)s) AND NOT t.tgisinternal AND t.tgtype & 4 <> 0
  AND s.nspname NOT LIKE '\_timescaledb%%'
