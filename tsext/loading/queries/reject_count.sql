SELECT count(*) FROM tsext.load_reject WHERE backfill = %(backfill)s
