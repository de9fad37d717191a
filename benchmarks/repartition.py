"""A hypertable that is given other chunks, with its indexes, while a writer goes on; and what the server itself offers.

One after the other in one run on a local server, each on a table of its own with the same market data:
``create_hypertable(migrate_data => true)`` of a plain table with both indexes, which locks it throughout, and
``op.repartition_hypertable`` of a hypertable with chunks of a week into chunks of a day, with every row compared. A
writer inserts, updates and deletes meanwhile; how long its slowest statement took, and how long the swap made it wait,
is told.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from databases import database
from rich.console import Console
from rich.table import Table

from tsext import localdb
from tsext.backfill.repartition import analyzing, indexing
from tsext.backfill.repartition.move import Move
from tsext.model.repartitions import Repartition
from tsext.operations.repartition import RepartitionHypertable
from tsext.settings import Settings
from tsext.sql.sending import send

DAYS, SYMBOLS = 30, 50


def execute(engine: sa.Engine, *statements: str) -> None:
    """Each in a transaction of its own."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            send(connection, statement)


def fill(engine: sa.Engine, rows: int, *, hypertable: bool) -> None:
    """Market data of 30 days, with two indexes."""
    execute(engine, "CREATE EXTENSION timescaledb")
    execute(engine, "CREATE TABLE ticks (time timestamptz NOT NULL, symbol text NOT NULL, price float8, volume int)")
    if hypertable:
        by = "by_range('time', INTERVAL '7 days')"
        execute(engine, f"SELECT create_hypertable('ticks', {by}, create_default_indexes => false)")
    for day in range(DAYS):
        count = rows // DAYS
        step = 86400 / count
        execute(
            engine,
            f"INSERT INTO ticks SELECT '2026-01-01 00:00+00'::timestamptz + ({day * 86400} + g * {step}) * "
            f"INTERVAL '1 second', 'SYM' || mod(g::bigint * 7919, {SYMBOLS}), 100 + mod(g, 1000) / 10.0, mod(g, 997) "
            f"FROM generate_series(0, {count - 1}) AS g",
        )
    execute(engine, *INDEXES, "VACUUM ANALYZE ticks", "CHECKPOINT")


INDEXES = ("CREATE INDEX ticks_time ON ticks (time DESC)", "CREATE INDEX ticks_symbol ON ticks (symbol, time DESC)")


@dataclass
class Writer(threading.Thread):
    """Inserts, updates and deletes until it is stopped, and notes how long each statement took."""

    engine: sa.Engine
    pause: float
    seconds: list[float] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    now: int = 0
    """Seconds after the end of the data, to which rows are added that are new."""

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        """Write."""
        numbers = random.Random(1)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not self.stopped.wait(self.pause):
                begun = time.perf_counter()
                connection.exec_driver_sql(self.statement(numbers))
                self.seconds.append(time.perf_counter() - begun)

    def statement(self, numbers: random.Random) -> str:
        """Now, or late."""
        at = f"'2026-01-01 00:00+00'::timestamptz + {numbers.random() * DAYS * 86400} * INTERVAL '1 second'"
        near = f"time BETWEEN {at} AND {at} + INTERVAL '1 second'"
        self.now += 1
        return numbers.choice(
            [
                f"INSERT INTO ticks SELECT '2026-01-31'::timestamptz + {self.now} * INTERVAL '1 s' "
                "+ g * INTERVAL '1 ms', 'W', 1, 1 FROM generate_series(1, 50) AS g",
                f"INSERT INTO ticks VALUES ({at}, 'late', 1, 1)",
                f"UPDATE ticks SET price = price + 1 WHERE {near}",
                f"DELETE FROM ticks WHERE {near} AND symbol = 'SYM7'",
            ]
        )


def migrate_data(engine: sa.Engine) -> float:
    """What the server offers."""
    begun = time.perf_counter()
    by = "by_range('time', INTERVAL '1 day')"
    execute(engine, f"SELECT create_hypertable('ticks', {by}, migrate_data => true, create_default_indexes => false)")
    return time.perf_counter() - begun


def repartition(engine: sa.Engine) -> float:
    """All of it."""
    begun = time.perf_counter()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
        with context.begin_transaction(_per_migration=True):
            operation = RepartitionHypertable(Repartition("ticks", chunk_time_interval=timedelta(days=1)))
            operation.settings = Settings(backfill_in_upgrade=None)
            Operations(context).invoke(operation)
    return time.perf_counter() - begun


def build_apart() -> None:
    """Have the indexes of chunks built, and chunks analysed, after all is copied: so the copy alone is measured."""
    build, analyze = indexing.build, analyzing.chunks
    built: set[str] = set()

    def build_later(connection: sa.Connection, move: Move, chunks: Sequence[str], memory: str = "") -> None:
        if memory:  # a task of its own
            build(connection, move, chunks)
            built.update(chunks)

    def analyze_later(connection: sa.Connection, move: Move, chunks: Sequence[str], rows: int) -> None:
        if built.issuperset(chunks):
            analyze(connection, move, chunks, rows)

    indexing.build, analyzing.chunks = build_later, analyze_later


STEPS = """
    SELECT step, count(*), extract(epoch FROM max(ended_at) - min(begun_at))::float8, sum(rows)::bigint
    FROM tsext.backfill_task WHERE state = 'done' GROUP BY step ORDER BY min(id)
"""


def main() -> None:
    """Run, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--version", default="2.19")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between two statements of the writer")
    parser.add_argument("--only", action="store_true", help="without migrate_data")
    parser.add_argument("--apart", action="store_true", help="build and analyse apart from the copy, only to see that")
    given = parser.parse_args()
    if given.apart:
        build_apart()
    url = str(localdb.ensure(given.version).url)
    table = Table("", "s", "rows/s", title=f"{given.rows:,} rows, TimescaleDB {given.version}")
    if not given.only:
        with database(url) as engine:
            fill(engine, given.rows, hypertable=False)
            server = migrate_data(engine)
        table.add_row("migrate_data, two indexes, locked", f"{server:.1f}", f"{given.rows / server:,.0f}")
    with database(url) as engine:
        fill(engine, given.rows, hypertable=True)
        writer = Writer(engine, given.pause)
        writer.start()
        seconds = repartition(engine)
        writer.stopped.set()
        writer.join()
        table.add_row(
            "op.repartition_hypertable, two indexes, compared", f"{seconds:.1f}", f"{given.rows / seconds:,.0f}"
        )
        with engine.connect() as connection:
            for step, count, took, rows in connection.exec_driver_sql(STEPS):
                table.add_row(f"  {step}: {count} tasks", f"{took:.1f}", f"{rows / took:,.0f}" if rows else "")
            reason = connection.exec_driver_sql("SELECT reason FROM tsext.backfill").scalar()
    table.add_row("longest statement of the writer", f"{max(writer.seconds):.3f}", f"{len(writer.seconds)} statements")
    console = Console(width=120)
    console.print(table)
    console.print(reason)
    if not given.only:
        console.print(f"ratio {seconds / server:.2f} (goal: at most 0.45)")


if __name__ == "__main__":
    main()
