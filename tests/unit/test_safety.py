"""What is said of statements without a database, one revision at a time."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from tsext import safety
from tsext.catalog import ColumnFacts, DatabaseFacts, RelationFacts
from tsext.safety import Axis, Category, Facts, Statement

SAFE = [
    # instant changes
    "ALTER TABLE users ADD COLUMN name text",
    "ALTER TABLE users ADD COLUMN active boolean DEFAULT true",
    "ALTER TABLE users ADD COLUMN active boolean NOT NULL DEFAULT false",
    "ALTER TABLE users ADD COLUMN at timestamptz DEFAULT now()",
    "ALTER TABLE users ADD COLUMN at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP",
    "ALTER TABLE users ADD COLUMN data jsonb DEFAULT '{}'::jsonb",
    "ALTER TABLE users ADD COLUMN tags text[] DEFAULT '{}'",
    "ALTER TABLE users ADD COLUMN org_id bigint REFERENCES orgs",
    "ALTER TABLE users ALTER COLUMN name SET DEFAULT 'x'",
    "ALTER TABLE users ALTER COLUMN name DROP DEFAULT",
    "ALTER TABLE users ALTER COLUMN name DROP NOT NULL",
    "ALTER TABLE users ALTER COLUMN name SET STATISTICS 500",
    "ALTER TABLE users SET (fillfactor = 80)",
    "ALTER TABLE users DROP CONSTRAINT users_name_check",
    "ALTER TABLE users RENAME CONSTRAINT a TO b",
    "ALTER INDEX users_name RENAME TO users_name_idx",
    "COMMENT ON TABLE users IS 'people'",
    "CREATE OR REPLACE VIEW active_users AS SELECT * FROM users",
    "CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE TYPE mood AS ENUM ('sad')",
    "ALTER TYPE mood ADD VALUE 'ok'",
    "CREATE EXTENSION IF NOT EXISTS pgcrypto",
    "CREATE SCHEMA IF NOT EXISTS app",
    "CREATE SEQUENCE s",
    "GRANT SELECT ON users TO reader",
    # concurrently
    "CREATE INDEX CONCURRENTLY users_name ON users (name)",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS users_name ON users (name)",
    "DROP INDEX CONCURRENTLY IF EXISTS users_name",
    "REINDEX INDEX CONCURRENTLY users_name",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY totals",
    # in two steps
    "ALTER TABLE users ADD CONSTRAINT c CHECK (age > 0) NOT VALID",
    "ALTER TABLE users VALIDATE CONSTRAINT c",
    "ALTER TABLE users ADD CONSTRAINT fk FOREIGN KEY (org_id) REFERENCES orgs (id) NOT VALID",
    "ALTER TABLE users ADD CONSTRAINT u UNIQUE USING INDEX users_name",
    "ALTER TABLE users ADD CONSTRAINT p PRIMARY KEY USING INDEX users_id",
    "ALTER TABLE users VALIDATE CONSTRAINT name_null; ALTER TABLE users ALTER COLUMN name SET NOT NULL; "
    "ALTER TABLE users DROP CONSTRAINT name_null",
    # new tables concern nobody
    "CREATE TABLE t (id bigint PRIMARY KEY, a integer UNIQUE, CHECK (a > 0))",
    "CREATE TABLE t (id integer); CREATE INDEX i ON t (id); ALTER TABLE t ALTER id SET NOT NULL",
    "CREATE TABLE t (id integer); ALTER TABLE t ADD COLUMN x uuid DEFAULT gen_random_uuid(); DROP TABLE t",
    "CREATE TABLE t (id bigint PRIMARY KEY, user_id bigint REFERENCES users)",
    "CREATE TABLE t (id bigint); ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES users (id)",
    "CREATE TABLE t AS SELECT 1 AS id; ALTER TABLE t RENAME TO t2; CREATE INDEX ON t2 (id)",
    "CREATE TABLE t (time timestamptz NOT NULL); SELECT create_hypertable('t', by_range('time'))",
    "CREATE TABLE t (id integer); INSERT INTO t VALUES (1); UPDATE t SET id = 2; DELETE FROM t; TRUNCATE t",
    # rows, few of them
    "INSERT INTO users (name) VALUES ('a')",
    "UPDATE users SET name = 'b' WHERE id = 1",
    "SELECT setval('s', 10)",
    "SET lock_timeout = '1s'",
    "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_type) THEN CREATE TYPE m AS ENUM ('a'); END IF; END $$",
    "BEGIN; ALTER TABLE users ADD COLUMN a integer; COMMIT",
]

UNSAFE = {
    Axis.LOCK: [
        "CREATE INDEX users_name ON users (name)",
        "CREATE UNIQUE INDEX users_name ON users (lower(name)) WHERE active",
        "REINDEX INDEX users_name",
        "REINDEX TABLE users",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (age > 0)",
        "ALTER TABLE users ADD CHECK (age > 0)",
        "ALTER TABLE users ADD CONSTRAINT fk FOREIGN KEY (org_id) REFERENCES orgs (id)",
        "ALTER TABLE users ADD CONSTRAINT u UNIQUE (name)",
        "ALTER TABLE users ADD PRIMARY KEY (id)",
        "ALTER TABLE users ADD CONSTRAINT e EXCLUDE USING gist (during WITH &&)",
        "ALTER TABLE users ALTER COLUMN name SET NOT NULL",
        "ALTER TABLE users ALTER COLUMN id TYPE bigint",
        "ALTER TABLE users ALTER COLUMN name TYPE text USING upper(name)",
        "ALTER TABLE users ADD COLUMN token uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE users ADD COLUMN token uuid NOT NULL DEFAULT uuid_generate_v4()",
        "ALTER TABLE users ADD COLUMN n integer DEFAULT nextval('s')",
        "ALTER TABLE users ADD COLUMN at timestamptz DEFAULT clock_timestamp()",
        "ALTER TABLE users ADD COLUMN r double precision DEFAULT random()",
        "ALTER TABLE users ADD COLUMN x text DEFAULT my_own_function()",
        "ALTER TABLE users ADD COLUMN id2 bigserial",
        "ALTER TABLE users ADD COLUMN id2 bigint GENERATED BY DEFAULT AS IDENTITY",
        "ALTER TABLE users ADD COLUMN total integer GENERATED ALWAYS AS (a + b) STORED",
        "ALTER TABLE users ADD COLUMN code text UNIQUE",
        "ALTER TABLE users ADD COLUMN code integer CHECK (code > 0)",
        "ALTER TABLE users SET UNLOGGED",
        "ALTER TABLE users SET TABLESPACE fast",
        "VACUUM FULL users",
        "CLUSTER users USING users_name",
        "REFRESH MATERIALIZED VIEW totals",
        "LOCK TABLE users IN ACCESS EXCLUSIVE MODE",
        "LOCK TABLE users",
        "UPDATE users SET active = true",
        "DELETE FROM users",
        "ALTER DOMAIN positive ADD CONSTRAINT c CHECK (VALUE > 0)",
        # a scan after a strong lock, in one transaction
        "ALTER TABLE users ADD CONSTRAINT c CHECK (age > 0) NOT VALID; ALTER TABLE users VALIDATE CONSTRAINT c",
        "ALTER TABLE users ADD COLUMN a integer; UPDATE users SET a = 1 WHERE a IS NULL",
        "ALTER TABLE users ADD COLUMN a integer; INSERT INTO log SELECT * FROM users",
        # what a DO block says outright
        "DO $$ BEGIN ALTER TABLE users ALTER COLUMN name SET NOT NULL; END $$",
        "DO $$ BEGIN EXECUTE 'CREATE INDEX i ON users (name)'; END $$",
    ],
    Axis.COMPATIBILITY: [
        "ALTER TABLE users DROP COLUMN name",
        "ALTER TABLE users RENAME COLUMN name TO full_name",
        "ALTER TABLE users RENAME TO people",
        "ALTER TABLE users SET SCHEMA app",
        "ALTER TABLE users ADD COLUMN name text NOT NULL",
        "DROP TABLE users",
        "DROP TABLE IF EXISTS users CASCADE",
        "DROP VIEW active_users",
        "DROP TYPE mood",
        "DROP FUNCTION f()",
        "DROP SCHEMA app CASCADE",
        "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'",
        "ALTER TYPE mood RENAME TO moods",
    ],
    Axis.DATA_LOSS: [
        "TRUNCATE users",
        "DELETE FROM users",
        "DROP TABLE users",
        "DROP DATABASE app",
        "DROP OWNED BY me",
    ],
    Axis.UNKNOWN: [
        "DO $$ BEGIN EXECUTE format('ALTER TABLE %I ADD x int', 'users'); END $$",
        "DO LANGUAGE plpython3u $$ pass $$",
        "EXECUTE prepared",
        "this is no SQL",
    ],
}  # fmt: skip


def rules(sql, **how):
    return {each.rule for each in safety.classify([Statement(sql, **how)])}


STATEMENTS = Path(__file__).parent / "statements"
"""What is safe and what is not, one revision on each line."""


@pytest.mark.parametrize("expected", list(Category))
def test_nothing_is_taken_for_safe_or_unsafe_that_is_not(expected):
    revisions = STATEMENTS.joinpath(f"{expected}.sql").read_text("utf-8").splitlines()

    wrong = {each: found for each in revisions if safety.category(found := safety.classify([each])) is not expected}

    print(f"{expected}: {len(revisions) - len(wrong)} of {len(revisions)}")
    assert wrong == {}


@pytest.mark.parametrize("statement", ["CREATE TABLE a (id int, {})", "CREATE TABLE a (id int); ALTER TABLE a ADD {}"])
def test_what_an_older_server_lacks_it_surely_refuses(statement):
    virtual = statement.format("x int GENERATED ALWAYS AS (id) VIRTUAL")
    old, new = (Facts(each, database=DatabaseFacts(each, {}, ("public",), "UTC")) for each in (17, 18))

    (found,) = safety.classify([virtual], old)

    assert found.rule == "version" and found.rule in safety.CERTAIN
    assert safety.classify([virtual], new) == []


HINTS = [
    (
        """CREATE UNIQUE INDEX ON app.users (lower(name) DESC, "Born") INCLUDE (id) WHERE born > '1'""",
        """CREATE UNIQUE INDEX CONCURRENTLY "ix_users_Born" ON app.users (lower(name) DESC, "Born") INCLUDE (id) """
        """WHERE born > '1'""",
    ),
    (
        """CREATE INDEX "it's ""i\""" ON "Users" USING gin (data jsonb_path_ops)""",
        """CREATE INDEX CONCURRENTLY "it's ""i\""" ON "Users" USING gin (data jsonb_path_ops)""",
    ),
    ("DROP INDEX app.i", "DROP INDEX CONCURRENTLY app.i"),
    (
        "ALTER TABLE users ADD CONSTRAINT old_enough CHECK ((age > 17) AND (true))",
        "ALTER TABLE users ADD CONSTRAINT old_enough CHECK ((age > 17) AND (true)) NOT VALID",
    ),
    (
        "ALTER TABLE a.b ADD COLUMN é int CHECK (é > 0)",
        "ALTER TABLE a.b ADD CONSTRAINT ck_b CHECK (é > 0) NOT VALID",
    ),
    (
        "ALTER TABLE users ADD FOREIGN KEY (a, b) REFERENCES x.y (c, d) ON DELETE CASCADE",
        "ADD CONSTRAINT fk_users_a_b FOREIGN KEY (a, b) REFERENCES x.y (c, d) ON DELETE CASCADE NOT VALID",
    ),
    (
        "ALTER TABLE app.users ALTER COLUMN name SET NOT NULL",
        "ALTER TABLE app.users ALTER COLUMN name SET NOT NULL",
    ),
    ("ALTER TABLE users ADD CONSTRAINT u UNIQUE (a, b)", "CREATE UNIQUE INDEX CONCURRENTLY u ON users (a, b)"),
]
"""Statements, and what the operation that is proposed instead of them does, among other things."""


