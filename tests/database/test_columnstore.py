"""The columnstore from declaration to downgrade: on the licensed build; refusals on the Apache edition."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tsext import Columnstore, ContinuousAggregate, Hypertable, catalog
from tsext.catalog.asking import rows
from tsext.errors import FeatureNotSupported, InvalidObject, PreflightFailed, TsextError
from tsext.model import License
from tsext.operations.columnstore import AlterColumnstore, EnableColumnstore
from tsext.operations.conversion import ConvertToColumnstore, ConvertToRowstore
from tsext.sql.quoting import identifier

PAGE = Path(__file__).parents[2] / "docs" / "columnstore.md"
DAY = timedelta(days=1)
TABLE = "CREATE TABLE ticks (time timestamptz NOT NULL, device text, site int, value float)"
HYPERTABLE = "SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'), create_default_indexes => false)"
ROWS = "INSERT INTO ticks SELECT '2026-01-01'::timestamptz + n * interval '1 day', n, n FROM generate_series(0, 4) AS n"


def models(*items, columns=(), name="ticks", schema=None):
    metadata = sa.MetaData()
    sa.Table(
        name,
        metadata,
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("device", sa.Text),
        sa.Column("site", sa.Integer),
        sa.Column("value", sa.Float),
        *columns,
        Hypertable("time", DAY),
        *items,
        schema=schema,
    )
    return metadata


def columnstore(database, name="ticks", schema=None):
    return database.ask(catalog.columnstore, name, schema)


def stored(database):
    """The settings as the server keeps them, and the chunks that are in the columnstore."""
    columns = "segmentby, orderby, orderby_desc, orderby_nullsfirst, index"
    query = f"SELECT relid::text, {columns} FROM _timescaledb_catalog.compression_settings ORDER BY 1"
    with database.engine.connect() as connection:
        lengths = "SELECT hypertable_id, compress_interval_length FROM _timescaledb_catalog.dimension ORDER BY id"
        found = [list(connection.exec_driver_sql(each)) for each in (query, lengths)]
    return found, in_columnstore(database)


def in_columnstore(database, name="ticks"):
    chunks = f"timescaledb_information.chunks WHERE hypertable_name = '{name}'"
    return database.scalar(f"SELECT array_agg(is_compressed ORDER BY range_start) FROM {chunks}")


def execute(database, *operations):
    with database.engine.begin() as connection:
        for operation in operations:
            Operations(MigrationContext.configure(connection)).invoke(operation)


def refused(database, code, error=InvalidObject):
    before = database.look(), stored(database)
    with pytest.raises(error) as refusal:
        database.run(code)
    assert isinstance(refusal.value, TsextError)
    assert refusal.value.hint
    assert (database.look(), stored(database)) == before
    return f"{refusal.value}"


@pytest.fixture
def ticks(licensed):
    """A hypertable with five chunks."""
    licensed.execute(TABLE, HYPERTABLE, ROWS)
    return licensed


# --- the Apache edition


APACHE = (
    'op.enable_columnstore("ticks", segmentby=["device"])',
    'op.alter_columnstore("ticks", segmentby=["device"])',
    'op.disable_columnstore("ticks")',
    'op.convert_to_columnstore("ticks")',
    'op.convert_to_rowstore("ticks")',
)


@pytest.mark.parametrize("code", APACHE)
def test_the_apache_edition_has_none(timescaledb, code):
    timescaledb.execute(TABLE, HYPERTABLE)
    before = timescaledb.look()
    with pytest.raises(FeatureNotSupported, match="needs the columnstore") as refusal:
        timescaledb.run(code)
    assert "under the Timescale licence; this server has" in refusal.value.message
    assert "under the Apache licence" in refusal.value.message
    assert timescaledb.look() == before


def test_in_the_apache_edition_there_is_simply_nothing(timescaledb):
    timescaledb.execute(TABLE, HYPERTABLE)
    assert timescaledb.ask(catalog.columnstores) == []
    assert timescaledb.autogenerate(models()).is_empty
    declared = timescaledb.autogenerate(models(Columnstore()))
    with pytest.raises(FeatureNotSupported):
        timescaledb.run(declared.upgrade)


def test_without_the_extension_there_is_simply_nothing(database):
    assert database.ask(catalog.columnstores) == []
    assert database.ask(catalog.partitioned) == {}
    database.execute(TABLE)
    for code in APACHE:
        with pytest.raises(FeatureNotSupported, match="create_extension"):
            database.run(code)


def test_settings_are_read_on_every_version(both_drivers):
    """The Apache edition cannot make settings, but has the tables that hold them, which a superuser can fill."""
    timescaledb = both_drivers
    timescaledb.execute("CREATE EXTENSION timescaledb", TABLE, HYPERTABLE, ROWS)
    settings_table = "'_timescaledb_catalog.compression_settings'::regclass"
    has_index = timescaledb.scalar(
        f"SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = {settings_table} AND attname = 'index')"
    )
    is_state = timescaledb.scalar(
        "SELECT pg_get_viewdef('timescaledb_information.hypertables'::regclass) ~ 'compression_state'"
    )
    enable = "compression_state = 1" if is_state else "status = status | 4"
    timescaledb.execute(
        f"UPDATE _timescaledb_catalog.hypertable SET {enable}",
        "INSERT INTO _timescaledb_catalog.compression_settings "
        "(relid, segmentby, orderby, orderby_desc, orderby_nullsfirst) "
        "VALUES ('ticks', '{device,\"a,b\"}', '{value,time}', '{f,t}', '{t,f}')",
        "UPDATE _timescaledb_catalog.dimension SET compress_interval_length = 86400000000",
    )
    expected = Columnstore(["device", "a,b"], ["value NULLS FIRST", "time DESC NULLS LAST"], None, DAY, name="ticks")
    assert timescaledb.ask(catalog.columnstores) == [expected]
    assert timescaledb.ask(catalog.partitioned) == {(None, "ticks"): catalog.Partitioned("time", False)}
    assert timescaledb.ask(catalog.columnstore_use, "ticks") == catalog.ColumnstoreUse(0, ())
    chunks = timescaledb.ask(catalog.chunks, "show_chunks('ticks', older_than => TIMESTAMPTZ '2026-01-03 00:00+00')")
    assert [each.in_columnstore for each in chunks] == [False, False]
    if has_index:
        timescaledb.execute(
            "UPDATE _timescaledb_catalog.compression_settings SET index = "
            """'[{"type": "bloom", "column": "site", "source": "config"},
                {"type": "bloom", "column": ["site", "a b"], "source": "config"},
                {"type": "minmax", "column": "value", "source": "orderby"}]'"""
        )
        assert columnstore(timescaledb).index == ("bloom(site)", 'bloom(site, "a b")')


