DROP PROCEDURE IF EXISTS tsext.record(
    TEXT, TEXT, INTEGER, TEXT, BOOLEAN, TEXT, JSONB, INTEGER, TEXT, TEXT, JSONB);
DROP PROCEDURE IF EXISTS tsext.record_failure(TEXT, TEXT, INTEGER, INTEGER, TEXT, TEXT, TEXT, JSONB);
DROP PROCEDURE IF EXISTS tsext.record_event(tsext.event);

-- Each expression is a plan of the session, and all are gone through whenever a revision changes a table: hence so few.
CREATE OR REPLACE PROCEDURE tsext.record(
    kind TEXT, revision TEXT, version INTEGER, name TEXT, rollback_available BOOLEAN, checksum TEXT, files JSONB,
    execution_time_ms INTEGER, environment TEXT, client TEXT, error TEXT, details JSONB, flush BOOLEAN)
LANGUAGE plpgsql
SET lock_timeout = '2s'  -- for its own rows, however briefly the revision asks for its locks
AS $body$
#variable_conflict use_variable
DECLARE
    path TEXT;
    last RECORD;
BEGIN
    IF to_regclass('migration_history') IS NULL THEN  -- a revision may leave any search path behind
        path := current_setting('search_path');
        PERFORM set_config('search_path', c.relnamespace::regnamespace::text, true)
        FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relname = 'migration_history' AND a.attname = 'rollback_available'; -- others have tables of this name, too
    END IF;
    IF execution_time_ms IS NULL THEN
        execution_time_ms := extract(epoch FROM clock_timestamp() - now()) * 1000;
    END IF;
    IF error IS NOT NULL THEN
        checksum := NULL;
    ELSIF kind IN ('downgrade', 'stamp-removed') THEN
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
            VALUES (version, left(name, 255), rollback_available, checksum, execution_time_ms);
        END IF;
    END IF;
    INSERT INTO tsext.event
    SELECT e.*, {event_hash}
    FROM (
        SELECT
            events + 1 AS id, clock_timestamp() AS at, kind AS kind,
            CASE WHEN error IS NULL THEN 'succeeded' ELSE 'failed' END AS outcome, revision AS revision,
            version AS version, checksum AS checksum, execution_time_ms AS execution_time_ms,
            environment AS environment, current_user::text AS applied_by, client AS client, error AS error,
            details AS details, last_hash AS previous_hash
        FROM tsext.bookkeeping FOR UPDATE
    ) AS e
    RETURNING id, hash INTO last;
    UPDATE tsext.bookkeeping SET events = last.id, last_hash = last.hash;
    IF path IS NOT NULL THEN
        PERFORM set_config('search_path', path, true);
    END IF;
    IF NOT flush THEN
        -- A later commit of the run puts this one on disk with it: the log is written in order.
        SET LOCAL synchronous_commit = off;
    END IF;
END
$body$;
