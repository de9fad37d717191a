INSERT INTO tsext.backfill (name, kind, source, target, spec, revision)
VALUES (%(name)s, %(kind)s, %(source)s, %(target)s, %(spec)s, %(revision)s)
ON CONFLICT (name) DO UPDATE SET revision = excluded.revision
WHERE backfill.revision IS NULL AND excluded.revision IS NOT NULL
