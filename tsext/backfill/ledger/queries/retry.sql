UPDATE tsext.backfill_task SET state = 'open', tries = 0, not_before = NULL
WHERE backfill = %(id)s AND (state = 'failed' OR state = 'open' AND not_before IS NOT NULL)