@pytest.mark.parametrize(("sql", "instead"), HINTS)
def test_the_operation_that_is_proposed_does_the_same_in_a_safe_way(sql, instead):
    call = safety.classify([sql])[0].hint.partition(", which")[0]
    buffer = io.StringIO()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": buffer})

    eval(call, {"op": Operations(context), "sa": sa})

    assert instead in " ".join(buffer.getvalue().split())


def test_nobody_uses_a_name_that_an_earlier_statement_gave():
    steps = [
        "users RENAME TO users_old",
        "users_new RENAME TO users",
        "users RENAME TO users_new",
        "users_old RENAME TO a",
    ]
    found = safety.classify([f"ALTER TABLE {step}" for step in steps])
    assert [each.message for each in found] == ["whoever still uses the old name of table users fails"]
    back = [*steps[:3], "users_old RENAME TO users"]
    assert safety.classify([f"ALTER TABLE {step}" for step in back]) == []


@pytest.mark.parametrize(
    ("query", "inside", "unsafe"),
    [
        ("SELECT id FROM big", "UPDATE big SET c = 1 WHERE id = r.id;", True),
        ("SELECT id FROM big", "FOR i IN 1..2 LOOP DELETE FROM small WHERE id = r.id; END LOOP;", True),
        ("SELECT id FROM big", "UPDATE big SET c = 1 WHERE id = r.id; COMMIT;", False),
        ("SELECT id FROM big LIMIT 100", "UPDATE big SET c = 1 WHERE id = r.id;", False),
        ("SELECT relname FROM pg_class", "UPDATE big SET c = 1 WHERE id = 5;", False),
        ("SELECT id FROM big", "FOR s IN SELECT id FROM small WHERE a = 1 LOOP COMMIT; END LOOP;", False),
    ],
)
def test_what_a_loop_does_to_each_row_it_does_to_all(query, inside, unsafe):
    loop = f"FOR r IN {query} LOOP {inside} END LOOP"
    body = f"DECLARE r record; s record; BEGIN {loop}; UPDATE small SET c = 1 WHERE id = 1; END"
    found = safety.classify([safety.Statement(f"DO $$ {body} $$", in_transaction=False)])
    assert ("mass-update" in {each.rule for each in found}) == unsafe
    assert (safety.category(found) is Category.UNSAFE) == unsafe