# --- there and back


def test_life_cycle(licensed):
    empty = licensed.look()
    declared = Columnstore(["device"], ["site DESC", "time"], ["bloom(value)"], timedelta(days=7))
    metadata = models(declared)
    revision = licensed.migrate(metadata)
    verbs = ["op.create_table", "op.create_hypertable", "op.enable_columnstore"]
    places = [revision.upgrade.index(verb) for verb in verbs]
    assert places == sorted(places)
    assert "columnstore" not in revision.downgrade
    seen = licensed.look(), stored(licensed)
    assert columnstore(licensed) == Columnstore(
        ["device"], ["site DESC", "time"], ["bloom(value)"], timedelta(days=7), name="ticks"
    )
    licensed.run(revision.downgrade)
    assert (licensed.look(), licensed.ask(catalog.columnstores)) == (empty, [])
    licensed.run(revision.upgrade)
    assert licensed.look() == seen[0]
    assert licensed.autogenerate(metadata).is_empty
    assert licensed.autogenerate(metadata, include_schemas=True).is_empty


def test_enabled_on_a_hypertable_that_exists(ticks):
    before = ticks.look(), stored(ticks)
    metadata = models(Columnstore(segmentby=["device"]))
    revision = ticks.migrate(metadata)
    assert 'op.enable_columnstore("ticks", segmentby=["device"])' in revision.upgrade
    assert 'op.disable_columnstore("ticks")' in revision.downgrade
    seen = stored(ticks)
    ticks.run(revision.downgrade)
    assert (ticks.look(), stored(ticks)) == before
    ticks.run(revision.upgrade)
    assert stored(ticks) == seen
    assert ticks.autogenerate(metadata).is_empty


BLOOM = Columnstore(orderby=["time"], index=["bloom(device)"])

CHANGES = [
    (Columnstore(), Columnstore(segmentby=["device"])),
    (Columnstore(), Columnstore(segmentby=[])),
    (Columnstore(segmentby=["device"]), Columnstore(segmentby=["site", "device"])),
    (Columnstore(segmentby=["device"]), Columnstore(segmentby=[])),
    (Columnstore(segmentby=[]), Columnstore(segmentby=["device"])),
    (Columnstore(), Columnstore(orderby=["value"])),
    (Columnstore(orderby=["value"]), Columnstore(orderby=["value DESC"])),
    (Columnstore(orderby=["time"]), Columnstore(orderby=["time NULLS FIRST"])),
    (Columnstore(orderby=["time DESC"]), Columnstore(orderby=["value", "time"])),
    (Columnstore(["device"], ["site"]), Columnstore(["site"], ["device"])),
    (Columnstore(), BLOOM),
    (BLOOM, Columnstore(orderby=["time"], index=["minmax(value)", "bloom(site)"])),
    (BLOOM, Columnstore(orderby=["time"], index=[])),
    (BLOOM, Columnstore(orderby=["value", "time"])),
    (BLOOM, Columnstore(["device"], ["time"], {"bloom": ["site"]})),
    (Columnstore(), Columnstore(compress_chunk_interval="5 days")),
    (Columnstore(compress_chunk_interval="5 days"), Columnstore(compress_chunk_interval="36 hours")),
    (
        Columnstore(["device"], ["site"], None, "5 days"),
        Columnstore(["site"], ["value"], ["bloom(device)"], "2 days"),
    ),
]


