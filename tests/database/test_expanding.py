"""Columns that get another type or another name over two revisions: life-cycles, interruptions, writers, refusals."""

import subprocess
import threading

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.exc import DBAPIError

from tsext import catalog
from tsext.errors import FeatureNotSupported, InvalidObject, RevisionFailed
from tsext.sql.sending import ask

ORDERS = """
CREATE SCHEMA "Äpp";
CREATE TABLE accounts (id integer PRIMARY KEY);
INSERT INTO accounts SELECT generate_series(1, 10);
CREATE TABLE "Äpp"."Órders" (
    "Íd" serial PRIMARY KEY, account integer DEFAULT 1 REFERENCES accounts CHECK (account > 0), note text DEFAULT 'x'
);
CREATE INDEX ix ON "Äpp"."Órders" (account) WHERE account < 8;
CREATE UNIQUE INDEX ux ON "Äpp"."Órders" (lower(note), account DESC, "Íd");
COMMENT ON COLUMN "Äpp"."Órders"."Íd" IS '100%';
INSERT INTO "Äpp"."Órders" (account) SELECT g % 10 + 1 FROM generate_series(1, 4000) AS g
"""
TYPE_OF = "SELECT atttypid::regtype::text FROM pg_attribute WHERE attrelid = '{}'::regclass AND attname = '{}'"
EXPAND = 'op.expand_column_type("Órders", "{0}", sa.BigInteger(), schema="Äpp")'
CONTRACT = 'op.contract_column_type("Órders", "{0}", sa.BigInteger(), schema="Äpp")'
UNDO_CONTRACT = """
op.undo_contract_column_type("Órders", "{0}", sa.Integer(), existing_type=sa.BigInteger(), schema="Äpp")
"""
UNDO_EXPAND = 'op.undo_expand_column_type("Órders", "{0}", schema="Äpp")'


IDENTITY = ORDERS.replace("serial PRIMARY KEY", "integer GENERATED ALWAYS AS IDENTITY (INCREMENT 3) PRIMARY KEY")


def look(database):
    """With what :meth:`look` leaves out, and what is in the tables."""
    more = """
        SELECT 'trigger', tgrelid::regclass::text, tgname::text FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'function', proname::text, prosrc FROM pg_proc WHERE proname LIKE 'tsext%'
        UNION ALL SELECT 'comment', attname::text, col_description(attrelid, attnum) FROM pg_attribute
        WHERE attnum > 0 AND col_description(attrelid, attnum) IS NOT NULL
        AND attrelid = to_regclass('"Äpp"."Órders"')
        UNION ALL SELECT 'default', attname::text, pg_get_expr(adbin, adrelid) FROM pg_attrdef
        JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE adrelid = to_regclass('"Äpp"."Órders"')
        UNION ALL SELECT 'sequence', sequencename::text, data_type::text || increment_by || max_value FROM pg_sequences
        UNION ALL SELECT 'identity', attname::text, attidentity::text FROM pg_attribute
        WHERE attidentity <> '' AND NOT attisdropped
        UNION ALL SELECT 'view', viewname::text, definition FROM pg_views WHERE schemaname IN ('public', 'Äpp')
    """
    with database.engine.connect() as connection:
        rows = ask(connection, more)
        return database.look(), sorted(map(tuple, rows))


def test_a_type_there_and_back(both_drivers):
    database, column = both_drivers, "Íd" if both_drivers.engine.driver == "psycopg2" else "account"
    database.execute(ORDERS if column == "account" else IDENTITY)
    before = look(database)

    database.run(EXPAND.format(column))
    database.execute('INSERT INTO "Äpp"."Órders" (account) VALUES (3)', 'UPDATE "Äpp"."Órders" SET account = 4')
    expanded = look(database)
    database.run(EXPAND.format(column))  # there is nothing left to do
    assert look(database) == expanded
    assert database.ask(catalog.unvalidated_constraints) == database.ask(catalog.invalid_indexes) == []
    database.run(CONTRACT.format(column))
    contracted = look(database)
    assert database.scalar(TYPE_OF.format('"Äpp"."Órders"', column)) == "bigint"
    database.execute('INSERT INTO "Äpp"."Órders" DEFAULT VALUES')
    assert database.scalar('SELECT max("Íd") FROM "Äpp"."Órders"') == (4002 if column == "account" else 12004)
    database.run(UNDO_CONTRACT.format(column))
    assert look(database) == expanded
    database.run(UNDO_EXPAND.format(column))
    assert look(database) == before

    database.run(EXPAND.format(column))
    database.run(CONTRACT.format(column))
    assert look(database) == contracted


