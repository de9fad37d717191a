CREATE TABLE h (time timestamptz NOT NULL, dev integer NOT NULL, v integer, txt varchar(10), u_id integer);
SELECT create_hypertable('h', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
CREATE INDEX h_time ON h (time DESC);
CREATE UNIQUE INDEX h_key ON h (time, dev);
ALTER TABLE h ADD CONSTRAINT h_later CHECK (v >= 0) NOT VALID;
INSERT INTO h SELECT '2026-01-01'::timestamptz + g * INTERVAL '1 hour', g, g, 'x', 1 FROM generate_series(1, 72) AS g;
CREATE TABLE h2 (time timestamptz NOT NULL, v integer);
SELECT create_hypertable('h2', by_range('time'));
