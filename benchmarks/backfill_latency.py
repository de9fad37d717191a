"""What clients feel of a backfill: pgbench's latency beside op.backfill with its throttle, without, and one UPDATE.

In turns on a local server, as the machine has good and bad moments: pgbench (TPC-B) alone, beside ``op.backfill`` of
the very table that it updates, as it is by default and without rest, and beside the one UPDATE that it stands for. The
ratio is that of the medians of each turn's p99; pgbench's rate is fixed, so that all have the same to do.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table
from sqlalchemy.pool import NullPool

from tsext import localdb
from tsext.backfill import ledger, workers

SPEC = {"table": "pgbench_accounts", "schema": "public", "set": "filler = 'changed'"}


@dataclass
class Felt:
    """What clients felt in the turns of one kind; milliseconds."""

    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    worst: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    """Rows of the backfill in a second."""


@dataclass(frozen=True)
class Bench:
    """The server and pgbench."""

    cluster: localdb.Cluster
    name: str
    clients: int
    rate: int
    seconds: int

    @property
    def url(self) -> str:
        """The database's."""
        return self.cluster.url_of(self.name)

    def pgbench(self, *arguments: str, folder: str = ".") -> None:
        """Run it."""
        place = ["-h", "127.0.0.1", "-p", str(self.cluster.port), "-U", "postgres", self.name]
        command = [str(self.cluster.bindir / "pgbench"), *arguments, *place]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    def latencies(self) -> list[float]:
        """Of each transaction of a turn, in milliseconds, from when it was due."""
        how = ["-n", "-c", str(self.clients), "-R", str(self.rate), "-T", str(self.seconds), "--log"]
        with tempfile.TemporaryDirectory() as folder:
            self.pgbench(*how, folder=folder)
            lines = [
                line.split() for each in Path(folder).glob("pgbench_log.*") for line in each.read_text().splitlines()
            ]
        return [int(line[2]) / 1000 for line in lines]


# --- what goes on beside it: a number of rows, as far as it came


@contextmanager
def nothing(bench: Bench) -> Iterator[Callable[[], int]]:
    """Nothing."""
    yield lambda: 0


def backfilling(limits: dict[str, str | None], threads: int) -> Callable[[Bench], object]:
    """A backfill with these limits."""

    @contextmanager
    def beside(bench: Bench) -> Iterator[Callable[[], int]]:
        engine, name, stop = sa.create_engine(bench.url, poolclass=NullPool), uuid.uuid4().hex, threading.Event()
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            wanted = ledger.Declaration("change", "public.pgbench_accounts", SPEC, given=name)
            declared = ledger.declare(connection, wanted)
            ledger.limit(connection, declared, limits)
            team = [threading.Thread(target=workers.work, args=(engine, name, "", stop)) for _ in range(threads)]
            for each in team:
                each.start()
            yield lambda: ledger.progress(connection, declared).rows
            stop.set()
            for each in team:
                each.join()
            ledger.forget(connection, declared)

    return beside


@contextmanager
def update(bench: Bench) -> Iterator[Callable[[], int]]:
    """The same as one UPDATE, cancelled at the end of the turn."""
    engine = sa.create_engine(bench.url, poolclass=NullPool)
    with engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()

        def run() -> None:
            try:
                connection.exec_driver_sql("UPDATE pgbench_accounts SET filler = 'changed'")
                connection.commit()
            except sa.exc.DBAPIError:
                connection.rollback()

        thread = threading.Thread(target=run)
        thread.start()
        yield lambda: 0
        with engine.connect() as other:
            other.exec_driver_sql(f"SELECT pg_cancel_backend({pid})")
        thread.join()


def measure(bench: Bench, threads: int, turns: int, further: list[str]) -> dict[str, Felt]:
    """All kinds, in turns.

    :param further: limits of further backfills: ``batch_time=50ms rest=300``.
    """
    kinds = {
        "pgbench alone": nothing,
        "op.backfill": backfilling({}, threads),
        "op.backfill, rest=0": backfilling({"rest": "0", "wal_rate": "off"}, threads),
        "one UPDATE": update,
    }
    kinds |= {each: backfilling(dict(one.split("=") for one in each.split()), threads) for each in further}
    felt = {each: Felt() for each in kinds}
    for _ in range(turns):
        for kind, beside in kinds.items():
            settle(bench)
            with beside(bench) as rows:
                begun = time.monotonic()
                found = sorted(bench.latencies())
                felt[kind].rates.append(rows() / (time.monotonic() - begun))
            felt[kind].p50.append(median(found))
            felt[kind].p99.append(quantiles(found, n=100)[98])
            felt[kind].worst.append(found[-1])
    return felt


def settle(bench: Bench) -> None:
    """What one turn has left behind shall not burden the next."""
    engine = sa.create_engine(bench.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("VACUUM ANALYZE pgbench_accounts")
        connection.exec_driver_sql("CHECKPOINT")


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=int, default=20, help="of pgbench: 100,000 rows each")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rate", type=int, default=150, help="transactions in a second")
    parser.add_argument("--seconds", type=int, default=15, help="of a turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--limits", action="append", default=[], help="of a further backfill: 'batch_time=50ms rest=300'"
    )
    parser.add_argument("--timescaledb", default="2.19")
    given = parser.parse_args()
    with localdb.shared(given.timescaledb, name="bench") as cluster:
        bench = Bench(cluster, f"bench_{uuid.uuid4().hex[:8]}", given.clients, given.rate, given.seconds)
        admin = sa.create_engine(cluster.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {bench.name}")
            try:
                bench.pgbench("-i", "-q", "-s", str(given.scale))
                felt = measure(bench, given.workers, given.turns, given.limits)
            finally:
                connection.exec_driver_sql(f"DROP DATABASE {bench.name} WITH (FORCE)")
    table = Table("beside pgbench", "p50 ms", "p99 ms", "worst ms", "p99, ratio", "rows/s", title=f"{given}")
    base = median(felt["pgbench alone"].p99)
    for kind, each in felt.items():
        p99 = median(each.p99)
        numbers = (f"{median(each.p50):.2f}", f"{p99:.2f}", f"{max(each.worst):.1f}", f"{p99 / base:.2f}")
        table.add_row(kind, *numbers, f"{median(each.rates):,.0f}")
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
