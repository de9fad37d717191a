SELECT
    coalesce(bool_or(NOT granted AND pid = %(pid)s), false) AS we_wait,
    coalesce(bool_or(NOT granted AND pid <> %(pid)s), false) AS others_wait,
    coalesce(array_agg(DISTINCT mode) FILTER (WHERE granted AND pid = %(pid)s AND locktype = 'relation'), '{}') AS modes
FROM pg_locks
WHERE pid = %(pid)s OR NOT granted
