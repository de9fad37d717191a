"""Where there is no columnstore: it is refused, and nothing else is in the way."""

from __future__ import annotations

import pytest

from tsext import Columnstore, catalog
from tsext.errors import FeatureNotSupported

from .declaring import DAY, HYPERTABLE, ROWS, TABLE, columnstore, models

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
