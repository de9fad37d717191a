SELECT format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null,
       a.atttypid = to_regtype(%(type)s) AS same_type, a.attgenerated <> '' OR a.attidentity <> '' AS generated
FROM pg_attribute AS a
WHERE a.attrelid = to_regclass(%(relation)s) AND a.attname = %(column)s AND a.attnum > 0 AND NOT a.attisdropped
