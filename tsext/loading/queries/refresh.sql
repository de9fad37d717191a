UPDATE tsext.backfill SET spec = spec || %(changed)s::jsonb WHERE id = %(backfill)s
