-- The publications that a table is named in, with the columns and the rows of it that they publish.
SELECT quote_ident(p.pubname) AS name,
    (SELECT array_agg(quote_ident(a.attname) ORDER BY a.attnum) FROM pg_attribute AS a
     WHERE a.attrelid = m.prrelid AND a.attnum = ANY (m.prattrs)) AS columns,
    pg_get_expr(m.prqual, m.prrelid) AS condition
FROM pg_publication_rel AS m
JOIN pg_publication AS p ON p.oid = m.prpubid
WHERE m.prrelid = to_regclass(%(relation)s)
ORDER BY p.pubname
