SELECT k.conrelid::regclass::text AS relation, k.conname::text AS name
FROM pg_constraint AS k
WHERE k.contype = 'f' AND k.confrelid = to_regclass(%(relation)s) AND k.conparentid = 0
ORDER BY 1, 2
