"""The columnstore from declaration to downgrade."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tsext import Columnstore, catalog
from tsext.errors import InvalidObject

from .declaring import columnstore, models, stored


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
    licensed.assert_clean(metadata)


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
