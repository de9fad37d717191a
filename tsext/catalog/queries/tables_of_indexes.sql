SELECT DISTINCT indrelid::bigint AS oid FROM pg_index WHERE indexrelid = ANY (%(oids)s::oid[])
