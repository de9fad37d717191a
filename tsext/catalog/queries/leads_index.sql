-- Whether a column is the first one of an index that has all rows in the order of its values.
SELECT EXISTS (
    SELECT FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = to_regclass(%(relation)s)
        AND a.attname = (parse_ident(%(column)s))[1]
        AND i.indpred IS NULL
) AS leads
