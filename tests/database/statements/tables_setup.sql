CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN label AS text;
CREATE TABLE u (id integer PRIMARY KEY, name text);
CREATE TABLE w (id integer PRIMARY KEY);
CREATE TABLE t (
    id integer PRIMARY KEY, a integer, b text, c varchar(20), n numeric(10, 2), ts timestamp, tz timestamptz,
    d date DEFAULT current_date, m mood, j jsonb, net cidr, nn integer NOT NULL, ck integer, u_id integer,
    pos positive, lab label, v varchar, big bigint, vb varbit(5), ch char(5), arr integer[],
    gen integer GENERATED ALWAYS AS (nn + 1) STORED, w_id integer REFERENCES w,
    CONSTRAINT ck_valid CHECK (ck IS NOT NULL), CONSTRAINT c_short CHECK (length(c) < 100)
);
ALTER TABLE t ADD CONSTRAINT a_later CHECK (a > 0) NOT VALID;
ALTER TABLE t ADD CONSTRAINT fk_later FOREIGN KEY (u_id) REFERENCES u NOT VALID;
CREATE INDEX t_a ON t (a);
CREATE INDEX t_c ON t (c);
CREATE INDEX t_tz ON t (tz);
CREATE UNIQUE INDEX t_nn ON t (nn);
CREATE UNIQUE INDEX t_big ON t (big);
CREATE INDEX t_part ON t (v) WHERE v <> '';
CREATE VIEW t_view AS SELECT id, b FROM t;
CREATE MATERIALIZED VIEW t_mat AS SELECT id, a FROM t;
CREATE UNIQUE INDEX t_mat_id ON t_mat (id);
CREATE MATERIALIZED VIEW t_mat_plain AS SELECT id FROM t;
CREATE FUNCTION users_own() RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE FUNCTION users_pure(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trg();
CREATE SEQUENCE s;
CREATE TABLE p (id integer, at date) PARTITION BY RANGE (at);
CREATE TABLE p_2025 PARTITION OF p FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE p_default PARTITION OF p DEFAULT;
CREATE TABLE pp (id integer, at date) PARTITION BY RANGE (at);
CREATE TABLE pp_2025 PARTITION OF pp FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE loose (id integer, at date);
CREATE TABLE proven (id integer, at date NOT NULL, CHECK (at >= '2027-01-01' AND at < '2028-01-01'));
CREATE TABLE "Odd Näme" (id integer, "Col" text);
CREATE SCHEMA other;
CREATE TABLE other.t2 (id integer PRIMARY KEY, x text);
INSERT INTO u SELECT g, 'n' FROM generate_series(1, 50) AS g;
INSERT INTO w SELECT g FROM generate_series(1, 50) AS g;
INSERT INTO t (id, a, b, c, n, ts, tz, nn, ck, u_id, pos, big, w_id)
    SELECT g, g, 'b', 'c', 1, now(), now(), g, 1, 1 + g % 50, 1, g, 1 + g % 50 FROM generate_series(1, 500) AS g;
INSERT INTO p SELECT g, '2025-06-01' FROM generate_series(1, 50) AS g;
INSERT INTO p SELECT g, '2030-06-01' FROM generate_series(1, 50) AS g;
INSERT INTO pp SELECT g, '2025-06-01' FROM generate_series(1, 50) AS g;
INSERT INTO loose SELECT g, '2026-06-01' FROM generate_series(1, 50) AS g;
INSERT INTO proven SELECT g, '2027-06-01' FROM generate_series(1, 50) AS g;
INSERT INTO "Odd Näme" SELECT g, 'x' FROM generate_series(1, 50) AS g;
INSERT INTO other.t2 SELECT g, 'x' FROM generate_series(1, 50) AS g;
