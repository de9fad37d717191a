"""Now functions, chunk skipping, tablespaces and UUIDs, on a real TimescaleDB."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tsext import Columnstore, Dimension, Hypertable
from tsext.errors import FeatureNotSupported, InvalidObject, IrreversibleOperation

DAY = timedelta(days=1)
FUNCTIONS = (
    'CREATE SCHEMA "My Schema"',
    "CREATE FUNCTION now_is() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT 1000::bigint'",
    'CREATE FUNCTION "My Schema"."It\'s now"() RETURNS bigint STABLE LANGUAGE sql AS \'SELECT 2000::bigint\'',
    "CREATE FUNCTION volatile() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
    "CREATE FUNCTION short() RETURNS int STABLE LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION asks(int) RETURNS bigint STABLE LANGUAGE sql AS 'SELECT 1::bigint'",
)
ODD = '"My Schema"."It\'s now"'


@pytest.fixture
def numbered(timescaledb):
    timescaledb.execute(*FUNCTIONS)
    return timescaledb


@pytest.fixture
def tablespaces(timescaledb):
    """Two tablespaces inside the data folder, for which the server needs no other."""
    names = [f"Odd '{timescaledb.engine.url.database}'", f"b_{timescaledb.engine.url.database}"]
    quoted = [timescaledb.engine.dialect.identifier_preparer.quote(name) for name in names]
    autocommit = timescaledb.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    with autocommit as connection:
        connection.exec_driver_sql("SET allow_in_place_tablespaces = on")
        for name in quoted:
            connection.exec_driver_sql(f"CREATE TABLESPACE {name} LOCATION ''")
    yield names
    timescaledb.execute("DROP TABLE IF EXISTS ticks")
    with timescaledb.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in quoted:
            connection.exec_driver_sql(f"DROP TABLESPACE {name}")


def models(*items, kind=sa.BigInteger, schema=None):
    metadata = sa.MetaData()
    columns = [
        sa.Column("at", kind, nullable=False),
        sa.Column("Sent 'at'", sa.DateTime(timezone=True)),
        sa.Column("number", sa.Integer),
    ]
    sa.Table("ticks", metadata, *columns, *items, schema=schema)
    return metadata


def plain(**settings):
    return models(Hypertable("at", 100, **settings))


def life_cycle(database, before, after, verb):
    """From one declaration to another and back: what is found, and what is generated."""
    database.migrate(before)
    seen = database.look()
    revision = database.migrate(after)
    assert f"op.{verb}(" in revision.upgrade
    changed = database.look()
    assert changed != seen
    database.assert_clean(after)
    database.run(revision.downgrade)
    assert database.look() == seen
    assert database.autogenerate(before).is_empty
    database.run(revision.upgrade)
    assert database.look() == changed


# --- now functions


def test_another_function_and_back(numbered):
    life_cycle(numbered, plain(integer_now_func="now_is"), plain(integer_now_func=ODD), "set_integer_now_func")
    assert numbered.hypertables == [Hypertable("at", 100, integer_now_func=ODD, name="ticks")]


def test_a_function_that_is_not_declared_is_not_compared(numbered):
    numbered.migrate(plain(integer_now_func="now_is"))
    assert numbered.autogenerate(plain()).is_empty
    numbered.execute("SET search_path TO pg_catalog")
    assert numbered.autogenerate(plain(integer_now_func="public.now_is")).is_empty


def test_the_first_function_cannot_be_taken_away(numbered):
    numbered.migrate(plain())
    revision = numbered.migrate(plain(integer_now_func="now_is"))
    assert numbered.autogenerate(plain(integer_now_func="now_is")).is_empty
    with pytest.raises(IrreversibleOperation, match="integer_now_func of hypertable ticks cannot be removed"):
        numbered.run(revision.downgrade)


@pytest.mark.parametrize(
    ("function", "fact"),
    [
        ("missing", "there is no function missing"),
        ("volatile", "be STABLE"),
        ("short", "return bigint"),
        ("asks", "take no arguments"),
    ],
)
def test_a_function_that_cannot_be_it_is_refused_first(numbered, function, fact):
    numbered.migrate(plain())
    for database_code in (
        f'op.set_integer_now_func("ticks", "{function}")',
        f'op.create_table("u", sa.Column("at", sa.BigInteger))\n'
        f'op.create_hypertable("u", "at", chunk_time_interval=5, integer_now_func="{function}")',
    ):
        with pytest.raises(InvalidObject, match=fact):
            numbered.run(database_code)
    assert numbered.hypertables == [Hypertable("at", 100, name="ticks")]


def test_a_function_is_not_replaced_unasked(numbered):
    numbered.migrate(plain(integer_now_func="now_is"))
    with pytest.raises(InvalidObject, match=r'old_integer_now_func="public\.now_is"'):
        numbered.run(f"op.set_integer_now_func('ticks', {ODD!r})")
    numbered.run(f"op.set_integer_now_func('ticks', {ODD!r}, replace_if_exists=True)")
    assert numbered.hypertables[0].integer_now_func == ODD


def test_a_time_needs_no_function(numbered):
    numbered.migrate(models(Hypertable("at", DAY), kind=sa.DateTime))
    with pytest.raises(InvalidObject, match="at is not of an integer type"):
        numbered.run('op.set_integer_now_func("ticks", "now_is")')


# --- chunk skipping


def test_chunk_skipping(numbered):
    first, second = plain(chunk_skipping=["number"]), plain(chunk_skipping=["Sent 'at'"])
    life_cycle(numbered, first, second, "enable_chunk_skipping")
    assert numbered.hypertables[0].chunk_skipping == ("Sent 'at'",)
    numbered.execute("INSERT INTO ticks SELECT n * 100, now(), n FROM generate_series(1, 3) AS n")
    assert numbered.autogenerate(second).is_empty
    assert numbered.autogenerate(plain()).is_empty
    revision = numbered.migrate(plain(chunk_skipping=[]))
    assert "op.disable_chunk_skipping(" in revision.upgrade
    assert numbered.hypertables[0].chunk_skipping is None
    numbered.run(revision.downgrade)
    assert numbered.hypertables[0].chunk_skipping == ("Sent 'at'",)


def test_chunk_skipping_outside_a_transaction(numbered):
    numbered.migrate(plain())
    with numbered.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        from alembic.migration import MigrationContext
        from alembic.operations import Operations

        op = Operations(MigrationContext.configure(connection))
        op.enable_chunk_skipping("ticks", "number")
        assert connection.exec_driver_sql("SHOW timescaledb.enable_chunk_skipping").scalar() == "off"
    assert numbered.hypertables[0].chunk_skipping == ("number",)


def test_chunk_skipping_refuses_first(numbered):
    numbered.migrate(plain(chunk_skipping=["number"]))
    for code, fact in {
        'op.enable_chunk_skipping("ticks", "number")': "skipped by number already",
        'op.enable_chunk_skipping("ticks", "nmuber")': "no column nmuber",
        'op.disable_chunk_skipping("ticks", "at")': "they are by number",
    }.items():
        with pytest.raises(InvalidObject, match=fact):
            numbered.run(code)
    numbered.run('op.enable_chunk_skipping("ticks", "number", if_not_exists=True)')
    numbered.run('op.disable_chunk_skipping("ticks", "at", if_not_exists=True)')


# --- tablespaces


def test_tablespaces(timescaledb, tablespaces):
    first, second = tablespaces
    life_cycle(timescaledb, plain(tablespaces=[first]), plain(tablespaces=[first, second]), "attach_tablespace")
    assert timescaledb.hypertables[0].tablespaces == (first, second)
    assert timescaledb.autogenerate(plain(tablespaces=[second, first])).is_empty
    assert timescaledb.autogenerate(plain()).is_empty
    revision = timescaledb.migrate(plain(tablespaces=[]))
    assert revision.upgrade.count("op.detach_tablespace(") == 2
    assert timescaledb.hypertables[0].tablespaces is None
    timescaledb.run(revision.downgrade)
    assert set(timescaledb.hypertables[0].tablespaces) == {first, second}
    for code, fact in {
        'op.attach_tablespace("no such", "ticks")': "there is no tablespace no such",
        f'op.attach_tablespace("{second}", "ticks")': "is attached to ticks already",
        'op.detach_tablespace("no such", "ticks", if_attached=True)': "there is no tablespace no such",
        'op.detach_tablespace("pg_default", "ticks")': "is not attached to ticks",
    }.items():
        with pytest.raises(InvalidObject, match=fact):
            timescaledb.run(code)
    timescaledb.run(f'op.attach_tablespace("{second}", "ticks", if_not_attached=True)')
    timescaledb.run('op.detach_tablespace("pg_default", "ticks", if_attached=True)')


# --- all of it goes and comes with the table


def test_a_dropped_table_comes_back_with_all_of_it(numbered, tablespaces):
    hypertable = Hypertable(
        "at",
        100,
        [Dimension("number", 2)],
        integer_now_func=ODD,
        chunk_skipping=["Sent 'at'", "number"],
        tablespaces=tablespaces,
    )
    numbered.migrate(models(hypertable, schema="My Schema"), include_schemas=True)
    before = numbered.look()
    dropped = numbered.migrate(sa.MetaData(), include_schemas=True)
    assert numbered.hypertables == []
    numbered.run(dropped.downgrade)
    assert numbered.look() == before
    numbered.execute('DROP TABLE "My Schema".ticks')


# --- UUIDs


def test_partitioning_by_uuid(timescaledb):
    metadata = models(Hypertable("at", DAY), kind=sa.Uuid)
    if timescaledb.scalar("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").startswith("2.19"):
        revision = timescaledb.autogenerate(metadata)
        with pytest.raises(FeatureNotSupported, match=r"needs partitioning by UUIDv7: TimescaleDB 2\.22 or newer"):
            timescaledb.run(revision.upgrade)
        assert timescaledb.scalar("SELECT to_regclass('ticks')") is None
        return
    longer = models(Hypertable("at", timedelta(days=7)), kind=sa.Uuid)
    life_cycle(timescaledb, metadata, longer, "set_chunk_time_interval")
    assert timescaledb.hypertables == [Hypertable("at", timedelta(days=7), name="ticks")]
    with pytest.raises(InvalidObject, match="is a UUID"):
        timescaledb.run('op.set_chunk_time_interval("ticks", 5)')


@pytest.mark.licensed
def test_partitioning_by_uuid_where_the_interval_is_shown_as_a_number(licensed):
    metadata = models(Hypertable("at", DAY), kind=sa.Uuid)
    licensed.migrate(metadata)
    assert licensed.hypertables == [Hypertable("at", DAY, name="ticks")]
    assert licensed.autogenerate(metadata).is_empty


@pytest.mark.licensed
def test_chunk_skipping_of_compressed_chunks(licensed):
    metadata = models(Hypertable("at", 100, chunk_skipping=["number"]), Columnstore())
    licensed.migrate(metadata)
    licensed.execute(
        "INSERT INTO ticks SELECT n * 100, now(), n FROM generate_series(1, 3) AS n",
        "SELECT compress_chunk(each) FROM show_chunks('ticks') AS each",
    )
    assert licensed.autogenerate(metadata).is_empty
