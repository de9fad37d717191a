SELECT n.nspname AS schema, c.relname AS name, format('%I.%I', n.nspname, c.relname) AS relation,
       quote_ident(k.conname) AS quoted
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
-- From PostgreSQL 18 on there are constraints that are not enforced, and so never validated.
WHERE NOT k.convalidated AND to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false' AND k.conparentid = 0 AND k.coninhcount = 0
  AND n.nspname NOT LIKE '\_timescaledb%' AND NOT pg_is_other_temp_schema(n.oid)
ORDER BY relation, quoted
