-- The next task that nobody holds, or one in particular; it is held until the transaction ends.
SELECT t.*
FROM tsext.backfill_task AS t
WHERE t.backfill = %(backfill)s
  AND t.state = 'open'
  AND t.id = coalesce(%(task)s, t.id)
  AND t.step = coalesce(%(step)s, t.step)
  AND coalesce(t.not_before, '-infinity') <= clock_timestamp()
  AND EXISTS (SELECT FROM tsext.backfill AS b WHERE b.id = t.backfill AND b.state = 'running')
ORDER BY t.id
LIMIT 1
FOR NO KEY UPDATE OF t SKIP LOCKED