RENAME = '"Órders", "{0}", "{0} 2", schema="Äpp"'


@pytest.mark.parametrize("column", ["Íd", "account"])
def test_a_column_gets_another_name_and_its_old_one_back(database, column):
    database.execute(ORDERS)
    before, names = look(database), RENAME.format(column)

    database.run(f"op.expand_column_rename({names})")
    expanded = look(database)
    database.run(f"op.expand_column_rename({names})")  # there is nothing left to do
    assert look(database) == expanded != before
    database.run(f"op.contract_column_rename({names})")
    contracted = look(database)
    database.run(f"op.undo_contract_column_rename({names})")
    assert look(database) == expanded
    database.run(f"op.undo_contract_column_rename({names})")  # the same
    assert look(database) == expanded
    database.run(f"op.undo_expand_column_rename({names})")
    assert look(database) == before

    database.run(f"op.expand_column_rename({names})\nop.contract_column_rename({names})")
    assert look(database) == contracted


FEW = """
CREATE SCHEMA "Äpp";
CREATE TABLE "Äpp"."Órders" (account integer NOT NULL UNIQUE CHECK (account > 0));
INSERT INTO "Äpp"."Órders" SELECT generate_series(1, 9)
"""
KILLED = {
    "expand_column_type": ("", EXPAND, UNDO_EXPAND),
    "undo_contract_column_type": (f"{EXPAND}\n{CONTRACT}", UNDO_CONTRACT, CONTRACT),
    "expand_column_rename": ("", f"op.expand_column_rename({RENAME})", f"op.undo_expand_column_rename({RENAME})"),
    "undo_contract_column_rename": (
        f"op.expand_column_rename({RENAME})\nop.contract_column_rename({RENAME})",
        f"op.undo_contract_column_rename({RENAME})",
        f"op.contract_column_rename({RENAME})",
    ),
}


@pytest.mark.one_version
@pytest.mark.parametrize("verb", KILLED)
def test_it_goes_on_or_back_after_being_killed_before_any_statement(database, killed, verb):
    first, code, back = (each.format("account") for each in KILLED[verb])
    database.execute(FEW)
    database.run(first or "pass")
    before = look(database)
    with killed(database, code) as kills:
        for number in kills:
            if not (verb.startswith("expand") and number % 2):  # else back from where it was left
                database.run(code)
                after = look(database)
            database.run(back)
            assert look(database) == before
        assert look(database) == after
    assert number > 3


def test_nobody_who_writes_meanwhile_is_lost(timescaledb):
    timescaledb.execute(
        "CREATE TABLE ticks (time timestamptz NOT NULL, id integer, v integer, w integer NOT NULL DEFAULT 0)",
        "SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'))",
        "INSERT INTO ticks SELECT '2026-01-01'::timestamptz + g * INTERVAL '1 minute', g, 0 "
        "FROM generate_series(1, 9000) AS g",
        "CREATE INDEX ON ticks (id)",
    )
    stop, failures, written = threading.Event(), [], {}

    def write():
        with timescaledb.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            number = 0
            while not stop.is_set():
                number += 1
                row = number * 97 % 9000 + 1
                try:
                    connection.exec_driver_sql(f"UPDATE ticks SET v = {number}, w = -{number} WHERE id = {row}")
                    connection.exec_driver_sql(f"INSERT INTO ticks VALUES ('2026-02-{number % 28 + 1}', 0, 7, 8)")
                except Exception as error:
                    failures.append(error)
                written[row] = number

    writer = threading.Thread(target=write)
    writer.start()
    try:
        timescaledb.run('op.expand_column_type("ticks", "v", sa.Text(), using="\'#\' || v")')
        timescaledb.run('op.expand_column_rename("ticks", "w", "width")')
    finally:
        stop.set()
        writer.join()

    assert not failures
    assert len(written) > 20
    assert timescaledb.scalar("SELECT count(*) FROM ticks WHERE v_new <> '#' || v OR v_new IS NULL") == 0
    assert timescaledb.scalar("SELECT count(*) FROM ticks WHERE width <> w OR width IS NULL") == 0
    last = timescaledb.ask(lambda each: dict(map(tuple, each.exec_driver_sql("SELECT id, v FROM ticks WHERE v > 7"))))
    assert all(last[row] == number for row, number in written.items() if number > 7)
    timescaledb.run(
        """
        op.contract_column_type("ticks", "v", sa.Text(), using="'#' || v")
        op.contract_column_rename("ticks", "w", "width")
        """
    )
    assert timescaledb.scalar("SELECT count(*) FROM ticks WHERE v = '#7' AND width = 8") > 0
    timescaledb.run('op.undo_contract_column_rename("ticks", "w", "width")')
    timescaledb.execute("INSERT INTO ticks (time, width) VALUES ('2026-03-01', 5)", "UPDATE ticks SET width = 6")
    assert timescaledb.scalar("SELECT count(*) FROM ticks WHERE w <> 6") == 0


