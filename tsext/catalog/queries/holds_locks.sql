-- others' rows, too, are only changed under a lock on their table
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE pid = pg_backend_pid() AND granted AND locktype = 'relation' AND mode <> 'AccessShareLock'
        AND relation >= 16384 -- FirstNormalObjectId: what came with the server is not in anybody's way
)
