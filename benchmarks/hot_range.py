"""A table that is moved while a writer changes rows of one instant, or of the last hour, again and again.

What changes is noted and brought over until little is left. How long that takes depends on how many rows have to be
replaced for those that have changed. The writer changes as many rows in a second as it is told, a hundred at a time, in
a table of which all rows of a day have the same date; how long the move took, and the writer's slowest statement.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from datetime import timedelta

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from databases import database

from tsext import localdb
from tsext.errors import TsextError
from tsext.model.repartitions import Repartition
from tsext.operations.repartition import RepartitionHypertable
from tsext.settings import Settings
from tsext.sql.sending import send

DAYS = 10
AT_ONCE = 100
"""Rows of one statement of the writer."""

COLUMNS = {
    "instant": "date NOT NULL",
    "hour": "timestamptz NOT NULL",
}
"""What rows are moved by: all of a day have the same value, or none."""

VALUES = {
    "instant": "DATE '2026-01-01' + {day}",
    "hour": "'2026-01-01'::timestamptz + {day} * INTERVAL '1 day' + g * INTERVAL '1 hour' / {rows}",
}


def execute(engine: sa.Engine, *statements: str) -> None:
    """Each in a transaction of its own."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            send(connection, statement)


def fill(engine: sa.Engine, rows: int, kind: str) -> None:
    """Days with as many rows each."""
    execute(
        engine,
        "CREATE EXTENSION timescaledb",
        f"CREATE TABLE ticks (at {COLUMNS[kind]}, id bigint, price int, PRIMARY KEY (id, at))",
        "SELECT create_hypertable('ticks', by_range('at', INTERVAL '7 days'))",
    )
    for day in range(DAYS):
        at = VALUES[kind].format(day=day, rows=rows)
        execute(engine, f"INSERT INTO ticks SELECT {at}, {day * rows} + g, 0 FROM generate_series(0, {rows - 1}) AS g")
    execute(engine, "VACUUM ANALYZE ticks")


class Writer(threading.Thread):
    """Updates rows of the last day, those that have neighbouring ids or not."""

    def __init__(self, engine: sa.Engine, rows: int, rate: int) -> None:
        super().__init__(daemon=True)
        self.engine, self.rows, self.pause = engine, rows, AT_ONCE / rate
        self.stopped = threading.Event()
        self.seconds: list[float] = []

    def run(self) -> None:
        """Write."""
        numbers, due = random.Random(1), time.perf_counter()
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not self.stopped.wait(max(0, due - time.perf_counter())):
                due += self.pause
                first = (DAYS - 1) * self.rows
                ids = ", ".join(str(first + numbers.randrange(self.rows)) for _ in range(AT_ONCE))
                begun = time.perf_counter()
                connection.exec_driver_sql(f"UPDATE ticks SET price = price + 1 WHERE id IN ({ids})")
                self.seconds.append(time.perf_counter() - begun)


def main() -> None:
    """Run, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000, help="of each day")
    parser.add_argument("--rate", type=int, default=2_000, help="rows that are changed in a second")
    parser.add_argument("--kind", choices=COLUMNS, default="instant")
    parser.add_argument("--version", default="2.19")
    given = parser.parse_args()
    with database(str(localdb.ensure(given.version).url)) as engine:
        fill(engine, given.rows, given.kind)
        writer = Writer(engine, given.rows, given.rate)
        writer.start()
        begun = time.perf_counter()
        try:
            with engine.connect() as connection:
                context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
                with context.begin_transaction(_per_migration=True):
                    operation = RepartitionHypertable(Repartition("ticks", chunk_time_interval=timedelta(days=1)))
                    operation.settings = Settings(backfill_in_upgrade=None)
                    Operations(context).invoke(operation)
            outcome = "swapped"
        except TsextError as error:
            outcome = f"{error.message}; {error.hint}"
        took = time.perf_counter() - begun
        writer.stopped.set()
        writer.join()
        rate = AT_ONCE * len(writer.seconds) / took
        print(f"{given.kind}, {given.rows:,} rows a day, {rate:,.0f} changed in a second: {took:.1f} s: {outcome}")
        print(f"the writer's slowest statement: {1000 * max(writer.seconds):.0f} ms")


if __name__ == "__main__":
    main()
