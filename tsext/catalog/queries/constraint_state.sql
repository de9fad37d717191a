SELECT
    k.contype::text AS kind,
    k.convalidated AS validated,
    regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '') AS definition
FROM pg_constraint AS k
WHERE k.conrelid = to_regclass(%(relation)s) AND k.conname = %(name)s