def test_what_is_not_there_is_dropped_by_nobody():
    database = DatabaseFacts(17, {}, ("public",), "UTC", types=frozenset({"mood"}), extensions=frozenset({"hstore"}))
    facts = Facts(17, None, database)
    for there, missing in (("TYPE mood", "TYPE tone"), ("EXTENSION hstore", "EXTENSION citext")):
        for dropped in (there, missing, there.replace(" ", " IF EXISTS ")):
            assert safety.category(safety.classify([f"DROP {dropped}"], facts)) is Category.UNSAFE
        assert safety.classify([f"DROP {missing.replace(' ', ' IF EXISTS ')}"], facts) == []


@pytest.mark.parametrize("sql", SAFE)
def test_what_is_safe(sql):
    found = safety.classify([sql])

    assert safety.category(found) is Category.SAFE, found


@pytest.mark.parametrize(("axis", "sql"), [(axis, sql) for axis, all_ in UNSAFE.items() for sql in all_])
def test_what_is_unsafe(axis, sql):
    found = safety.classify([sql])

    assert safety.category(found) is Category.UNSAFE
    assert axis in {each.axis for each in found if each.severity != "info"}


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX CONCURRENTLY i ON users (name)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX TABLE CONCURRENTLY users",
        "VACUUM users",
        "CREATE DATABASE x",
        "CALL refresh_continuous_aggregate('daily', NULL, NULL)",
    ],
)
def test_in_a_transaction_the_server_refuses(sql):
    assert "not-in-transaction" in rules(sql, in_transaction=True)
    assert "not-in-transaction" not in rules(sql, in_transaction=False)