def test_bad_input_is_refused_first(timescaledb):
    timescaledb.execute(
        ORDERS,
        "CREATE TABLE ticks (time timestamptz NOT NULL, id integer, UNIQUE (time, id), c json, g integer "
        "GENERATED ALWAYS AS (id + 1) STORED, i integer GENERATED ALWAYS AS IDENTITY)",
        "SELECT create_hypertable('ticks', by_range('time'))",
        'CREATE VIEW seen AS SELECT account FROM "Äpp"."Órders"',
        "CREATE TABLE plain (i integer GENERATED ALWAYS AS IDENTITY, g integer GENERATED ALWAYS AS (1) STORED)",
        "GRANT SELECT (i) ON plain TO PUBLIC",
        "CREATE TABLE named (a integer, b integer, c integer CHECK (c > 0))",
        "ALTER TABLE named ADD CONSTRAINT named_c_check_new CHECK (b > 0)",
        "CREATE INDEX ia ON named (a)",
        "CREATE INDEX ia_new ON named (b)",
    )
    timescaledb.run('op.expand_column_rename("Órders", "note", "remark", schema="Äpp")')
    before = look(timescaledb)
    for code, message in [
        ('expand_column_type("accounts", "id", sa.BigInteger())', "refers to it"),
        (EXPAND.format("account").removeprefix("op."), "view seen depends on it"),
        ('expand_column_type("ticks", "time", sa.Date())', "is partitioned by time"),
        ('expand_column_type("ticks", "id", sa.BigInteger())', "constraint ticks_time_id_key"),
        ('expand_column_type("ticks", "c", sa.Text(), using="ticks.c")', "qualified name"),
        ('expand_column_type("ticks", "c", sa.Text(), using="c +")', "no SQL expression"),
        ('expand_column_type("plain", "g", sa.BigInteger())', "is a generated column"),
        ('expand_column_type("named", "a", sa.BigInteger())', "ia of named needs the name ia_new for its copy"),
        ('expand_column_rename("named", "c", "d")', "needs the name named_c_check_new for its copy"),
        ('expand_column_rename("plain", "i", "j")', "has privileges of its own"),
        ('expand_column_rename("ticks", "id", "c")', "has a column c already"),
        ('expand_column_rename("ticks", "id", "id")', "has that name"),
        ('undo_expand_column_rename("ticks", "id", "c")', "not kept equal"),
        ('contract_column_rename("ticks", "id", "c")', "op.expand_column_rename in an earlier revision"),
        ('contract_column_type("ticks", "id", sa.BigInteger())', "op.expand_column_type in an earlier revision"),
        ('expand_column_rename("Órders", "Íd", "id", schema="Äpp")', "while note is, which shares ux with it"),
    ]:
        with pytest.raises(InvalidObject, match=message):
            timescaledb.run(f"op.{code}")
    assert look(timescaledb) == before
    timescaledb.run(
        'op.undo_expand_column_rename("Órders", "note", "remark", schema="Äpp")\nop.execute("DROP VIEW seen")'
    )
    with pytest.raises(InvalidObject, match="does not suit a column of type TEXT: operator does not exist"):
        timescaledb.run(EXPAND.format("account").replace("sa.BigInteger", "sa.Text"))


def test_rows_that_differ_are_told(database):
    database.execute("CREATE TABLE t (a integer)", "INSERT INTO t VALUES (1), (2)")
    database.run('op.expand_column_type("t", "a", sa.BigInteger())')
    with pytest.raises(InvalidObject, match="contract or undo the expansion of a first"):
        database.run('op.expand_column_rename("t", "a", "b")')
    database.execute("ALTER TABLE t ADD c integer")
    database.run('op.expand_column_rename("t", "c", "b")')
    database.execute("ALTER TABLE t DISABLE TRIGGER ALL", "UPDATE t SET a = 3, c = 4")
    for code in ('contract_column_type("t", "a", sa.BigInteger())', 'contract_column_rename("t", "c", "b")'):
        with pytest.raises(RevisionFailed, match="rows of t have another value"):
            database.run(f"op.{code}")


