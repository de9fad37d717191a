-- Undoes 002_add_timescaledb: the three hypertables with all their chunks and rows, then the extension.
-- A hypertable that someone else made meanwhile stops this, since it could not be read without the extension.

DROP TABLE signals;
DROP TABLE trades;
DROP TABLE market_data;

DO $$
DECLARE
    others text;
BEGIN
    SELECT string_agg(format('%I.%I', hypertable_schema, hypertable_name), ', ')
      INTO others
      FROM timescaledb_information.hypertables;
    IF others IS NOT NULL THEN
        RAISE EXCEPTION 'other hypertables need the extension timescaledb: %', others
            USING HINT = 'drop them, or undo the revisions that created them, first';
    END IF;
END;
$$;

DROP EXTENSION IF EXISTS timescaledb;