def test_a_new_value_of_an_enum_cannot_be_used_at_once():
    both = ["ALTER TYPE mood ADD VALUE 'great'", "UPDATE users SET mood = 'great' WHERE id = 1"]

    assert "enum-value-used" in {each.rule for each in safety.classify(both)}
    assert "enum-value-used" not in {each.rule for each in safety.classify(["CREATE TYPE mood AS ENUM ()", *both])}


def test_locks_are_released_at_the_end_of_each_statement_outside_a_transaction():
    steps = ["ALTER TABLE users ADD CONSTRAINT c CHECK (age > 0) NOT VALID", "ALTER TABLE users VALIDATE CONSTRAINT c"]

    assert safety.classify([Statement(each, in_transaction=False) for each in steps]) == []


def test_a_finding_says_where_why_and_what_to_do_instead():
    (found,) = safety.classify(['CREATE INDEX "by name" ON app.users (name, born)'])

    assert (found.rule, found.axis, found.mode, found.work) == ("create-index", "lock", "ShareLock", "build")
    assert found.relations == ("app.users",)
    assert found.message == "CREATE INDEX blocks writes to app.users until the index is built"
    assert found.hint == 'op.create_index_concurrently("by name", "users", ["name", "born"], schema="app")'


@pytest.mark.parametrize(
    "sql", ["", ";", "-- only a comment", "SELECT", "SELECT " + "(" * 60 + "1" + ")" * 60, "\ufeff"]
)
def test_odd_input_is_no_crash(sql):
    safety.classify([sql])


