DROP PROCEDURE IF EXISTS tsext.record(
    TEXT, TEXT, INTEGER, TEXT, BOOLEAN, TEXT, JSONB, INTEGER, TEXT, TEXT, JSONB);
DROP PROCEDURE IF EXISTS tsext.record_failure(TEXT, TEXT, INTEGER, INTEGER, TEXT, TEXT, TEXT, JSONB);
DROP PROCEDURE IF EXISTS tsext.record_event(tsext.event);

CREATE OR REPLACE PROCEDURE tsext.record(
    kind TEXT, revision TEXT, version INTEGER, name TEXT, rollback_available BOOLEAN, checksum TEXT, files JSONB,
    execution_time_ms INTEGER, environment TEXT, client TEXT, error TEXT, details JSONB, flush BOOLEAN)
LANGUAGE plpgsql
SET lock_timeout = '2s'  -- for its own rows, however briefly the revision asks for its locks
AS $body$
#variable_conflict use_variable
DECLARE
    e tsext.event;
    path TEXT := current_setting('search_path');
    hidden BOOLEAN := to_regclass('migration_history') IS NULL;
BEGIN
    IF hidden THEN  -- a revision may leave any search path behind
        PERFORM set_config('search_path', c.relnamespace::regnamespace::text, true)
        FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relname = 'migration_history' AND a.attname = 'rollback_available'; -- others have tables of this name, too
    END IF;
    e.kind := kind; e.revision := revision; e.version := version;
    e.execution_time_ms := coalesce(execution_time_ms, extract(epoch FROM clock_timestamp() - now()) * 1000);
    e.environment := environment; e.client := client; e.error := error; e.details := details;
    IF error IS NOT NULL THEN
        e.outcome := 'failed';
    ELSE
        e.outcome := 'succeeded'; e.checksum := checksum;
        IF kind = 'downgrade' OR kind = 'stamp-removed' THEN
            DELETE FROM migration_history AS h WHERE h.version = version;
        ELSE
            INSERT INTO tsext.bridge AS b (revision, version, files) VALUES (revision, version, files)
            ON CONFLICT ON CONSTRAINT bridge_pkey DO UPDATE SET files = excluded.files;
            IF kind = 'repair' THEN
                UPDATE migration_history AS h
                SET checksum = checksum, name = name, rollback_available = rollback_available
                WHERE h.version = version;
            ELSE
                INSERT INTO migration_history (version, name, rollback_available, checksum, execution_time_ms)
                VALUES (version, left(name, 255), rollback_available, checksum, e.execution_time_ms);
            END IF;
        END IF;
    END IF;
    SELECT events + 1, last_hash INTO e.id, e.previous_hash FROM tsext.bookkeeping FOR UPDATE;
    e.at := clock_timestamp();
    e.applied_by := current_user;
    e.hash := {event_hash};
    INSERT INTO tsext.event VALUES (e.*);
    UPDATE tsext.bookkeeping SET events = e.id, last_hash = e.hash;
    IF hidden THEN
        PERFORM set_config('search_path', path, true);
    END IF;
    IF NOT flush THEN
        -- A later commit of the run puts this one on disk with it: the log is written in order.
        SET LOCAL synchronous_commit = off;
    END IF;
END
$body$;
