UPDATE tsext.backfill_task SET state = 'open', position = NULL, seen = 0, tries = 0, not_before = NULL
WHERE backfill = %(backfill)s AND step = %(step)s AND state = ANY (%(states)s)
