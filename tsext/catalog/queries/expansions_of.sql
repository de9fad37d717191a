SELECT tgname, tgargs
FROM pg_trigger
WHERE tgrelid = to_regclass(%(relation)s) AND starts_with(tgname::text, %(prefix)s)