def test_what_the_new_type_cannot_hold_is_never_cut_off(database):
    """As ``ALTER COLUMN … TYPE`` would not: a cast of a text to a shorter one cuts it off without a word."""
    database.execute(
        "CREATE DOMAIN code AS varchar(3)",
        "CREATE TABLE t (a text, b text, c boolean)",
        "INSERT INTO t VALUES ('long', 'long', true), ('abc', '7', false)",
    )
    before = look(database)
    for column, type_ in (("a", "sa.String(3)"), ("b", "'code'")):
        with pytest.raises(DBAPIError, match=r"value too long for type character varying\(3\)"):
            database.run(f'op.expand_column_type("t", "{column}", {type_})')
        database.run(f'op.undo_expand_column_type("t", "{column}")')
        assert look(database) == before
    with pytest.raises(InvalidObject, match=r"cannot become INTEGER: .*cannot be cast automatically") as refused:
        database.run('op.expand_column_type("t", "c", sa.Integer())')
    assert refused.value.hint == "say how: using='c::INTEGER'"
    database.run('op.expand_column_type("t", "c", sa.Integer(), using="c::INTEGER")')
    database.run('op.contract_column_type("t", "c", sa.Integer(), using="c::INTEGER")')
    assert database.scalar("SELECT sum(c) FROM t") == 1

    database.execute("UPDATE t SET a = 'abc'")
    database.run('op.expand_column_type("t", "a", sa.String(3))\nop.contract_column_type("t", "a", sa.String(3))')
    assert database.scalar(TYPE_OF.format("t", "a")) == "character varying"


PRICES = """
CREATE TABLE prices (time timestamptz NOT NULL, symbol text, price double precision CHECK (price > 0));
SELECT create_hypertable('prices', by_range('time', INTERVAL '1 day'));
CREATE INDEX ix_price ON prices (price);
ALTER TABLE prices SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol',
    timescaledb.compress_orderby = 'price');
INSERT INTO prices SELECT '2026-01-01'::timestamptz + g * INTERVAL '12 hours', 'a', g FROM generate_series(1, 6) AS g;
SELECT compress_chunk(c) FROM show_chunks('prices', older_than => '2026-01-03'::timestamptz) AS c;
CALL add_columnstore_policy('prices', after => INTERVAL '1 day')
"""
ALTER = """
op.alter_columnstore_column("prices", "price", type_=sa.{}(), existing_type=sa.{}(), timeout="0 seconds")
"""
IN_COLUMNSTORE = "SELECT string_agg(is_compressed::text, ' ' ORDER BY range_start) FROM timescaledb_information.chunks"


@pytest.mark.licensed
def test_a_type_in_a_columnstore(licensed, killed):
    licensed.execute(*PRICES.split(";\n"))
    before, settings, inside = licensed.look(), licensed.ask(catalog.columnstores), licensed.scalar(IN_COLUMNSTORE)
    with pytest.raises(FeatureNotSupported, match="alter_columnstore_column"):
        licensed.run('op.expand_column_type("prices", "price", sa.Numeric())')

    with killed(licensed, ALTER.format("Numeric", "Double")) as kills:
        for number in kills:
            if number % 2:  # else back from where it was left
                licensed.run(ALTER.format("Numeric", "Double"))
                assert licensed.scalar(TYPE_OF.format("prices", "price")) == "numeric"
                assert licensed.scalar(IN_COLUMNSTORE) == inside
            licensed.run(ALTER.format("Double", "Numeric"))
    licensed.run(ALTER.format("Double", "Numeric"))
    assert number == 5

    assert licensed.look() == before
    assert licensed.ask(catalog.columnstores) == settings
    assert licensed.scalar(IN_COLUMNSTORE) == inside
    assert licensed.scalar("SELECT sum(price) FROM prices") == 21
    assert licensed.scalar(
        "SELECT bool_and(scheduled) FROM timescaledb_information.jobs WHERE hypertable_name = 'prices'"
    )


def models(name, type_):
    return sa.Table(
        "orders",
        sa.MetaData(),
        sa.Column("id", type_, primary_key=True),
        sa.Column("size", sa.Integer()),
        sa.Column(name, sa.Integer(), nullable=False, server_default="1"),
        sa.Index("ix", name, sa.text("size DESC")),
        sa.Index("lx", sa.text(f"abs({name})")),
        sa.UniqueConstraint(name, name="uq"),
    ).metadata


