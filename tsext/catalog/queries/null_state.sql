SELECT
    a.attnotnull AS not_null,
    (
        SELECT array_agg(pg_get_constraintdef(k.oid)) FROM pg_constraint AS k
        WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND k.convalidated AND a.attnum = ANY (k.conkey)
    ) AS checks
FROM pg_attribute AS a
WHERE a.attrelid = to_regclass(%(relation)s) AND a.attname = %(column)s AND a.attnum > 0 AND NOT a.attisdropped
