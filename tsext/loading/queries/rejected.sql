SELECT line, sqlstate, reason, record FROM tsext.load_reject WHERE backfill = %(backfill)s ORDER BY line
