INSERT INTO tsext.backfill_task (backfill, step, relation, lower, upper, expected)
SELECT %(backfill)s, t.step, t.relation, t.lower, t.upper, t.expected
FROM ROWS FROM (
    json_to_recordset(%(tasks)s::json) AS (step text, relation text, lower text, upper text, expected bigint)
) WITH ORDINALITY AS t (step, relation, lower, upper, expected, place)
ORDER BY t.place
ON CONFLICT (backfill, step, relation, coalesce(lower, ''), coalesce(upper, '')) DO NOTHING