@pytest.mark.parametrize(("first", "second"), CHANGES, ids=range(len(CHANGES)))
def test_every_change_there_and_back(ticks, first, second):
    ticks.migrate(models(first))
    before = stored(ticks)
    metadata = models(second)
    assert not ticks.autogenerate(metadata).is_empty
    revision = ticks.migrate(metadata)
    assert "op.alter_columnstore(" in revision.upgrade
    after = stored(ticks)
    assert after != before
    assert ticks.autogenerate(metadata).is_empty
    ticks.run(revision.downgrade)
    assert stored(ticks) == before
    ticks.run(revision.upgrade)
    assert stored(ticks) == after


def test_a_removed_declaration_disables_and_comes_back(ticks):
    ticks.migrate(models(Columnstore(["device"], ["value DESC"], ["bloom(site)"], "7 days")))
    before = stored(ticks)
    revision = ticks.migrate(models())
    assert ticks.ask(catalog.columnstores) == []
    assert 'op.disable_columnstore("ticks")' in revision.upgrade
    assert ticks.autogenerate(models()).is_empty
    ticks.run(revision.downgrade)
    assert stored(ticks) == before


def test_a_dropped_table_comes_back_with_its_columnstore(ticks):
    ticks.migrate(models(Columnstore(["device"], ["value"])))
    before = ticks.look(), columnstore(ticks)
    ticks.run('op.convert_to_columnstore("ticks")')
    revision = ticks.migrate(sa.MetaData())
    assert "columnstore" not in revision.upgrade
    assert ticks.look()[0] == []
    ticks.run(revision.downgrade)
    assert (ticks.look(), columnstore(ticks)) == before


def test_what_is_not_declared_is_not_compared(ticks):
    ticks.migrate(models(Columnstore(["device"], ["value"], [], "7 days")))
    for declared in (
        Columnstore(),
        Columnstore(["device"]),
        Columnstore(orderby=["value", "time DESC"]),
        Columnstore(orderby="value ASC NULLS LAST, time DESC NULLS FIRST"),
        Columnstore(orderby=["value"], index=[]),
        Columnstore(compress_chunk_interval="168 hours"),
    ):
        assert ticks.autogenerate(models(declared)).is_empty
    assert not ticks.autogenerate(models(Columnstore(orderby=["value", "time"]))).is_empty


def test_the_default_schema_may_be_named(licensed):
    metadata = models(Columnstore(["device"]), schema="public")
    licensed.migrate(metadata)
    assert licensed.autogenerate(metadata).is_empty
    assert "op.alter_columnstore" in licensed.migrate(models(Columnstore(["site"]), schema="public")).upgrade


def test_the_projects_own_filter_holds(ticks):
    def not_columnstores(item, name, type_, reflected, compare_to):
        return type_ != "columnstore"

    declared = models(Columnstore(["device"]))
    assert ticks.autogenerate(declared, include_object=not_columnstores).is_empty
    ticks.migrate(declared)
    for metadata in (models(), models(Columnstore(["site"]))):
        assert ticks.autogenerate(metadata, include_object=not_columnstores).is_empty
        assert not ticks.autogenerate(metadata).is_empty


def test_a_column_leaves_the_columnstore_before_it_is_dropped(ticks):
    more = [sa.Column("old", sa.Integer)]
    ticks.migrate(models(Columnstore(["old"], ["value"]), columns=more))
    before = stored(ticks)
    metadata = models(Columnstore(["new"], ["value"]), columns=[sa.Column("new", sa.Integer)])
    revision = ticks.migrate(metadata)
    verbs = ["op.add_column", "op.alter_columnstore", "op.drop_column"]
    places = [revision.upgrade.index(verb) for verb in verbs]
    assert places == sorted(places)
    assert ticks.autogenerate(metadata).is_empty
    ticks.run(revision.downgrade)
    assert stored(ticks) == before
    assert "op.disable_columnstore" in ticks.migrate(models()).upgrade
    assert ticks.autogenerate(models()).is_empty


def test_what_is_no_hypertable_is_refused(licensed):
    metadata = sa.MetaData()
    sa.Table("plain", metadata, sa.Column("time", sa.DateTime), Columnstore())
    with pytest.raises(InvalidObject, match="plain declares a Columnstore, but is no hypertable") as refusal:
        licensed.autogenerate(metadata)
    assert "declare Hypertable" in refusal.value.hint


# --- names and types


