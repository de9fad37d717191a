"""Hypertables from declaration to downgrade, on a real TimescaleDB."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tsext import Columnstore, Dimension, Hypertable, RetentionPolicy, catalog
from tsext.errors import InvalidObject, IrreversibleOperation, PreflightFailed

DAY = timedelta(days=1)
HASH = Dimension("device", number_partitions=4)


def models(*items, name="conditions", column="time", kind=sa.DateTime(timezone=True), schema=None, **options):  # noqa: B008
    metadata = sa.MetaData()
    sa.Table(
        name,
        metadata,
        sa.Column(column, kind, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("value", sa.Float),
        sa.PrimaryKeyConstraint("device", column, name=f"pk_{name}"[:63]),
        *items,
        schema=schema,
        **options,
    )
    return metadata


# --- there and back


def test_life_cycle(both_drivers):
    database = both_drivers
    index = sa.Index("ix_conditions_time", sa.desc("time"))
    metadata = models(Hypertable("time", DAY, [HASH]), index)
    empty = database.look()
    revision = database.autogenerate(metadata)
    verbs = ["op.create_extension", "op.create_table", "op.create_hypertable", "op.create_index"]
    places = [revision.upgrade.index(verb) for verb in verbs]
    assert places == sorted(places)
    assert "info=" not in revision.upgrade
    assert revision.downgrade.index("op.drop_table") < revision.downgrade.index('op.drop_extension("timescaledb")')
    database.run(revision.upgrade)
    seen = database.look()
    assert seen[0] == [Hypertable("time", DAY, [HASH], name="conditions")]
    assert [row[2] for row in seen[1] if row[0] == "index"] == ["ix_conditions_time", "pk_conditions"]
    database.run(revision.downgrade)
    assert database.look() == empty
    database.run(revision.upgrade)
    assert database.look() == seen
    database.assert_clean(metadata)


NAMES = [
    ("conditions", "time", "market"),
    ("Conditions", "Time", "My Market"),
    ('Odd: 100% "so"', "it's :time", 'a "b" c'),
    ("größe", "Zeit é", "schéma"),
    ("user", "select", "order"),
    ("n" * 63, "c" * 63, "s" * 63),
    ("a.b", "c.d", "e.f"),
    ("back\\slash", "%(time)s", "{x}"),
]


@pytest.mark.parametrize(("name", "column", "schema"), NAMES, ids=range(len(NAMES)))
def test_any_name_in_any_schema(timescaledb, name, column, schema):
    database = timescaledb
    database.execute(f"CREATE SCHEMA {database.engine.dialect.identifier_preparer.quote(schema)}".replace("%%", "%"))

    def declared(interval, *dimensions):
        hypertable = Hypertable(column, interval, dimensions)
        return models(hypertable, name=name, column=column, schema=schema)

    states = []
    revisions = []
    for interval, *dimensions in [(DAY,), (timedelta(hours=6),), (timedelta(hours=6), HASH)]:
        metadata = declared(interval, *dimensions)
        states.append(database.look())
        revisions.append(database.migrate(metadata, include_schemas=True))
        assert database.hypertables == [Hypertable(column, interval, dimensions, name=name, schema=schema)]
        assert database.autogenerate(metadata, include_schemas=True).is_empty
    with pytest.raises(IrreversibleOperation):
        database.run(revisions[2].downgrade)
    database.execute("CREATE TABLE other (time timestamptz, device text)")
    database.execute("DROP TABLE other")
    database.run(revisions[1].downgrade)
    assert database.hypertables[0].chunk_time_interval == DAY
    database.run(revisions[0].downgrade)
    assert database.look() == states[0]


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        (sa.BigInteger(), 100_000, 200_000),
        (sa.Integer(), 1000, 10),
        (sa.SmallInteger(), 100, 10),
        (sa.Date(), timedelta(days=7), timedelta(days=1)),
        (sa.DateTime(), timedelta(hours=1, microseconds=7), timedelta(days=30)),
        (sa.DateTime(timezone=True), "1 week", "1 day 06:00"),
    ],
    ids=str,
)
def test_every_type_of_time(timescaledb, kind, first, second):
    timescaledb.migrate(models(Hypertable("time", first), kind=kind))
    before = timescaledb.look()
    metadata = models(Hypertable("time", second), kind=kind)
    revision = timescaledb.migrate(metadata)
    assert "op.set_chunk_time_interval" in revision.upgrade
    assert timescaledb.autogenerate(metadata).is_empty
    timescaledb.run(revision.downgrade)
    assert timescaledb.look() == before
    assert timescaledb.hypertables[0].chunk_time_interval == Hypertable("time", first).chunk_time_interval


def test_an_interval_that_is_not_declared_is_not_compared(timescaledb):
    metadata = models(Hypertable("time"))
    timescaledb.migrate(metadata)
    timescaledb.run('op.set_chunk_time_interval("conditions", "5 days", schema="public")')
    assert timescaledb.autogenerate(metadata).is_empty
    assert timescaledb.hypertables[0].chunk_time_interval == timedelta(days=5)


def test_every_kind_of_dimension(timescaledb):
    timescaledb.execute(
        "CREATE FUNCTION \"My Hash\"(anyelement) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 7'",
        "CREATE FUNCTION to_time(text) RETURNS timestamptz IMMUTABLE LANGUAGE sql AS "
        "$$ SELECT '2026-01-01 00:00+00'::timestamptz $$",
    )
    own = Dimension("site", number_partitions=3, partitioning_func='public."My Hash"')
    later = Dimension("sent", chunk_time_interval=timedelta(days=7))
    columns = [sa.Column("site", sa.Integer, nullable=False), sa.Column("sent", sa.DateTime, nullable=False)]
    metadata = sa.MetaData()
    hypertable = Hypertable("time", DAY, [own, later], partitioning_func="public.to_time")
    sa.Table("readings", metadata, sa.Column("time", sa.Text, nullable=False), *columns, hypertable)
    timescaledb.migrate(metadata)
    (found,) = timescaledb.hypertables
    # Of a column whose type has no times, TimescaleDB shows microseconds.
    assert found.intervals == {"time": DAY // timedelta(microseconds=1), "sent": timedelta(days=7)}
    assert found.partitions == {"site": 3}
    assert (found.dimensions[0], found.partitioning_func) == (own, "public.to_time")
    assert timescaledb.autogenerate(metadata).is_empty
    before = timescaledb.look()
    dropped = timescaledb.migrate(sa.MetaData())
    assert timescaledb.hypertables == []
    timescaledb.run(dropped.downgrade)
    assert timescaledb.look() == before


def test_changes_with_rows_and_chunks(timescaledb):
    timescaledb.migrate(models(Hypertable("time", DAY, [HASH])))
    timescaledb.execute("INSERT INTO conditions SELECT now() - n * interval '1 day', n FROM generate_series(1, 5) AS n")
    before = timescaledb.look()
    more = [Dimension("device", number_partitions=8)]
    metadata = models(Hypertable("time", timedelta(hours=6), more))
    revision = timescaledb.migrate(metadata)
    assert timescaledb.autogenerate(metadata).is_empty
    assert timescaledb.hypertables == [Hypertable("time", timedelta(hours=6), more, name="conditions")]
    timescaledb.run(revision.downgrade)
    assert timescaledb.look() == before


# --- what cannot be undone


def test_an_older_table_becomes_a_hypertable_and_refuses_the_way_back(timescaledb):
    timescaledb.migrate(models())
    plain = timescaledb.look()
    metadata = models(Hypertable("time", DAY, [HASH]))
    revision = timescaledb.migrate(metadata)
    assert timescaledb.autogenerate(metadata).is_empty
    with pytest.raises(IrreversibleOperation, match="conditions cannot become a plain table again"):
        timescaledb.run(revision.downgrade)
    assert timescaledb.hypertables != plain[0]


def test_a_table_with_rows_is_left_to_the_user(timescaledb):
    timescaledb.migrate(models())
    timescaledb.execute("INSERT INTO conditions VALUES ('2026-01-01', 'a', 1)")
    revision = timescaledb.autogenerate(models(Hypertable("time")))
    with pytest.raises(sa.exc.DBAPIError, match="not empty"):
        timescaledb.run(revision.upgrade)
    timescaledb.run('op.create_hypertable("conditions", "time", migrate_data=True)')
    assert timescaledb.scalar("SELECT count(*) FROM conditions") == 1


def test_a_removed_declaration_refuses_loudly(timescaledb):
    timescaledb.migrate(models(Hypertable("time")))
    revision = timescaledb.autogenerate(models())
    assert 'op.drop_hypertable("conditions")' in revision.upgrade
    assert "op.create_hypertable(" in revision.downgrade
    assert "chunk_time_interval=timedelta(days=7)" in revision.downgrade
    with pytest.raises(IrreversibleOperation, match="cannot become a plain table again"):
        timescaledb.run(revision.upgrade)


def test_another_column_must_be_in_the_keys(timescaledb):
    timescaledb.migrate(models(Hypertable("time")))
    with pytest.raises(InvalidObject, match="pk_conditions of hypertable conditions lacks sent"):
        timescaledb.autogenerate(models(Hypertable("sent"), sa.Column("sent", sa.DateTime)))


# --- no noise


NOISY = (
    "CREATE SCHEMA market",
    "CREATE TABLE conditions (time timestamptz, device text, value float, CONSTRAINT uq UNIQUE (time, device))",
    "SELECT create_hypertable('conditions', by_range('time', INTERVAL '1 day'))",
    "SELECT add_dimension('conditions', by_hash('device', 2))",
    "CREATE TABLE market.quotes (at bigint, instrument int)",
    "SELECT create_hypertable('market.quotes', 'at', 'instrument', 2, chunk_time_interval => 10, "
    "associated_schema_name => 'market')",
    "INSERT INTO conditions SELECT '2026-01-01'::timestamptz + n * interval '1 day', n FROM generate_series(1, 9) AS n",
    "INSERT INTO market.quotes SELECT n * 10, n FROM generate_series(1, 9) AS n",
    "CREATE TABLE alarms (id int PRIMARY KEY, time timestamptz, device text, "
    "CONSTRAINT fk FOREIGN KEY (time, device) REFERENCES conditions (time, device))",
)


def noisy(*items, market=True):
    metadata = sa.MetaData()
    time, device = sa.Column("time", sa.DateTime(timezone=True)), sa.Column("device", sa.Text)
    hypertable = Hypertable("time", DAY, [Dimension("device", 2)])
    unique = sa.UniqueConstraint("time", "device", name="uq")
    sa.Table("conditions", metadata, time, device, sa.Column("value", sa.Float), unique, hypertable, *items)
    reference = sa.ForeignKeyConstraint(["time", "device"], ["conditions.time", "conditions.device"], name="fk")
    key = sa.Column("id", sa.Integer, primary_key=True)
    columns = [sa.Column("time", sa.DateTime(timezone=True)), sa.Column("device", sa.Text)]
    sa.Table("alarms", metadata, key, *columns, reference)
    if market:
        hypertable = Hypertable("at", 10, [Dimension("instrument", 2)])
        columns = [sa.Column("at", sa.BigInteger), sa.Column("instrument", sa.Integer)]
        sa.Table("quotes", metadata, *columns, hypertable, schema="market")
    return metadata


@pytest.fixture
def noisy_database(timescaledb):
    timescaledb.execute(*NOISY)
    assert timescaledb.scalar("SELECT count(*) FROM pg_class WHERE relnamespace = 'market'::regnamespace") > 9
    assert timescaledb.scalar("SELECT count(*) FROM pg_constraint WHERE conrelid = 'alarms'::regclass") > 9
    return timescaledb


def test_nothing_of_timescaledb_is_noise(noisy_database):
    assert noisy_database.autogenerate(noisy(market=False)).is_empty
    assert noisy_database.autogenerate(noisy(), include_schemas=True).is_empty


def test_nothing_is_noise_even_without_the_filter_by_name(noisy_database):
    assert noisy_database.autogenerate(noisy(), include_schemas=True, include_name=lambda *_: True).is_empty


def test_a_renamed_default_index_is_no_noise(noisy_database):
    noisy_database.execute("ALTER INDEX conditions_time_idx RENAME TO tiempo_idx1")
    assert noisy_database.autogenerate(noisy(market=False)).is_empty


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("mine", sa.desc("time")),
        ("mine", sa.text("time DESC")),
        ("mine", sa.text("time DESC NULLS LAST")),
        ("mine", "time"),
        ("conditions_time_idx", "value"),
    ],
    ids=str,
)
def test_an_index_of_the_model_replaces_the_default_one(noisy_database, name, expression):
    metadata = noisy(sa.Index(name, expression), market=False)
    revision = noisy_database.migrate(metadata)
    assert "op.drop_index(op.f('conditions_time_idx')" in revision.upgrade
    assert f"op.create_index('{name}'" in revision.upgrade
    assert noisy_database.autogenerate(metadata).is_empty


def test_an_index_the_model_gave_up_is_dropped(noisy_database):
    noisy_database.execute("CREATE INDEX ix_conditions_time ON conditions (time DESC)")
    noisy_database.execute("CREATE INDEX conditions_value_idx ON conditions (value)")
    upgrade = noisy_database.autogenerate(noisy(market=False)).upgrade
    assert "ix_conditions_time" in upgrade
    assert "conditions_value_idx" in upgrade
    assert upgrade.count("op.drop_index") == 2


def test_what_the_project_changes_is_still_seen(noisy_database):
    upgrade = noisy_database.autogenerate(noisy(sa.Column("more", sa.Text), market=False)).upgrade
    assert "op.add_column('conditions'" in upgrade
    metadata = noisy(market=False)
    metadata.tables["alarms"].constraints = {metadata.tables["alarms"].primary_key}
    assert noisy_database.autogenerate(metadata).upgrade.count("op.drop_constraint") == 1
    metadata = noisy(market=False)
    metadata.tables["conditions"].c.time.type = sa.DateTime()
    upgrade = noisy_database.autogenerate(metadata).upgrade
    assert "type_=sa.DateTime()" in upgrade
    assert "nullable" not in upgrade.replace("existing_nullable=False", "")


def test_dropped_tables_come_back_as_they_were(noisy_database):
    before = noisy_database.look()
    without_alarms = noisy(market=False)
    without_alarms.remove(without_alarms.tables["alarms"])
    revisions = [noisy_database.migrate(each) for each in (without_alarms, sa.MetaData())]
    assert noisy_database.hypertables == [each for each in before[0] if each.schema]
    for revision in reversed(revisions):
        assert "_hyper_" not in revision.downgrade
        noisy_database.run(revision.downgrade)
    assert noisy_database.look() == before
    assert noisy_database.autogenerate(noisy(market=False)).is_empty


def test_the_projects_own_filters_hold(timescaledb):
    def no_conditions(*arguments):
        return arguments[1] != "conditions"

    metadata = models(Hypertable("time"))
    assert timescaledb.autogenerate(metadata, include_object=no_conditions).is_empty
    timescaledb.migrate(metadata)
    assert timescaledb.autogenerate(models(), include_object=no_conditions).is_empty


def test_the_default_schema_may_be_named(timescaledb):
    metadata = models(Hypertable("time", DAY), schema="public")
    timescaledb.migrate(metadata)
    assert timescaledb.hypertables == [Hypertable("time", DAY, name="conditions")]
    assert timescaledb.autogenerate(metadata).is_empty


def test_tables_of_extensions_are_not_dropped(timescaledb):
    timescaledb.execute("CREATE TABLE owned (id int)", "ALTER EXTENSION timescaledb ADD TABLE owned")
    assert timescaledb.autogenerate(sa.MetaData()).is_empty


def test_several_metadata(timescaledb):
    both = [models(Hypertable("time")), models(Hypertable("time"), name="others")]
    timescaledb.migrate(both)
    assert timescaledb.autogenerate(both).is_empty


# --- refusals


def test_without_the_extension_every_verb_says_so(database):
    database.execute("CREATE TABLE t (time timestamptz)")
    for code in (
        'op.create_hypertable("t", "time")',
        'op.add_dimension("t", "device", number_partitions=2)',
        'op.set_chunk_time_interval("t", "1 day")',
        'op.set_number_partitions("t", 2)',
    ):
        assert 'run op.create_extension("timescaledb")' in database.refused(code, PreflightFailed)


def test_what_the_server_would_refuse_is_refused_first(timescaledb):
    timescaledb.execute(
        "CREATE SCHEMA s",
        "CREATE TABLE s.t (time timestamptz)",
        "CREATE TABLE keyed (id int PRIMARY KEY, time timestamptz, n bigint, on_day date, "
        "double int GENERATED ALWAYS AS (id * 2) STORED)",
        "CREATE TABLE hyper (time timestamptz, sent timestamptz, a int, b int, CONSTRAINT u UNIQUE (time, a))",
        "SELECT create_hypertable('hyper', by_range('time'))",
    )
    for code, fact in {
        'op.create_hypertable("missing", "time")': "there is no table missing",
        'op.create_hypertable("s.t", "time")': 'give the schema apart: "t", schema="s"',
        'op.create_hypertable("keyed", "tiem")': "its columns are id, time, n, on_day, double",
        'op.create_hypertable("keyed", "time")': "add time to keyed_pkey",
        'op.create_hypertable("hyper", "time")': "is a hypertable already",
        'op.create_hypertable("hyper", "time", schema="public")': "give if_not_exists=True",
        'op.add_dimension("keyed", "id", number_partitions=2)': "keyed is a plain table",
        'op.add_dimension("missing", "id", number_partitions=2)': "there is no table missing",
        'op.add_dimension("hyper", "time", number_partitions=2)': "time is a dimension of hyper already",
        'op.add_dimension("hyper", "b", number_partitions=2)': "u of hypertable hyper lacks b",
        'op.add_dimension("hyper", "c", number_partitions=2)': "partitioned by c, which it does not have",
        'op.set_chunk_time_interval("hyper", 5)': "the column is a date or a time",
        'op.set_chunk_time_interval("hyper", "1 day", dimension_name="a")': "no dimension a by range",
        'op.set_chunk_time_interval("keyed", "1 day")': "keyed is a plain table",
        'op.set_number_partitions("hyper", 5)': "has no dimension by hash",
    }.items():
        assert fact in timescaledb.refused(code)
    timescaledb.execute("ALTER TABLE keyed DROP CONSTRAINT keyed_pkey", "ALTER TABLE hyper DROP CONSTRAINT u")
    for code, fact in {
        'op.create_hypertable("keyed", "n")': "the column is of an integer type",
        'op.create_hypertable("keyed", "time", chunk_time_interval=7)': "the column is a date or a time",
        'op.create_hypertable("keyed", "on_day", chunk_time_interval="36 hours")': "write whole days",
        'op.create_hypertable("keyed", "double", chunk_time_interval=7)': "is a generated column",
    }.items():
        assert fact in timescaledb.refused(code)
    timescaledb.run('op.add_dimension("hyper", "sent", chunk_time_interval="1 day")')
    timescaledb.run('op.add_dimension("hyper", "a", number_partitions=2)')
    timescaledb.run('op.add_dimension("hyper", "b", number_partitions=2, if_not_exists=True)')
    timescaledb.run('op.add_dimension("hyper", "b", number_partitions=2, if_not_exists=True)')
    assert "give dimension_name=" in timescaledb.refused('op.set_chunk_time_interval("hyper", "1 day")')
    assert "more than one dimension by hash" in timescaledb.refused('op.set_number_partitions("hyper", 5)')
    timescaledb.run('op.create_hypertable("hyper", "time", if_not_exists=True)')


def test_the_search_path_is_heeded(timescaledb):
    timescaledb.execute("CREATE SCHEMA s", "CREATE TABLE s.t (time timestamptz)")
    timescaledb.run(
        """
        op.execute("SET LOCAL search_path TO s, public")
        op.create_hypertable("t", "time")
        op.set_chunk_time_interval("t", "1 day")
        """
    )
    assert timescaledb.hypertables == [Hypertable("time", DAY, name="t", schema="s")]


def test_extensions(database):
    database.run('op.create_extension("timescaledb")')
    database.run('op.create_extension("timescaledb")')
    assert "not 0.1" in database.refused('op.create_extension("timescaledb", version="0.1")', PreflightFailed)
    assert "is not installed" in database.refused('op.create_extension("no_such_thing")', PreflightFailed)
    database.execute("CREATE TABLE t (time timestamptz)")
    database.run('op.create_hypertable("t", "time")')
    text = database.refused('op.drop_extension("timescaledb")', PreflightFailed)
    assert "there are hypertables: t" in text
    database.execute("DROP TABLE t")
    database.run('op.drop_extension("timescaledb")')
    database.run('op.drop_extension("timescaledb", if_exists=True)')
    assert database.ask(catalog.timescaledb) is None


# --- the catalog


QUESTIONS = [
    (catalog.timescaledb, None),
    (catalog.hypertables, []),
    (catalog.chunk_tables, set()),
    (catalog.chunk_foreign_keys, set()),
    (catalog.default_indexes, set()),
    (catalog.invalid_indexes, []),
    (catalog.unvalidated_constraints, []),
    (catalog.extension_tables, set()),
    (catalog.columnstores, []),
    (catalog.partitioned, {}),
]


def test_without_timescaledb_there_is_simply_nothing(database):
    with database.engine.begin() as connection:
        for question, nothing in QUESTIONS:
            assert question(connection) == nothing
        assert catalog.hypertable(connection, "t") is None
        assert catalog.table_facts(connection, "t") is None
        assert [each.name for each in catalog.extensions(connection)] == ["plpgsql"]
        assert catalog.available(connection, "timescaledb")
        assert catalog.preloaded(connection)
        assert not catalog.available(connection, "no_such_thing")
        connection.exec_driver_sql("CREATE TABLE still_alive ()")


def test_what_the_catalog_tells(noisy_database):
    database = noisy_database
    info = database.ask(catalog.timescaledb)
    assert info.license == "apache"
    assert info.version == database.scalar("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    assert "timescaledb" in {each.name for each in database.ask(catalog.extensions)}
    assert ("_timescaledb_catalog", "hypertable") in database.ask(catalog.extension_tables)
    assert len(database.ask(catalog.chunk_tables)) == 9
    assert len(database.ask(catalog.chunk_foreign_keys)) == 9
    assert database.ask(catalog.default_indexes) == {
        (None, "conditions_time_idx"),
        ("market", "quotes_at_idx"),
        ("market", "quotes_instrument_at_idx"),
    }
    quotes, _ = database.hypertables
    facts = database.ask(catalog.table_facts, "quotes", "market")
    assert (facts.name, facts.columns) == ("market.quotes", {"at": "integer", "instrument": "integer"})
    assert database.ask(catalog.hypertable, "quotes") is None
    assert database.ask(catalog.hypertable, "quotes", "market") == quotes


def test_what_is_half_done_is_told(noisy_database):
    database = noisy_database
    for name in ("conditions", "market.quotes"):
        database.execute(f'ALTER TABLE {name} ADD CONSTRAINT "Odd" CHECK (true) NOT VALID')
    database.execute(
        "CREATE TABLE parts (id int) PARTITION BY LIST (id)",
        "CREATE TABLE part PARTITION OF parts DEFAULT",
        "CREATE INDEX unfinished ON ONLY parts (id)",
        "ALTER TABLE alarms ADD CONSTRAINT positive CHECK (id > 0) NOT VALID",
    )
    assert database.ask(catalog.invalid_indexes) == ["public.unfinished"]
    assert database.ask(catalog.unvalidated_constraints) == [
        ("market.quotes", '"Odd"'),
        ("public.alarms", "positive"),
        ("public.conditions", '"Odd"'),
    ]


def test_a_role_without_rights_can_ask(noisy_database):
    role = f"reader_{noisy_database.engine.url.database}"
    with noisy_database.engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role}")
        connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
        for question, _ in QUESTIONS:
            question(connection)
        assert len(catalog.hypertables(connection)) == 2
        assert catalog.preloaded(connection)
        connection.rollback()


@pytest.mark.licensed
def test_continuous_aggregates_are_no_noise(licensed):
    database = licensed
    database.execute(
        "CREATE TABLE ticks (time timestamptz NOT NULL, price float)",
        "SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'))",
        "INSERT INTO ticks SELECT '2026-01-01'::timestamptz + n * interval '1 day', n FROM generate_series(1, 5) AS n",
        "ALTER TABLE ticks SET (timescaledb.compress)",
        "SELECT compress_chunk(each) FROM show_chunks('ticks') AS each",
        "CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS SELECT time_bucket('1 hour', time) AS h, "
        "avg(price) FROM ticks GROUP BY 1 WITH NO DATA",
        "SELECT add_retention_policy('ticks', INTERVAL '1 year')",
    )
    metadata = sa.MetaData()
    columns = [sa.Column("time", sa.DateTime(timezone=True), nullable=False), sa.Column("price", sa.Float)]
    declared = (Hypertable("time", DAY), Columnstore(), RetentionPolicy(drop_after="1 year"))
    sa.Table("ticks", metadata, *columns, *declared)
    assert database.hypertables == [Hypertable("time", DAY, name="ticks")]
    assert database.ask(catalog.timescaledb).license == "timescale"
    database.assert_clean(metadata)
    for question, _ in QUESTIONS:
        database.ask(question)


# --- as a user does it


PROJECT = """
import sqlalchemy as sa
from datetime import timedelta
from tsext import Dimension, Hypertable