def test_the_footprint_of_one_statement():
    locks = safety.footprint("ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (b_id) REFERENCES b NOT VALID")

    assert [(each.relation, each.mode.value, each.work) for each in locks] == [
        ("a", "ShareRowExclusiveLock", None),
        ("b", "ShareRowExclusiveLock", None),
    ]


BIG, SMALL = 60 << 20, 1 << 20
"""Sizes of tables, in bytes."""


def catalog(**sizes):
    """A database with tables of these sizes, each with the columns ``id``, which is never null, and ``a``."""
    columns = {name: ColumnFacts(name, "integer", name == "id", False, "integer", False, False) for name in ("id", "a")}
    tables = {
        ("public", name): RelationFacts("public", name, "r", size, 0, columns, {}, {}) for name, size in sizes.items()
    }
    return Facts(17, None, DatabaseFacts(17, tables, ("public",), "UTC", volatile={"random": True}))


@pytest.mark.parametrize(
    ("sql", "static", "small", "big"),
    [
        # rows that others change wait for it: the more, the longer
        ("UPDATE t SET a = 1", "mass-update", "mass-update", "mass-update"),
        ("UPDATE t SET a = 1 WHERE id IS NOT NULL", "wide-update", "mass-update", "mass-update"),
        ("UPDATE t SET a = 1 WHERE id IS NULL", "wide-update", None, None),
        ("UPDATE t SET a = 1 WHERE a IS NULL", "wide-update", "wide-update", "large-update"),
        ("UPDATE t SET a = 1 WHERE a > 5", "wide-update", "wide-update", "large-update"),
        ("DELETE FROM t WHERE a < 5", "wide-update", "wide-update", "large-update"),
        ("DELETE FROM t WHERE id IN (SELECT id FROM s LIMIT 500)", None, None, None),
        ("MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE", "mass-update", "mass-update", "mass-update"),
        (
            "MERGE INTO t USING s ON t.id = s.id AND s.a > 5 WHEN MATCHED THEN DELETE",
            *["wide-update"] * 2,
            "large-update",
        ),
        ("INSERT INTO t SELECT * FROM s ON CONFLICT (id) DO UPDATE SET a = 1", *["mass-update"] * 3),
        ("WITH b AS (SELECT id FROM s LIMIT 50) UPDATE t SET a = 1 FROM b WHERE t.id = b.id", None, None, None),
        ("WITH b AS (SELECT id FROM s) UPDATE t SET a = 1 FROM b WHERE t.id = b.id", *["mass-update"] * 3),
        # nobody waits for new rows
        ("INSERT INTO t SELECT * FROM s", "mass-insert", None, "mass-insert"),
        ("INSERT INTO t SELECT * FROM s ON CONFLICT DO NOTHING", "mass-insert", None, "mass-insert"),
        ("INSERT INTO t SELECT * FROM s WHERE id = 1", None, None, None),
        ("INSERT INTO t SELECT generate_series(1, 1000000)", *["mass-insert"] * 3),
        ("INSERT INTO t SELECT g FROM generate_series(1, 100) AS g", None, None, None),
        ("INSERT INTO t VALUES (1)", None, None, None),
    ],
)
def test_how_many_rows_a_statement_is_about_decides_whether_it_is_safe(sql, static, small, big):
    unsafe = {"mass-update", "large-update"}
    for expected, facts in ((static, None), (small, catalog(t=SMALL, s=SMALL)), (big, catalog(t=BIG, s=BIG))):
        found = [each for each in safety.classify([sql], facts) if each.axis is Axis.LOCK]
        assert [each.rule for each in found] == ([expected] if expected else []), facts
        assert (safety.category(found) is Category.UNSAFE) == (expected in unsafe)
        assert safety.classify(["CREATE TABLE t (id integer)", sql], None if facts is None else catalog(s=BIG)) == []


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        ("CREATE TABLE c AS TABLE s", "mass-update"),
        ("CREATE TEMP TABLE c AS SELECT id FROM s", "mass-update"),
        ("SELECT * INTO c FROM s", "mass-update"),
        ("CREATE TEMP TABLE c (id integer); INSERT INTO c SELECT id FROM s", "mass-update"),
        ("CREATE TEMP TABLE c (id integer); INSERT INTO c VALUES (1), (2)", "wide-update"),
        ("CREATE TEMP TABLE c AS SELECT id FROM s LIMIT 5", "wide-update"),
    ],
)
def test_a_copy_of_a_table_has_as_many_rows(fill, expected):
    for facts in (None, catalog(t=SMALL, s=SMALL)):
        found = safety.classify([fill, "UPDATE t SET a = 1 FROM c WHERE t.id = c.id"], facts)
        assert [each.rule for each in found] == [expected]