NAMES = [
    ("Ticks", "Device", "My Market"),
    ('Odd: 100% "so"', "it's :time, or (not)", 'a "b" c'),
    ("größe", "Zeit é", "schéma"),
    ("user", "select", "order"),
    ("n" * 63, "c" * 63, "s" * 63),
    ("a.b", "c,d", "e.f"),
    ("back\\slash", "%(time)s", "{x}"),
    ("tail", "value DESC", "s"),
    ("quoted", '"so"', "s"),
    ("spaces", " nulls last ", "s"),
]


@pytest.mark.parametrize(("name", "column", "schema"), NAMES, ids=range(len(NAMES)))
def test_any_name_in_any_schema(licensed, name, column, schema):
    quoted = licensed.engine.dialect.identifier_preparer.quote(schema).replace("%%", "%")
    licensed.execute(f"CREATE SCHEMA {quoted}")
    as_item = '"' + column.replace('"', '""') + '"'
    states, revisions = [], []
    for declared in (
        Columnstore([column]),
        Columnstore([], [f"{as_item} DESC NULLS LAST"]),
        Columnstore([], ["time"], {"bloom": [column]}),
    ):
        metadata = models(declared, columns=[sa.Column(column, sa.Integer)], name=name, schema=schema)
        revisions.append(licensed.migrate(metadata, include_schemas=True))
        states.append(stored(licensed))
        assert licensed.autogenerate(metadata, include_schemas=True).is_empty
    for revision, state in zip(reversed(revisions[1:]), reversed(states[:-1]), strict=True):
        licensed.run(revision.downgrade)
        assert stored(licensed) == state


KEYWORDS = "SELECT word FROM pg_get_keywords() ORDER BY word"