metadata = sa.MetaData()
sa.Table(
    "ticks", metadata,
    sa.Column("time", sa.DateTime(timezone=True), primary_key=True),
    sa.Column("device", sa.Integer, primary_key=True),
    Hypertable(column="time", chunk_time_interval=timedelta(HOURS)),
)
"""


def test_from_the_command_line(project):
    texts = []
    for hours in ("days=1", "hours=6"):
        project.models(PROJECT.replace("HOURS", hours))
        project.run("alembic", "revision", "--autogenerate", "-m", "ticks")
        texts.append(max(project.versions.glob("*.py")).read_text())
        project.run("alembic", "upgrade", "head")
        assert "No new upgrade operations detected" in project.run("alembic", "check")
    assert "from datetime import timedelta\n" in texts[0]
    assert 'op.create_hypertable("ticks", column="time", chunk_time_interval=timedelta(days=1))' in texts[0]
    assert "        old_chunk_time_interval=timedelta(days=1),\n" in texts[1]
    sql = project.run("alembic", "upgrade", "head", "--sql")
    assert "SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day')" in sql
    assert "SELECT set_chunk_time_interval('ticks', INTERVAL '6 hours');" in sql
    project.run("alembic", "downgrade", "base")
    assert project.scalar("SELECT to_regclass('ticks')") is None
    assert project.scalar("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'") == 0
    project.run("alembic", "upgrade", "head")
    assert "No new upgrade operations detected" in project.run("alembic", "check")
    project.models(PROJECT.replace("HOURS", "hours=1"))
    assert "set_chunk_time_interval" in project.run("alembic", "check", fails=True)