def test_what_a_called_function_does_is_read_where_it_is_known():
    change = "ALTER TABLE users ALTER COLUMN name SET NOT NULL"
    plain = f"CREATE FUNCTION f(a integer) RETURNS void LANGUAGE plpgsql AS 'BEGIN {change}; END'"
    atomic = "CREATE PROCEDURE f(a integer) LANGUAGE sql BEGIN ATOMIC UPDATE users SET name = 'x'; END"
    in_atomic = catalog(users=SMALL)
    known = replace(in_atomic, database=replace(in_atomic.database, definitions={"f": (atomic,)}, volatile={"f": True}))

    def found(*statements, facts=None):
        return [each.rule for each in safety.classify(statements, facts)]

    assert found(plain) == [], "it only runs when it is called"
    assert found(plain, "SELECT f(1)") == ["set-not-null"]
    assert found(plain, "SELECT f(1, 2)") == ["user-function"], "a call of another one"
    assert found(plain, "DO $$ DECLARE x integer; BEGIN x := f(1); END $$") == ["set-not-null"]
    assert found(plain, "DO $$ BEGIN IF f(1) IS NULL THEN RETURN; END IF; END $$") == ["set-not-null"]
    assert found(plain, "ALTER FUNCTION f RENAME TO g", "SELECT g(1)") == ["set-not-null"]
    assert found(plain.replace("BEGIN", "BEGIN PERFORM f(a);"), "SELECT f(1)") == ["set-not-null"], "no loop"
    assert found(plain, "DROP FUNCTION f", "SELECT f(1)") == ["user-function"]
    assert found("CALL f(1)") == ["user-function"]
    assert found("CALL f(1)", facts=known) == ["mass-update"]


@pytest.mark.parametrize("unread", ["LANGUAGE c AS 'f'", "LANGUAGE plpgsql AS 'BEGIN nonsense'"])
def test_what_cannot_be_read_may_do_anything(unread):
    found = safety.classify([f"CREATE FUNCTION f() RETURNS void {unread}", "SELECT f()"])
    long = f"CREATE FUNCTION f() RETURNS void LANGUAGE sql RETURN {'+'.join(['1'] * 20000)}"

    assert [each.rule for each in found] == ["user-function"]
    assert [each.rule for each in safety.classify([long, "SELECT f()"])] == ["user-function"]


