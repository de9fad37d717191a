SELECT format('%I.%I', n.nspname, c.relname) AS name, coalesce(i.is_compressed, false) AS in_columnstore
FROM {show_chunks} WITH ORDINALITY AS s (chunk, place)
JOIN pg_class AS c ON c.oid = s.chunk
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN timescaledb_information.chunks AS i ON i.chunk_schema = n.nspname AND i.chunk_name = c.relname
ORDER BY s.place
