WITH names AS (
    SELECT %(schema)s AS schema, %(name)s AS name
    UNION ALL
    SELECT materialization_hypertable_schema, materialization_hypertable_name
    FROM timescaledb_information.continuous_aggregates WHERE view_schema = %(schema)s AND view_name = %(name)s
)
SELECT (SELECT count(*) FROM timescaledb_information.chunks AS c
        JOIN names AS n ON c.hypertable_schema = n.schema AND c.hypertable_name = n.name
        WHERE c.is_compressed)::int AS chunks,
       -- Until 2.19 the job of an aggregate named its hypertable, since 2.20 its view.
       array(SELECT j.job_id::int FROM timescaledb_information.jobs AS j
             JOIN names AS n ON j.hypertable_schema = n.schema AND j.hypertable_name = n.name
             WHERE j.proc_name = 'policy_compression' ORDER BY 1) AS policies
