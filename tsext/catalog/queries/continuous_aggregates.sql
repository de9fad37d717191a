-- Told apart by name: indexes that TimescaleDB made itself, or whose name PostgreSQL chose.
SELECT a.view_schema AS schema, a.view_name AS name, a.view_definition AS query, a.materialized_only,
       a.hypertable_schema AS source_schema, a.hypertable_name AS source_name,
       a.materialization_hypertable_schema AS materialization_schema,
       a.materialization_hypertable_name AS materialization_name,
       (extract(epoch FROM d.time_interval) * 1000000)::bigint AS microseconds,
       coalesce(i.own, '[]') AS indexes, coalesce(i.grouped, false) AS create_group_indexes
FROM timescaledb_information.continuous_aggregates AS a
JOIN timescaledb_information.dimensions AS d
  ON d.hypertable_schema = a.materialization_hypertable_schema
 AND d.hypertable_name = a.materialization_hypertable_name AND d.dimension_number = 1
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object('name', k.name, 'using', k.using, 'columns', k.columns, 'where', k.condition) ORDER BY k.name)
             FILTER (WHERE NOT k.made AND k.plain) AS own,
           bool_or(k.made AND json_array_length(k.columns) > 1) AS grouped
    FROM (
        SELECT c.relname AS name, m.amname AS using,
               c.relname ~ '^_materialized_hypertable_[0-9]+_.*idx[0-9]*$' AS made,
               NOT x.indisunique AND x.indnkeyatts = x.indnatts AS plain,
               pg_get_expr(x.indpred, x.indrelid, true) AS condition,
               (SELECT json_agg(json_build_array(
                    f.attname, o.option, pg_get_indexdef(x.indexrelid, o.place::int, true)) ORDER BY o.place)
                FROM unnest(x.indkey, x.indoption) WITH ORDINALITY AS o (attnum, option, place)
                LEFT JOIN pg_attribute AS f ON f.attrelid = x.indrelid AND f.attnum = o.attnum) AS columns
        FROM pg_namespace AS n
        JOIN pg_class AS t ON t.relnamespace = n.oid AND t.relname = a.materialization_hypertable_name
        JOIN pg_index AS x ON x.indrelid = t.oid
        JOIN pg_class AS c ON c.oid = x.indexrelid
        JOIN pg_am AS m ON m.oid = c.relam
        WHERE n.nspname = a.materialization_hypertable_schema
    ) AS k
) AS i ON true
ORDER BY a.view_schema, a.view_name