@pytest.mark.parametrize(
    ("body", "instant"),
    [
        ("LANGUAGE sql AS 'SELECT 1'", True),
        ("LANGUAGE sql RETURN now()", True),
        ("LANGUAGE sql STRICT AS 'SELECT 1;'", True),
        ("LANGUAGE sql AS 'SELECT f()'", False),
        ("LANGUAGE sql AS 'SELECT random()'", False),
        ("LANGUAGE sql AS 'SELECT 1 LIMIT 1'", False),
        ("LANGUAGE sql AS 'SELECT (SELECT 1)'", False),
        ("LANGUAGE sql AS 'SELECT 1; SELECT 2'", False),
        ("LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'", False),
        ("LANGUAGE sql SET search_path = public AS 'SELECT 1'", False),
        ("LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'", False),
        ("LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 1; END'", True),
    ],
)
def test_a_default_that_is_replaced_by_one_value_rewrites_nothing(body, instant):
    add = "ALTER TABLE t ADD COLUMN x integer DEFAULT f()"
    for facts in (None, catalog(t=SMALL)):
        found = safety.classify([f"CREATE FUNCTION f() RETURNS integer {body}", add], facts)
        assert [each.rule for each in found] == ([] if instant else ["add-column-rewrite"])


def test_partitions_that_are_there_remain_as_they_are():
    make = "CREATE TABLE p (id integer) PARTITION BY RANGE (id)"
    for facts, refused in ((Facts(17), []), (Facts(18), ["refused"])):
        assert [each.rule for each in safety.classify([make, "ALTER TABLE p SET UNLOGGED"], facts)] == refused
        assert [each.rule for each in safety.classify([make.replace("TABLE", "UNLOGGED TABLE")], facts)] == refused
        assert safety.classify([make, "ALTER TABLE p SET TABLESPACE fast"], facts) == []


MADE = [
    "CREATE TABLE t (id integer PRIMARY KEY, done boolean, n integer)",
    "CREATE TABLE u (id integer PRIMARY KEY, t_id integer, n integer)",
    "CREATE INDEX u_t ON u (t_id)",
    "CREATE TABLE stats (n integer)",
    "CREATE TABLE log (what text)",
    "CREATE TABLE counted (id integer PRIMARY KEY, v integer)",
    "CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN UPDATE stats SET n = n + 1; RETURN NULL; END $$",
    "CREATE TRIGGER c AFTER INSERT OR UPDATE ON counted FOR EACH STATEMENT EXECUTE FUNCTION count_it()",
    "CREATE TABLE priced (id integer PRIMARY KEY, price integer, note text)",
    "CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN UPDATE u SET n = NEW.price WHERE t_id = NEW.id; INSERT INTO log VALUES (TG_OP); RETURN NEW; END $$",
    "CREATE TRIGGER p AFTER UPDATE OF price ON priced FOR EACH ROW EXECUTE FUNCTION follow()",
    "CREATE TABLE changed (id integer PRIMARY KEY, price integer, note text)",
    "CREATE TRIGGER w AFTER UPDATE ON changed FOR EACH ROW WHEN (OLD.price IS DISTINCT FROM NEW.price) "
    "EXECUTE FUNCTION follow()",
]
"""Tables with triggers."""


