"""An index on a hypertable under a steady writer: how long writes wait, by the way it is built.

``CREATE INDEX``, ``CREATE INDEX … WITH (timescaledb.transaction_per_chunk)`` and ``op.create_index_concurrently``, one
after the other in one run on the local development server, and nothing at all, to tell what of it is the machine. A
writer inserts one row after the other, each in a transaction of its own, into a chunk chosen at random. The longest
insert is how long writers were blocked; the longest wait is what the server says of it, looked at every few ms.
"""

from __future__ import annotations

import argparse
import random
import statistics
import threading
import time
from collections.abc import Callable

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from databases import database
from rich.console import Console
from rich.table import Table

from tsext import localdb
from tsext.environment import locks_of
from tsext.preflight import ServerState
from tsext.settings import Settings

Build = Callable[[sa.Engine], None]


def nothing(engine: sa.Engine) -> None:
    """For about as long."""
    time.sleep(20)


def plain(engine: sa.Engine) -> None:
    """All chunks in one transaction."""
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE INDEX ix ON ticks (symbol, time DESC)")


def per_chunk(engine: sa.Engine) -> None:
    """TimescaleDB's own: a transaction for each chunk."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(
            "CREATE INDEX ix ON ticks (symbol, time DESC) WITH (timescaledb.transaction_per_chunk)"
        )


def tsext(engine: sa.Engine) -> None:
    """Chunk by chunk, CONCURRENTLY, with locks acquired as in a run."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})

        def work() -> None:
            with context.begin_transaction(_per_migration=True):
                create = Operations(context).create_index_concurrently  # type: ignore[attr-defined]
                create("ix", "ticks", ["symbol", sa.text("time DESC")])

        with locks_of(connection, Settings(), ServerState(single_client=False, search_path="public")) as held:
            held.again(work)()


WAYS: dict[str, Build] = {"nothing": nothing, "CREATE INDEX": plain, "transaction_per_chunk": per_chunk, "tsext": tsext}


def fill(engine: sa.Engine, chunks: int, rows: int) -> None:
    """A hypertable with one chunk for each day."""
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE EXTENSION timescaledb")
        connection.exec_driver_sql("CREATE TABLE ticks (time timestamptz NOT NULL, symbol text, price float8)")
        connection.exec_driver_sql(
            "SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'), create_default_indexes => false)"
        )
    for first in range(0, chunks, 50):
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO ticks SELECT '2020-01-01'::timestamptz + d * INTERVAL '1 day' + r * INTERVAL '1 second', "
                f"'S' || mod(r, 50), r FROM generate_series({first}, {min(first + 50, chunks) - 1}) AS d, "
                f"generate_series(1, {rows}) AS r"
            )


class Writer(threading.Thread):
    """Inserts until it is stopped, and notes how long each insert took."""

    def __init__(self, engine: sa.Engine, chunks: int) -> None:
        super().__init__(daemon=True)
        self.engine = engine
        self.chunks = chunks
        self.stopped = threading.Event()
        self.seconds: list[float] = []

    def run(self) -> None:
        """Insert."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not self.stopped.is_set():
                day = random.randrange(self.chunks)
                began = time.perf_counter()
                connection.exec_driver_sql(
                    f"INSERT INTO ticks VALUES ('2020-01-01'::timestamptz + {day} * INTERVAL '1 day', 'W', 1)"
                )
                self.seconds.append(time.perf_counter() - began)
                time.sleep(0.005)


class Lookout(threading.Thread):
    """Looks for how long anybody has been waiting for a lock on a table."""

    QUERY = (
        "SELECT extract(epoch FROM max(clock_timestamp() - waitstart)) FROM pg_locks WHERE mode = 'RowExclusiveLock'"
    )

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(daemon=True)
        self.engine = engine
        self.stopped = threading.Event()
        self.longest = 0.0

    def run(self) -> None:
        """Look."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not self.stopped.wait(0.005):
                self.longest = max(self.longest, float(connection.exec_driver_sql(self.QUERY).scalar() or 0))


def measure(url: str, build: Build, chunks: int, rows: int) -> tuple[float, Writer, Lookout]:
    """Seconds of the build, the writer that wrote meanwhile, and who looked."""
    with database(url) as engine:
        fill(engine, chunks, rows)
        writer, lookout = Writer(engine, chunks), Lookout(engine)
        writer.start()
        lookout.start()
        time.sleep(1)
        began = time.perf_counter()
        build(engine)
        seconds = time.perf_counter() - began
        for thread in (writer, lookout):
            thread.stopped.set()
            thread.join()
        return seconds, writer, lookout


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=500)
    parser.add_argument("--rows", type=int, default=2000, help="in each chunk")
    parser.add_argument("--version", default="2.31")
    asked = parser.parse_args()
    url = localdb.ensure(asked.version).url
    seen = {name: measure(url, build, asked.chunks, asked.rows) for name, build in WAYS.items()}
    ours = max(seen["tsext"][1].seconds)
    table = Table(
        "way", "build s", "writes", "median write ms", "longest write ms", "x ours", "longest wait for a lock ms"
    )
    for name, (seconds, writer, lookout) in seen.items():
        median, longest = statistics.median(writer.seconds), max(writer.seconds)
        waited = f"{lookout.longest * 1000:.0f}"
        figures = (f"{seconds:.1f}", str(len(writer.seconds)), f"{median * 1000:.1f}", f"{longest * 1000:.0f}")
        table.add_row(name, *figures, f"{longest / ours:.1f}", waited)
    Console().print(table)


if __name__ == "__main__":
    main()
