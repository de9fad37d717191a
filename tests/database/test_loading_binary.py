"""Files of Parquet: what is sent in binary is the same as what the server makes of text."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from tsext.loading import binary, loads
from tsext.loading.copying import Copying
from tsext.loading.loads import Request

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: the extra arrow")

TABLE = """
CREATE TABLE {0} (time timestamptz NOT NULL, local timestamp, day date, small smallint, n int, big bigint, half real,
    whole double precision, name text, code varchar(6));
SELECT create_hypertable('{0}', by_range('time', INTERVAL '1 day'), create_default_indexes => false)
"""
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def written(path, columns):
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path, row_group_size=700)
    return path


def both_ways(timescaledb, monkeypatch, path, make):
    """Load a file as binary and as text, into two tables that the statements make; what is in them, and rejected."""
    found = []
    for table in ("as_binary", "as_text"):
        timescaledb.execute(*make.format(table).split(";\n"))
        with monkeypatch.context() as patched:
            if table == "as_text":
                patched.setattr(binary, "encoding", lambda *_: None)
            loaded = loads.load(timescaledb.engine, Request(path, table))
        rows = timescaledb.scalar(f"SELECT string_agg(t::text, E'\\n' ORDER BY t::text) FROM {table} AS t")
        timescaledb.execute(f"DROP TABLE {table}")
        found.append((rows, loaded.rows, loaded.rejected))
    return found


def test_what_has_the_types_of_the_table_is_sent_as_it_is(timescaledb, tmp_path, monkeypatch):
    numbers = random.Random(3)

    def some(value, least=-(2**15), most=2**15 - 1):
        edges = [None, least, most, 0]
        return [value(numbers.choice([*edges, numbers.randint(least, most)])) for _ in range(2000)]

    def of(value):
        return lambda number: None if number is None else value(number)

    day = timedelta(days=1)
    times = [BEGIN + each * timedelta(minutes=3) for each in range(2000)]
    columns = {
        "time": pyarrow.array(times, pyarrow.timestamp("ms", "CET")),
        "local": pyarrow.array(some(of(lambda n: datetime(1969, 12, 31) + n * day / 7)), pyarrow.timestamp("us")),
        "day": pyarrow.array(some(of(lambda n: date(1, 1, 1) + n * day), 0, 3_000_000), pyarrow.date32()),
        "small": pyarrow.array(some(of(int)), pyarrow.int16()),
        "n": pyarrow.array(some(of(int), 0, 2**31 - 1), pyarrow.uint32()),
        "big": pyarrow.array(some(of(int), -(2**63), 2**63 - 1), pyarrow.int64()),
        "half": pyarrow.array(some(of(lambda n: n / 7)), pyarrow.float32()),
        "whole": pyarrow.array([*some(of(lambda n: n / 7))[:1996], -0.0, float("nan"), float("-inf"), 5e-324]),
        "name": pyarrow.array(some(of(lambda n: "é\"\\," * (n % 5)))).dictionary_encode(),
        "code": pyarrow.array(some(of(str)), pyarrow.large_string()),
    }  # fmt: skip
    path = written(tmp_path / "ticks.parquet", columns)
    as_text = Copying.load

    def load(self, part):
        assert self.relation.endswith("as_text")
        as_text(self, part)

    monkeypatch.setattr(Copying, "load", load)
    found, expected = both_ways(timescaledb, monkeypatch, path, TABLE)
    assert found == expected
    assert found[1:] == (2000, 0)


@pytest.mark.one_version
def test_what_the_server_makes_something_else_of_is_sent_as_text(timescaledb, tmp_path, monkeypatch):
    second = pyarrow.array([1_000_000_000, 1_234_567_891], pyarrow.int64())
    cases = {
        "int": pyarrow.array([1, 2**31]),
        "int UNIQUE": pyarrow.array([1, 1]),
        "double precision": pyarrow.array([0.1, 0.2], pyarrow.float32()),
        "timestamptz": second.cast(pyarrow.timestamp("us")),
        "timestamp": second.cast(pyarrow.timestamp("ns")),
        "date": pyarrow.array([-719_163, 0], pyarrow.int32()).cast(pyarrow.date32()),
    }
    for number, (type_, values) in enumerate(cases.items()):
        path = written(tmp_path / f"{number}.parquet", {"v": values})
        found, expected = both_ways(timescaledb, monkeypatch, path, f"CREATE TABLE {{}} (v {type_})")
        assert found == expected, type_
        assert sum(found[1:]) == 2