@pytest.mark.parametrize(
    ("statement", "locks"),
    [
        ("UPDATE counted SET v = 1 WHERE id = 1", "stats"),
        ("INSERT INTO counted VALUES (1, 2)", "stats"),
        ("DELETE FROM counted WHERE id = 1", None),
        ("ALTER TABLE counted DISABLE TRIGGER c; UPDATE counted SET v = 1 WHERE id = 1", None),
        ("DROP TRIGGER c ON counted; UPDATE counted SET v = 1 WHERE id = 1", None),
        ("UPDATE priced SET price = 1 WHERE id = 1", None),
        ("UPDATE priced SET note = 'x' WHERE id = 1", None),
        ("UPDATE priced SET price = 1", "u"),
        ("UPDATE changed SET note = 'x' WHERE id = 1", None),
        ("DO $$ DECLARE c CURSOR FOR SELECT id FROM t; BEGIN FOR r IN c LOOP UPDATE t SET n = 1 WHERE id = r.id; "
         "END LOOP; END $$", "t"),
        ("DO $$ DECLARE c CURSOR FOR SELECT id FROM t; v int; BEGIN OPEN c; LOOP FETCH c INTO v; EXIT WHEN NOT FOUND; "
         "UPDATE t SET n = 1 WHERE id = v; END LOOP; END $$", "t"),
        ("DO $$ DECLARE c refcursor; v int; BEGIN OPEN c FOR SELECT id FROM t; FETCH c INTO v; WHILE FOUND LOOP "
         "UPDATE t SET n = 1 WHERE CURRENT OF c; FETCH c INTO v; END LOOP; END $$", "t"),
        ("DO $$ BEGIN LOOP UPDATE t SET done = true WHERE id IN (SELECT id FROM t WHERE NOT done LIMIT 50); "
         "EXIT WHEN NOT FOUND; END LOOP; END $$", "t"),
        ("DO $$ BEGIN FOR i IN 0..(SELECT max(id) FROM t) LOOP UPDATE t SET n = 1 WHERE id = i; END LOOP; END $$", "t"),
        ("DO $$ BEGIN FOR i IN 1..3 LOOP UPDATE t SET n = 1 WHERE id = i; END LOOP; END $$", None),
        ("DO $$ DECLARE r record; BEGIN FOR r IN SELECT id FROM t LIMIT 3 LOOP UPDATE t SET n = 1 WHERE id = r.id; "
         "END LOOP; END $$", None),
        ("DO $$ DECLARE r record; BEGIN FOR r IN SELECT id FROM t WHERE n < 3 LOOP UPDATE t SET n = 1 WHERE id = r.id; "
         "END LOOP; END $$", None),
        ("DO $$ DECLARE v int := 3; BEGIN UPDATE t SET n = 1 WHERE id = v; END $$", None),
    ],
)  # fmt: skip
def test_whose_rows_triggers_and_loops_change(statement, locks):
    facts = safety.after(Facts(), [Statement(each) for each in MADE])
    found = [each for each in safety.classify([statement], facts) if each.rule == "mass-update"]
    assert {name for each in found for name in each.relations} - {"priced"} == ({locks} if locks else set())


def test_batches_that_a_loop_commits_are_few_rows():
    batch = "UPDATE t SET done = true WHERE id IN (SELECT id FROM t WHERE NOT done LIMIT 50)"
    loop = f"DO $$ BEGIN LOOP {batch}; EXIT WHEN NOT FOUND; COMMIT; END LOOP; END $$"
    assert safety.classify([Statement(loop, in_transaction=False)]) == []


def test_an_enum_that_is_replaced_is_not_missed():
    swap = (
        "ALTER TYPE mood RENAME TO mood_old; CREATE TYPE mood AS ENUM ('sad', 'ok'); "
        "ALTER TABLE users ALTER COLUMN mood TYPE mood USING mood::text::mood; DROP TYPE mood_old"
    )
    assert {each.rule for each in safety.classify([swap]) if each.severity == "error"} == {"alter-column-type"}
    assert "rename-object" in {each.rule for each in safety.classify(["ALTER TYPE mood RENAME TO mood_old"])}


def test_nothing_is_missing_after_what_may_have_made_it():
    facts = Facts(database=DatabaseFacts(18, {}, ("public",), "UTC"))
    insert = "INSERT INTO t VALUES (1)"
    assert [each.rule for each in safety.classify([insert], facts)] == ["does-not-exist"]
    dynamic = "DO $$ BEGIN EXECUTE 'CREATE TABLE ' || name || ' (id integer)'; END $$"
    assert [each.rule for each in safety.classify([dynamic, insert], facts)] == ["dynamic-sql"]
    assert [each.rule for each in safety.classify(["DROP TABLE u", insert], facts)] == ["does-not-exist"]
