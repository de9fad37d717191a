CREATE OR REPLACE PROCEDURE tsext.record_event(INOUT e tsext.event)
LANGUAGE plpgsql AS $body$
BEGIN
    SELECT events + 1, last_hash INTO e.id, e.previous_hash FROM tsext.bookkeeping FOR UPDATE;
    e.at := clock_timestamp();
    e.applied_by := current_user;
    e.hash := {event_hash};
    INSERT INTO tsext.event VALUES (e.*);
    UPDATE tsext.bookkeeping SET events = e.id, last_hash = e.hash;
END
$body$;

CREATE OR REPLACE PROCEDURE tsext.record(
    kind TEXT, revision TEXT, version INTEGER, name TEXT, rollback_available BOOLEAN, checksum TEXT, files JSONB,
    execution_time_ms INTEGER, environment TEXT, client TEXT, details JSONB)
LANGUAGE plpgsql AS $body$
#variable_conflict use_variable
DECLARE
    e tsext.event;
    took INTEGER := coalesce(execution_time_ms, extract(epoch FROM clock_timestamp() - now()) * 1000);
BEGIN
    IF kind = 'downgrade' OR kind = 'stamp-removed' THEN
        DELETE FROM migration_history AS h WHERE h.version = version;
    ELSE
        INSERT INTO tsext.bridge AS b (revision, version, files) VALUES (revision, version, files)
        ON CONFLICT ON CONSTRAINT bridge_pkey DO UPDATE SET files = excluded.files;
        IF kind = 'repair' THEN
            UPDATE migration_history AS h
            SET checksum = checksum, name = name, rollback_available = rollback_available WHERE h.version = version;
        ELSE
            INSERT INTO migration_history (version, name, rollback_available, checksum, execution_time_ms)
            VALUES (version, left(name, 255), rollback_available, checksum, took);
        END IF;
    END IF;
    e.kind := kind; e.outcome := 'succeeded'; e.revision := revision; e.version := version; e.checksum := checksum;
    e.execution_time_ms := took; e.environment := environment; e.client := client; e.details := details;
    CALL tsext.record_event(e);
END
$body$;

CREATE OR REPLACE PROCEDURE tsext.record_failure(
    kind TEXT, revision TEXT, version INTEGER, execution_time_ms INTEGER, environment TEXT, client TEXT,
    error TEXT, details JSONB)
LANGUAGE plpgsql AS $body$
DECLARE
    e tsext.event;
BEGIN
    e.kind := kind; e.outcome := 'failed'; e.revision := revision; e.version := version;
    e.execution_time_ms := execution_time_ms; e.environment := environment; e.client := client;
    e.error := error; e.details := details;
    CALL tsext.record_event(e);
END
$body$;
