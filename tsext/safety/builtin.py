"""Functions of PostgreSQL and of its usual extensions, for when the catalog cannot be asked.

Source: ``pg_proc.provolatile`` of PostgreSQL 18, without what only operators and types call.
"""

VOLATILE = {
    "array_sample", "array_shuffle", "clock_timestamp", "current_query", "currval", "gen_random_bytes",
    "gen_random_uuid", "gen_salt", "gen_ulid", "lastval", "lo_create", "lo_unlink", "nanoid", "nextval",
    "pg_advisory_lock", "pg_notify", "pg_sleep", "pg_sleep_for", "pg_sleep_until", "random", "random_normal",
    "set_config", "setseed", "setval", "timeofday", "ts_rewrite", "txid_status", "ulid", "uuid_generate_v1",
    "uuid_generate_v1mc", "uuid_generate_v4", "uuidv4", "uuidv7",
}  # fmt: skip
"""What may give another value for each row, or does something."""

NOT_VOLATILE = {
    "abbrev", "abs", "acos", "acosd", "acosh", "age", "array_dims", "array_fill", "array_length", "array_lower",
    "array_ndims", "array_position", "array_positions", "array_remove", "array_replace", "array_reverse",
    "array_sort", "array_to_json", "array_to_string", "array_to_tsvector", "array_upper", "ascii", "asin",
    "asind", "asinh", "atan", "atan2", "atan2d", "atand", "atanh", "bit_count", "bit_length", "box", "broadcast",
    "cardinality", "casefold", "cbrt", "ceil", "ceiling", "center", "char_length", "character_length", "chr",
    "circle", "citext", "col_description", "concat", "concat_ws", "convert", "convert_from", "convert_to", "cos",
    "cosd", "cosh", "cot", "cotd", "crc32", "crc32c", "crypt", "current_database", "current_schema",
    "current_schemas", "current_setting", "current_user", "date_add", "date_bin", "date_part", "date_subtract",
    "date_trunc", "datemultirange", "daterange", "decode", "degrees", "digest", "div", "encode", "enum_first",
    "enum_last", "enum_range", "erf", "erfc", "exp", "extract", "factorial", "family", "floor", "format",
    "format_type", "gamma", "gcd", "get_bit", "get_byte", "get_current_ts_config", "hmac", "host", "hostmask",
    "hstore", "initcap", "int4multirange", "int4range", "int8multirange", "int8range", "is_normalized", "isempty",
    "isfinite", "json_array_length", "json_build_array", "json_build_object", "json_object",
    "json_populate_record", "json_strip_nulls", "json_to_record", "json_to_tsvector", "json_typeof",
    "jsonb_array_length", "jsonb_build_array", "jsonb_build_object", "jsonb_insert", "jsonb_object",
    "jsonb_path_exists", "jsonb_path_exists_tz", "jsonb_path_match", "jsonb_path_match_tz",
    "jsonb_path_query_array", "jsonb_path_query_array_tz", "jsonb_path_query_first", "jsonb_path_query_first_tz",
    "jsonb_populate_record", "jsonb_populate_record_valid", "jsonb_pretty", "jsonb_set", "jsonb_set_lax",
    "jsonb_strip_nulls", "jsonb_to_record", "jsonb_to_tsvector", "jsonb_typeof", "justify_days", "justify_hours",
    "justify_interval", "lcm", "left", "length", "lgamma", "line", "ln", "localtimestamp", "log", "log10",
    "lower", "lower_inf", "lpad", "ltrim", "macaddr8_set7bit", "make_date", "make_interval", "make_time",
    "make_timestamp", "make_timestamptz", "masklen", "md5", "min_scale", "mod", "multirange", "netmask",
    "network", "normalize", "now", "num_nonnulls", "num_nulls", "nummultirange", "numnode", "numrange",
    "obj_description", "octet_length", "overlaps", "overlay", "parse_ident", "pg_backend_pid",
    "pg_client_encoding", "pg_current_xact_id", "phraseto_tsquery", "pi", "plainto_tsquery", "point", "position",
    "power", "querytree", "quote_ident", "quote_literal", "quote_nullable", "radians", "range_merge",
    "regexp_count", "regexp_instr", "regexp_like", "regexp_match", "regexp_replace", "regexp_split_to_array",
    "regexp_substr", "repeat", "replace", "reverse", "right", "round", "row_security_active", "row_to_json",
    "rpad", "rtrim", "scale", "session_user", "set_bit", "set_byte", "set_masklen", "setweight", "sha224",
    "sha256", "sha384", "sha512", "shobj_description", "sign", "similarity", "sin", "sind", "sinh", "split_part",
    "sqrt", "st_geogfromtext", "st_geomfromtext", "st_makepoint", "st_point", "st_setsrid", "statement_timestamp",
    "string_to_array", "strip", "strpos", "substr", "substring", "system_user", "tan", "tand", "tanh", "text",
    "time_bucket", "timestamp", "timestamptz", "timezone", "to_ascii", "to_bin", "to_char", "to_date", "to_hex",
    "to_json", "to_jsonb", "to_number", "to_oct", "to_regclass", "to_regcollation", "to_regnamespace",
    "to_regoper", "to_regoperator", "to_regproc", "to_regprocedure", "to_regrole", "to_regtype", "to_regtypemod",
    "to_timestamp", "to_tsquery", "to_tsvector", "transaction_timestamp", "translate", "trim_array", "trim_scale",
    "trunc", "ts_delete", "ts_filter", "ts_rank", "ts_rank_cd", "tsmultirange", "tsrange", "tstzmultirange",
    "tstzrange", "tsvector_to_array", "txid_current", "txid_current_if_assigned", "txid_current_snapshot",
    "unaccent", "unicode_assigned", "unicode_version", "unistr", "upper", "upper_inf", "uuid_extract_timestamp",
    "uuid_extract_version", "uuid_generate_v3", "uuid_generate_v5", "uuid_nil", "uuid_ns_dns", "uuid_ns_url",
    "version", "websearch_to_tsquery", "width", "width_bucket", "xmlcomment", "xpath", "xpath_exists",
}  # fmt: skip
"""What gives one value to all rows of a statement, at least for the same arguments."""
