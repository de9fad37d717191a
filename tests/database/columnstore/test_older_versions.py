"""What older versions of TimescaleDB call otherwise."""

from __future__ import annotations

from tsext import Columnstore, catalog
from tsext.catalog.asking import rows
from tsext.model import License
from tsext.operations.columnstore import EnableColumnstore
from tsext.operations.conversion import ConvertToColumnstore, ConvertToRowstore

from .declaring import HOURLY, execute, in_columnstore, stored


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
