"""What of two tables is the same while some of it is noted as changed: whichever way those rows are left out."""

import pytest

from tsext.backfill.hashing import Value
from tsext.backfill.repartition import verifying
from tsext.backfill.repartition.capture import Capture
from tsext.backfill.repartition.move import Carried, Flow

TABLES = """
CREATE SCHEMA new;
CREATE TABLE ticks (time timestamptz NOT NULL, symbol text NOT NULL, price float8);
CREATE INDEX ON ticks (time DESC);
INSERT INTO ticks SELECT '2026-01-01Z'::timestamptz + g * INTERVAL '1 minute', 'it''s ' || g % 7, nullif(g % 11, 3)
FROM generate_series(0, 5999) AS g;
CREATE TABLE new.ticks (LIKE ticks);
CREATE INDEX ON new.ticks (time);
INSERT INTO new.ticks SELECT * FROM ticks
"""
CHANGES = (
    "UPDATE ticks SET price = -1 WHERE symbol = 'it''s 2' AND time < '2026-01-02Z'",  # more than are noted one by one
    "UPDATE ticks SET price = -1 WHERE time BETWEEN '2026-01-03 05:00Z' AND '2026-01-03 05:20Z'",
    "DELETE FROM ticks WHERE time = '2026-01-02Z'",
    "INSERT INTO ticks VALUES ('2026-01-02 12:00Z', 'new', NULL), ('infinity', 'new', 1)",
    "UPDATE ticks SET time = time + INTERVAL '2 days' WHERE time = '2026-01-01 06:00Z'",
)
RANGES = [(None, "2026-01-02 00:00+00"), ("2026-01-02 00:00+00", "2026-01-03 05:10+00"), ("2026-01-03 05:10+00", None)]


def flow(keys):
    columns = {"time": "timestamptz", "symbol": "text", "price": "float8"}
    carried = tuple(Carried(name, name, True, Value(name, type_)) for name, type_ in columns.items())
    return Flow("public.ticks", "new.ticks", "new", "time", "timestamp with time zone", carried, keys=keys)


@pytest.mark.parametrize("few", [verifying._FEW, 0], ids=["by index", "row by row"])
@pytest.mark.parametrize("keys", [(), (("symbol", "text"),)], ids=["ranges", "rows"])
def test_what_is_noted_is_left_out(timescaledb, monkeypatch, keys, few):
    monkeypatch.setattr(verifying, "_FEW", few)
    capture = Capture(flow(keys))
    timescaledb.execute(*TABLES.split(";\n"), *capture.log)
    with timescaledb.engine.begin() as connection:
        capture.install(connection)
    timescaledb.execute(*CHANGES)
    with timescaledb.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for lower, upper in RANGES:
            found = verifying.compare(connection, capture.flow, lower, upper)
            assert (found.source, found.different) == (found.target, ()), (lower, upper)
            assert found.source.rows > 1000
        timescaledb.execute("UPDATE new.ticks SET symbol = 'other' WHERE time IN ('2026-01-02 07:30Z', '2026-01-03Z')")
        timescaledb.execute("INSERT INTO new.ticks SELECT * FROM ticks WHERE time = '2026-01-02 09:30Z'")
        found = verifying.compare(connection, capture.flow, *RANGES[1])
        assert found.target.rows == found.source.rows + 1
        assert found.different == tuple(f"2026-01-{each}:00:00+00" for each in ("02 07", "02 09", "03 00"))
        timescaledb.execute("TRUNCATE ticks")  # then all is noted
        assert verifying.compare(connection, capture.flow, *RANGES[1]).different == ()
