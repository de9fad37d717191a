-- The publications that a table is named in, of which all columns and rows are published before PostgreSQL 15.
SELECT quote_ident(p.pubname) AS name, NULL::text[] AS columns, NULL::text AS condition
FROM pg_publication_rel AS m
JOIN pg_publication AS p ON p.oid = m.prpubid
WHERE m.prrelid = to_regclass(%(relation)s)
ORDER BY p.pubname
