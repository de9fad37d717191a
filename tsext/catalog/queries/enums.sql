SELECT t.typname AS name, array_agg(e.enumlabel::text ORDER BY e.enumsortorder) AS labels
FROM pg_type AS t
JOIN pg_enum AS e ON e.enumtypid = t.oid
GROUP BY t.oid
