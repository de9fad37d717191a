SELECT current_setting('server_version_num')::int / 10000 AS postgresql,
       current_schemas(false)::text[] AS search_path,
       current_setting('TimeZone') AS time_zone,
       ARRAY(SELECT nspname::text FROM pg_namespace) AS schemas,
       -- neither the row types of tables nor arrays
       ARRAY(
           SELECT typname::text
           FROM pg_type LEFT JOIN pg_class AS c ON c.oid = typrelid
           WHERE relkind = 'c' OR (relkind IS NULL AND typcategory <> 'A')
       ) AS types,
       ARRAY(SELECT extname::text FROM pg_extension) AS extensions,
       ARRAY(SELECT DISTINCT proname::text FROM pg_proc) AS functions,
       ARRAY(SELECT rolname::text FROM pg_roles) AS roles