def test_every_keyword_is_a_name(licensed):
    words = licensed.ask(lambda connection: connection.exec_driver_sql(KEYWORDS).scalars().all())
    columns = ", ".join(f"{identifier(each)} int" for each in words)
    licensed.execute(f"CREATE TABLE ticks (t timestamptz NOT NULL, {columns})")
    licensed.execute("SELECT create_hypertable('ticks', by_range('t'))")
    indexed, *segmented = words[: len(words) // 2]
    settings_ = {"segmentby": segmented, "orderby": words[len(words) // 2 :], "index": {"bloom": [indexed]}}
    execute(licensed, EnableColumnstore(Columnstore(**settings_, name="ticks")))
    found = columnstore(licensed)
    assert found == Columnstore(segmented, [*settings_["orderby"], "t DESC"], {"bloom": [indexed]}, name="ticks")


@pytest.mark.parametrize(
    ("kind", "interval", "lengths"),
    [
        ("bigint", 100, (500, 1000)),
        ("smallint", 10, (20, 30)),
        ("date", timedelta(days=1), (timedelta(days=7), timedelta(days=14))),
        ("timestamp", timedelta(hours=1), (timedelta(hours=2, microseconds=7), timedelta(days=60))),
    ],
)
def test_every_type_of_time(licensed, kind, interval, lengths):
    types = {"bigint": sa.BigInteger, "smallint": sa.SmallInteger, "date": sa.Date, "timestamp": sa.DateTime}

    def declared(length):
        metadata = sa.MetaData()
        columns = [sa.Column("t", types[kind], nullable=False), sa.Column("v", sa.Integer)]
        own = Columnstore(["v"], ["t"], compress_chunk_interval=length)
        sa.Table("numbers", metadata, *columns, Hypertable("t", interval), own)
        return metadata

    for length in lengths:
        revision = licensed.migrate(declared(length))
        assert columnstore(licensed, "numbers").compress_chunk_interval == length
        assert licensed.autogenerate(declared(length)).is_empty
    licensed.run(revision.downgrade)
    assert columnstore(licensed, "numbers").compress_chunk_interval == lengths[0]


TIME = 'Zeit, "é" DESC'
COLUMNS = ["device", "Site", "a,b", 'q"q', "é", "x DESC", "first"]
DIRECTIONS = ["", " DESC", " NULLS FIRST", " ASC NULLS LAST", " DESC NULLS LAST", " desc nulls first"]


@st.composite
def any_columnstore(draw):
    columns = draw(st.permutations(COLUMNS))
    ends = sorted(draw(st.lists(st.integers(0, len(columns)), min_size=3, max_size=3)))
    segments, ordered, indexed = columns[: ends[0]], columns[ends[0] : ends[1]], columns[ends[1] : ends[2]]
    ordered = [TIME, *ordered] if draw(st.booleans()) or not ordered else ordered
    directed = ['"' + each.replace('"', '""') + '"' + draw(st.sampled_from(DIRECTIONS)) for each in ordered]
    orderby = draw(st.sampled_from([None, directed]))
    kinds = [(draw(st.sampled_from(["bloom", "minmax"])), each) for each in indexed]
    index = {kind: [each for of, each in kinds if of == kind] for kind in ("bloom", "minmax")}
    return Columnstore(
        draw(st.sampled_from([None, segments])),
        orderby,
        None if orderby is None else draw(st.sampled_from([None, index])),
        draw(st.one_of(st.none(), st.integers(1, 100_000).map(lambda n: timedelta(minutes=n)))),
    )


def odd(declared):
    metadata = sa.MetaData()
    columns = [sa.Column(each, sa.Integer) for each in COLUMNS]
    time = sa.Column(TIME, sa.DateTime(timezone=True), nullable=False)
    sa.Table("odd", metadata, time, *columns, Hypertable(TIME, DAY), declared)
    return metadata


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=any_columnstore(), second=any_columnstore())
def test_declared_is_found(licensed, first, second):
    licensed.execute("DROP TABLE IF EXISTS odd")
    licensed.migrate(odd(first))
    assert licensed.autogenerate(odd(first)).is_empty
    found = columnstore(licensed, "odd")
    assert licensed.autogenerate(odd(found)).is_empty
    for setting in ("segmentby", "index", "compress_chunk_interval"):
        if getattr(first, setting) is not None:
            assert getattr(found, setting) == getattr(first, setting)
    if first.orderby is not None:
        assert found.ordering == first.completed(TIME)
    try:
        revision = licensed.migrate(odd(second))
    except InvalidObject:  # what is not declared of the second stays, and may not fit it
        return
    assert licensed.autogenerate(odd(second)).is_empty
    licensed.run(revision.downgrade)
    assert columnstore(licensed, "odd") == found


# --- conversion


def test_chunks_are_converted_and_converted_back(ticks):
    ticks.run('op.enable_columnstore("ticks", segmentby=["device"])')
    ticks.run('op.convert_to_columnstore("ticks", older_than=datetime.datetime(2026, 1, 4, tzinfo=datetime.UTC))')
    assert in_columnstore(ticks) == [True, True, True, False, False]
    ticks.run('op.convert_to_columnstore("ticks", older_than="1 month")')
    assert in_columnstore(ticks) == [True] * 5
    ticks.run(
        'op.convert_to_rowstore("ticks", newer_than=datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), '
        "older_than=datetime.datetime(2026, 1, 4, tzinfo=datetime.UTC), schema='public')"
    )
    assert in_columnstore(ticks) == [True, False, False, True, True]
    ticks.run('op.convert_to_rowstore("ticks", newer_than=timedelta(days=36500))')
    assert in_columnstore(ticks) == [False] * 5
    assert ticks.scalar("SELECT count(*) FROM ticks") == 5


def test_a_conversion_whose_chunks_are_known_is_reversed_exactly(ticks):
    ticks.run('op.enable_columnstore("ticks")')
    convert = ConvertToColumnstore("ticks", older_than=datetime(2026, 1, 3, tzinfo=UTC), idempotent=False)
    execute(ticks, convert)
    assert in_columnstore(ticks) == [True, True, False, False, False]
    back = convert.reverse()
    assert isinstance(back, ConvertToRowstore)
    execute(ticks, back)
    assert in_columnstore(ticks) == [False] * 5
    execute(ticks, back.reverse())
    assert in_columnstore(ticks) == [True, True, False, False, False]
    code = 'op.convert_to_columnstore("ticks", if_not_columnstore=False)'
    assert "2 of the chunks of ticks are there already" in refused(ticks, code)
    code = 'op.convert_to_rowstore("ticks", if_columnstore=False)'
    assert "3 of the chunks of ticks are there already" in refused(ticks, code)


def test_chunks_are_recompressed_to_other_settings(ticks):
    ticks.run('op.enable_columnstore("ticks", segmentby=["device"])')
    ticks.run('op.convert_to_columnstore("ticks")')
    ticks.run('op.alter_columnstore("ticks", segmentby=["site"])')
    of_chunks = "_timescaledb_catalog.compression_settings WHERE relid <> 'ticks'::regclass"
    query = f"SELECT DISTINCT segmentby::text FROM {of_chunks}"
    assert ticks.scalar(query) == "{device}"
    ticks.run('op.convert_to_columnstore("ticks", recompress=True)')
    assert ticks.scalar(query) == "{site}"


def test_the_loop_that_is_printed_does_the_same(ticks):
    ticks.run('op.enable_columnstore("ticks")')
    ticks.execute(*ConvertToColumnstore("ticks", older_than=datetime(2026, 1, 3, tzinfo=UTC)).statements())
    assert in_columnstore(ticks) == [True, True, False, False, False]
    ticks.execute(*ConvertToRowstore("ticks", older_than="1 day").statements())
    assert in_columnstore(ticks) == [False] * 5


def test_each_chunk_may_have_a_transaction(new_project, licensed_url, monkeypatch):
    monkeypatch.setenv("TSEXT_DATABASE_URL", licensed_url)
    project = new_project(licensed_url)
    project.execute(TABLE, HYPERTABLE, ROWS)
    project.revision("001_enable", None, 'op.enable_columnstore("ticks")', 'op.disable_columnstore("ticks")')
    convert = """
    with op.get_context().autocommit_block():
        op.convert_to_{}("ticks", older_than="1 day")"""
    project.revision("002_convert", "001_enable", convert.format("columnstore"), convert.format("rowstore"))
    project.run("alembic", "upgrade", "head")
    assert project.scalar("SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed") == 5
    text = project.run("alembic", "downgrade", "base")
    assert project.scalar("SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed") == 0, text
    printed = project.run("alembic", "upgrade", "head", "--sql")
    assert "ALTER TABLE ticks SET (timescaledb.enable_columnstore = true);" in printed
    assert "FOR chunk IN SELECT show_chunks('ticks', older_than => INTERVAL '1 day') LOOP" in printed


def test_chunks_are_rolled_up(ticks):
    ticks.run('op.enable_columnstore("ticks", compress_chunk_interval="20 days")')
    ticks.run('op.convert_to_columnstore("ticks")')
    assert len(in_columnstore(ticks)) < 5
    assert set(in_columnstore(ticks)) == {True}
    ticks.run('op.convert_to_rowstore("ticks")')
    ticks.execute(*ConvertToColumnstore("ticks").statements())
    assert set(in_columnstore(ticks)) == {True}
    assert ticks.scalar("SELECT count(*) FROM ticks") == 5


def test_odd_names_are_converted(licensed):
    licensed.execute(
        'CREATE SCHEMA "My $$ Market"',
        'CREATE TABLE "My $$ Market"."it\'s" (n bigint NOT NULL, "v, w" int)',
        "SELECT create_hypertable('\"My $$ Market\".\"it''s\"', by_range('n', 10), create_default_indexes => false)",
        'INSERT INTO "My $$ Market"."it\'s" SELECT n, n FROM generate_series(1, 30) AS n',
    )
    licensed.run('op.enable_columnstore("it\'s", segmentby=["v, w"], schema="My $$ Market")')
    licensed.run('op.convert_to_columnstore("it\'s", older_than=20, schema="My $$ Market")')
    assert in_columnstore(licensed, "it''s").count(True) == 2
    licensed.execute(*ConvertToRowstore("it's", newer_than=0, schema="My $$ Market").statements())
    assert in_columnstore(licensed, "it''s").count(True) == 0


@pytest.mark.filterwarnings("ignore:Did not recognize type")
def test_chunks_in_a_schema_of_ones_own_are_no_noise(licensed):
    licensed.execute(
        "CREATE SCHEMA mine",
        TABLE,
        "SELECT create_hypertable('ticks', 'time', chunk_time_interval => INTERVAL '1 day', "
        "create_default_indexes => false, associated_schema_name => 'mine')",
        ROWS,
    )
    metadata = models(Columnstore(["device"]))
    licensed.migrate(metadata)
    licensed.run('op.convert_to_columnstore("ticks")')
    assert in_columnstore(licensed) == [True] * 5
    assert licensed.autogenerate(metadata, include_schemas=True).is_empty
    assert licensed.autogenerate(metadata, include_schemas=True, include_name=lambda *_: True).is_empty


# --- continuous aggregates


HOURLY = (
    'CREATE MATERIALIZED VIEW "H ourly" WITH (timescaledb.continuous) AS '
    "SELECT time_bucket('1 hour', time) AS \"B\", device, avg(value) AS a FROM ticks GROUP BY 1, 2 WITH NO DATA"
)


def test_an_aggregate_has_one_too(ticks):
    ticks.execute(HOURLY)
    before = stored(ticks)
    enable = EnableColumnstore(Columnstore(["device"], ["a DESC"], name="H ourly"))
    back = EnableColumnstore(enable.target, continuous_aggregate=True).reverse()
    execute(ticks, enable)
    found = columnstore(ticks, "H ourly")
    assert (found.key, found.segmentby, found.orderby) == ((None, "H ourly"), ("device",), ("a DESC", "B DESC"))
    assert ticks.ask(catalog.columnstores) == [found]
    enabled = stored(ticks)
    new, old = {"segmentby": [], "orderby": ["B"]}, {"segmentby": found.segmentby, "orderby": found.orderby}
    change = AlterColumnstore("H ourly", new, old, continuous_aggregate=True)
    execute(ticks, change)
    assert (columnstore(ticks, "H ourly").segmentby, columnstore(ticks, "H ourly").orderby) == ((), ("B",))
    execute(ticks, change.reverse())
    assert stored(ticks) == enabled
    assert "takes no sparse indexes" in refused(ticks, 'op.alter_columnstore("H ourly", index=["minmax(a)"])')
    assert "cannot be left to TimescaleDB" in refused(ticks, 'op.alter_columnstore("H ourly", segmentby=None)')
    assert "does not have" in refused(ticks, 'op.alter_columnstore("H ourly", segmentby=["value"])')
    ticks.run('op.alter_columnstore("H ourly", compress_chunk_interval="100 days")')
    ticks.run('op.alter_columnstore("H ourly", compress_chunk_interval=None)')
    execute(ticks, back)
    assert stored(ticks) == before
    assert ticks.autogenerate(models()).is_empty


def aggregated(*objects, query="avg(value)"):
    metadata = models()
    query = f"SELECT time_bucket('1 hour', time) AS b, device, {query} AS a FROM ticks GROUP BY 1, 2"
    ContinuousAggregate("hourly", query, objects=objects, metadata=metadata)
    return metadata


def test_an_aggregate_declares_one(licensed):
    first, second = Columnstore(["device"], ["a DESC"]), Columnstore([])
    made = licensed.migrate(aggregated(first))
    assert "continuous_aggregate=True" in made.upgrade
    assert "columnstore" not in made.downgrade
    states = [stored(licensed)]
    revisions = []
    for declared in ([second], []):
        revisions.append(licensed.migrate(aggregated(*declared)))
        assert licensed.autogenerate(aggregated(*declared)).is_empty
        states.append(stored(licensed))
    assert states[0] != states[1] != states[2]
    for revision, state in zip(reversed(revisions), reversed(states[:-1]), strict=True):
        licensed.run(revision.downgrade)
        assert stored(licensed) == state
    assert licensed.autogenerate(aggregated(first)).is_empty
    upgrade = licensed.autogenerate(aggregated(first, query="max(value)")).upgrade
    verbs = ['op.rename_continuous_aggregate("hourly_new", "hourly")', 'op.enable_columnstore(\n        "hourly"']
    places = [upgrade.index(verb) for verb in verbs]
    assert places == sorted(places)
    licensed.run(made.downgrade)
    assert licensed.ask(catalog.columnstores) == []


def test_chunks_of_an_aggregate_are_converted(ticks):
    ticks.execute(HOURLY)
    with ticks.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CALL refresh_continuous_aggregate('\"H ourly\"', NULL, NULL)")
    ticks.run('op.enable_columnstore("H ourly")')
    ticks.run('op.convert_to_columnstore("H ourly")')
    assert "1 of its chunks" in refused(ticks, 'op.disable_columnstore("H ourly")', PreflightFailed)
    ticks.run('op.convert_to_rowstore("H ourly"); op.disable_columnstore("H ourly")')
    assert ticks.ask(catalog.columnstores) == []


def test_an_aggregate_with_a_policy_is_not_disabled(ticks):
    ticks.execute(
        HOURLY,
        "SELECT add_continuous_aggregate_policy('\"H ourly\"', NULL, INTERVAL '1 hour', INTERVAL '1 hour')",
        'ALTER MATERIALIZED VIEW "H ourly" SET (timescaledb.enable_columnstore = true)',
        "CALL add_columnstore_policy('\"H ourly\"', after => INTERVAL '700 days')",
    )
    assert "a policy converts chunks" in refused(ticks, 'op.disable_columnstore("H ourly")', PreflightFailed)


# --- refusals


def test_what_the_server_would_refuse_is_refused_first(ticks):
    ticks.execute("CREATE TABLE plain (time timestamptz)", "CREATE SCHEMA s", "CREATE TABLE s.t (time timestamptz)")
    for code, fact in {
        'op.enable_columnstore("missing")': "there is no table missing",
        'op.enable_columnstore("s.t")': 'give the schema apart: "t", schema="s"',
        'op.enable_columnstore("plain")': "plain is a plain table",
        'op.enable_columnstore("ticks", segmentby=["Device"])': "its columns are time, device, site, value",
        'op.enable_columnstore("ticks", orderby=["tiem"])': "names tiem",
        'op.enable_columnstore("ticks", segmentby=["time"])': "by which the table is partitioned",
        'op.enable_columnstore("ticks", index=["bloom(device)"])': "has index, but no orderby",
        'op.enable_columnstore("ticks", compress_chunk_interval=5)': "is a date or a time",
        'op.alter_columnstore("ticks", segmentby=["device"])': "ticks has no columnstore",
        'op.disable_columnstore("ticks")': "ticks has no columnstore",
        'op.convert_to_columnstore("ticks")': 'op.enable_columnstore("ticks", …)',
        'op.convert_to_rowstore("ticks")': "ticks has no columnstore",
    }.items():
        assert fact in refused(ticks, code)
    ticks.run('op.enable_columnstore("ticks", segmentby=["device"], orderby=["value"])')
    ticks.execute("CREATE TABLE numbers (n bigint NOT NULL)", "SELECT create_hypertable('numbers', by_range('n', 10))")
    ticks.run('op.enable_columnstore("numbers")')
    for code, fact in {
        'op.enable_columnstore("ticks")': "is enabled already",
        'op.alter_columnstore("ticks", segmentby=["value"])': "value both in segmentby and in orderby",
        'op.alter_columnstore("ticks", orderby=None, index=[])': "has index, but no orderby",
        'op.alter_columnstore("ticks", index=["bloom(value)"])': "bloom index on value",
        'op.alter_columnstore("ticks")': "changes nothing",
        'op.convert_to_columnstore("ticks", older_than=5)': "older_than is 5, but time of ticks is a date or a time",
        'op.convert_to_rowstore("numbers", newer_than="7 days")': "but n of numbers is of an integer type",
    }.items():
        assert fact in refused(ticks, code)


def test_a_columnstore_in_use_is_not_disabled(ticks):
    metadata = models(Columnstore(["device"]))
    revision = ticks.migrate(metadata)
    ticks.run('op.convert_to_columnstore("ticks", older_than=datetime.datetime(2026, 1, 3, tzinfo=datetime.UTC))')
    ticks.execute("CALL add_columnstore_policy('ticks', after => INTERVAL '7 days')")
    text = refused(ticks, revision.downgrade, PreflightFailed)
    assert 'op.remove_columnstore_policy("ticks")' in text
    ticks.execute("CALL remove_columnstore_policy('ticks')")
    text = refused(ticks, 'op.disable_columnstore("ticks", schema="public")', PreflightFailed)
    assert "2 of its chunks are in it" in text
    assert 'op.convert_to_rowstore("ticks", schema="public")' in text
    ticks.run('op.convert_to_rowstore("ticks")')
    ticks.run(revision.downgrade)
    assert ticks.ask(catalog.columnstores) == []


def test_the_search_path_is_heeded(licensed):
    licensed.execute("CREATE SCHEMA s", "CREATE TABLE s.t (time timestamptz NOT NULL)")
    licensed.run(
        """
        op.execute("SET LOCAL search_path TO s, public")
        op.create_hypertable("t", "time")
        op.enable_columnstore("t", orderby=["time"])
        op.alter_columnstore("t", orderby=["time DESC"])
        op.convert_to_columnstore("t")
        """
    )
    assert licensed.ask(catalog.columnstores) == [Columnstore(orderby=["time DESC"], name="t", schema="s")]


# --- older versions


def test_the_names_before_2_18_do_the_same(ticks):
    """No licensed server is so old, but newer ones understand the names."""
    old = catalog.TimescaleInfo("2.17.2", License.TIMESCALE)
    target = Columnstore(["device"], ["value"], name="ticks")
    enable, disable = EnableColumnstore(target), EnableColumnstore(target).reverse()
    ticks.execute(*enable.statements())
    seen = stored(ticks)
    ticks.execute(*disable.statements())
    for operation in (enable, disable):
        operation.timescaledb = old
    ticks.execute(*enable.statements())
    assert "compress_segmentby" in enable.statements()[0]
    assert stored(ticks) == seen
    for kind, expected in ((ConvertToColumnstore, True), (ConvertToRowstore, False)):
        convert = kind("ticks")
        execute(ticks, convert)
        convert.timescaledb = old
        ticks.execute(*convert.statements())
        assert in_columnstore(ticks) == [expected] * 5
    ticks.execute(*disable.statements())
    assert ticks.ask(catalog.columnstores) == []


def test_the_older_shape_of_the_catalog_tells_the_same(ticks):
    ticks.run('op.enable_columnstore("ticks", segmentby=["site", "device"], orderby=["value DESC NULLS LAST", "time"])')
    ticks.execute(HOURLY, 'ALTER MATERIALIZED VIEW "H ourly" SET (timescaledb.enable_columnstore = true)')
    new, old = (ticks.ask(rows, query) for query in ("columnstores", "columnstores_2_13"))
    assert len(new) == 2
    assert new == old


# --- the documentation


def test_the_documentation_says_what_is_generated(licensed):
    declaration, generated, *_ = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names = {"__name__": "models"}
    exec(compile(declaration, PAGE, "exec", dont_inherit=True), names)
    metadata = names["metadata"]
    licensed.migrate(metadata)
    assert licensed.autogenerate(metadata).is_empty
    info = metadata.tables["ticks"].info
    hypertable, declared = info["timescaledb"]
    info["timescaledb"] = [hypertable, replace(declared, segmentby=["venue"])]
    revision = licensed.migrate(metadata)
    bodies = [part.partition(":\n")[2].rstrip() for part in generated.split("def ")[1:]]
    for body, text in zip(bodies, (revision.upgrade, revision.downgrade), strict=True):
        assert body in text
    licensed.run(revision.downgrade)
    assert columnstore(licensed).segmentby == ("instrument_id",)
