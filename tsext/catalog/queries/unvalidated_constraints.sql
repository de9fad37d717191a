SELECT format('%I.%I', n.nspname, c.relname), quote_ident(k.conname)
FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT k.convalidated AND k.conparentid = 0 AND n.nspname NOT LIKE '\_timescaledb%' ORDER BY 1, 2
