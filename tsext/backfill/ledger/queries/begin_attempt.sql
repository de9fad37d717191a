INSERT INTO tsext.backfill_attempt (task, worker, host, pid, backend)
VALUES (%(task)s, %(worker)s, %(host)s, %(pid)s, %(backend)s)
RETURNING id, set_config('synchronous_commit', 'off', true)
