-- who holds the upgrade lock of this database: a session-level advisory lock with a key of 64 bits (objsubid 1)
SELECT a.pid, a.application_name, a.backend_start, a.usename, a.client_addr
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.classid::bigint << 32 | l.objid::bigint = %(key)s
