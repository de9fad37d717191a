-- Up to 2.19, jobs of a continuous aggregate show the hypertable behind it. Lengths are given as months and microseconds,
-- so that IntervalStyle does not matter.
SELECT j.job_id, j.application_name::text AS application_name, j.owner::text AS owner, j.proc_schema::text AS proc_schema,
       j.proc_name::text AS proc_name, j.scheduled, j.fixed_schedule, j.max_retries, j.initial_start,
       j.next_start::text AS next_start, j.config::text AS config,
       CASE WHEN j.check_name IS NOT NULL THEN format('%I.%I', j.check_schema, j.check_name) END AS check_config,
       coalesce(a.view_schema, j.hypertable_schema)::text AS schema,
       coalesce(a.view_name, j.hypertable_name)::text AS name,
       (SELECT json_object_agg(key, format('%s months %s microseconds', months,
                                           (extract(epoch FROM length - make_interval(months => months)) * 1000000)::bigint))
        FROM (SELECT key, length, (extract(year FROM length) * 12 + extract(month FROM length))::int AS months
              FROM (SELECT * FROM (VALUES ('schedule_interval', j.schedule_interval), ('max_runtime', j.max_runtime),
                                          ('retry_period', j.retry_period)) AS v (key, length)
                    UNION ALL
                    SELECT key, (value #>> '{}')::interval FROM jsonb_each(
                      CASE WHEN j.hypertable_name IS NOT NULL AND jsonb_typeof(j.config) = 'object' THEN j.config
                           ELSE '{}' END)
                    WHERE jsonb_typeof(value) = 'string'
                      AND key IN ('drop_after', 'drop_created_before', 'compress_after', 'compress_created_before',
                                  'start_offset', 'end_offset')) AS l) AS m)::text AS lengths
FROM timescaledb_information.jobs AS j
LEFT JOIN timescaledb_information.continuous_aggregates AS a
  ON a.materialization_hypertable_schema = j.hypertable_schema
 AND a.materialization_hypertable_name = j.hypertable_name
WHERE j.job_id >= 1000
ORDER BY j.job_id
