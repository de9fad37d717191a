"""What the server would refuse of a columnstore is refused first."""

from __future__ import annotations

from tsext import Columnstore, catalog
from tsext.errors import PreflightFailed

from .declaring import models, refused


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
