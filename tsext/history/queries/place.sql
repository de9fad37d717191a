SELECT to_regclass('migration_history') IS NOT NULL, current_setting('search_path'),
       (SELECT string_agg(relnamespace::regnamespace::text, ', ') FROM pg_class
        WHERE relname = 'migration_history' AND relkind = 'r')