def test_models_of_either_side_agree_with_what_is_expanded(database):
    old, new = models("qty", sa.Integer()), models("quantity", sa.BigInteger())
    old.create_all(database.engine)
    database.run(
        """
        op.expand_column_type("orders", "id", sa.BigInteger())
        op.expand_column_rename("orders", "qty", "quantity")
        """
    )
    for each in (old, new):
        assert database.autogenerate(each).is_empty
    neither = sa.Table("orders", sa.MetaData(), sa.Column("id", sa.Integer(), primary_key=True)).metadata
    assert "op.drop_column('orders', 'quantity')" in database.autogenerate(neither).upgrade
    database.run(
        """
        op.contract_column_type("orders", "id", sa.BigInteger())
        op.contract_column_rename("orders", "qty", "quantity")
        """
    )
    assert database.autogenerate(new).is_empty
    assert "op.drop_column('orders', 'quantity')" in database.autogenerate(old).upgrade


@pytest.mark.one_version
def test_a_project_expands_and_contracts_in_production_without_a_window(project):
    project.environment["TSEXT_ENV"] = "production"
    project.execute(ORDERS.replace('"Äpp"', "app").replace('"Órders"', "orders").replace('"Íd"', "id"))
    project.execute("ALTER TABLE app.orders ADD size json NOT NULL DEFAULT '{}'")
    project.revision(
        "001_expand",
        None,
        'op.expand_column_type("orders", "account", "bigint", schema="app")\n'
        '    op.expand_column_rename("orders", "size", "qty", schema="app")',
        'op.undo_expand_column_rename("orders", "size", "qty", schema="app")\n'
        '    op.undo_expand_column_type("orders", "account", schema="app")',
    )
    project.revision(
        "002_contract",
        "001_expand",
        'op.contract_column_type("orders", "account", "bigint", existing_type="integer", schema="app")\n'
        '    op.contract_column_rename("orders", "size", "qty", schema="app")',
        'op.undo_contract_column_rename("orders", "size", "qty", schema="app")\n'
        '    op.undo_contract_column_type("orders", "account", "integer", existing_type="bigint", schema="app")',
    )
    contract = project.versions / "002_contract.py"
    contract.write_text(contract.read_text() + '\n\nphase = "contract"\nrequires_application = ">=2"\n')

    said = project.run("alembic", "upgrade", "head", fails=True)
    assert "requires application >=2" in said
    assert project.scalar(TYPE_OF.format("app.orders", "account_new")) == "bigint"
    project.run("alembic", "-x", "app-version=2.1", "upgrade", "head")
    assert project.scalar(TYPE_OF.format("app.orders", "account")) == "bigint"
    project.run("alembic", "-x", "maintenance-window=test", "downgrade", "base")
    assert project.rows(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'app.orders'::regclass AND attnum > 0 "
        "AND NOT attisdropped ORDER BY 1"
    ) == [("account",), ("id",), ("note",), ("size",)]


SCRIPT = """
op.expand_column_type("t", "a", sa.BigInteger(), using="a * 2")
op.contract_column_type("t", "a", sa.BigInteger(), using="a * 2")
op.undo_contract_column_type("t", "a", sa.Integer(), existing_type=sa.BigInteger(), using="a / 2")
op.undo_expand_column_type("t", "a")
op.expand_column_rename("t", "a", "100%")
op.contract_column_rename("t", "a", "100%")
op.undo_contract_column_rename("t", "a", "100%")
op.undo_expand_column_rename("t", "a", "100%")
"""


def test_scripts_run_under_psql(timescaledb_server, timescaledb, tmp_path):
    timescaledb.execute("CREATE TABLE t (time timestamptz NOT NULL, a integer)")
    timescaledb.execute("SELECT create_hypertable('t', by_range('time', INTERVAL '1 day'))")
    timescaledb.execute("INSERT INTO t SELECT date '2026-01-01' + g, g FROM generate_series(1, 9) AS g")
    script = tmp_path / "script.sql"
    with script.open("w") as buffer:
        options = {"as_sql": True, "output_buffer": buffer, "transaction_per_migration": True}
        context = MigrationContext.configure(dialect_name="postgresql", opts=options)
        with context.begin_transaction(_per_migration=True):
            exec(SCRIPT, {"op": Operations(context), "sa": sa})
    url = timescaledb.engine.url.render_as_string(hide_password=False).replace("+psycopg2", "")
    command = [timescaledb_server.bindir / "psql", "-v", "ON_ERROR_STOP=1", "-f", script, url]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert timescaledb.scalar("SELECT string_agg(DISTINCT pg_typeof(a)::text || a, ' ') FROM t WHERE a < 3") == (
        "integer1 integer2"
    )
