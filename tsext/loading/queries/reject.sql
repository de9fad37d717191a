INSERT INTO tsext.load_reject (backfill, line, sqlstate, reason, record)
SELECT %(backfill)s, r.line, r.sqlstate, r.reason, decode(r.record, 'hex')
FROM json_to_recordset(%(rejects)s::json) AS r (line bigint, sqlstate text, reason text, record text)
