"""A CSV file of market data into a hypertable: COPY as it is, two plain streams, small batches, and ``tsext load``.

One after the other in each round of one run, on a local server; medians over the rounds. Two plain streams: both halves
of the file at once, each in one transaction, into chunks that were made before. Batches of 5,000 rows, each committed:
what timescaledb-parallel-copy sends by default, but without an import id; that program takes part if it is installed.

With ``--kills N``, ``tsext load`` is killed so many times at random moments instead, and the rows are counted.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from threading import Lock

import psycopg2
from rich.console import Console
from rich.table import Table

from tsext import localdb

DAYS, SYMBOLS = 30, 50
TABLE = "CREATE TABLE ticks (time timestamptz NOT NULL, symbol text NOT NULL, price float8, volume int)"
HYPERTABLE = "SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'), create_default_indexes => false)"
CHUNKS = (
    f"INSERT INTO ticks SELECT '2026-01-01 00:00+00'::timestamptz + g * INTERVAL '1 day', 's', 1, 1 "
    f"FROM generate_series(0, {DAYS - 1}) AS g",
    "DELETE FROM ticks",
)


class Bench:
    """A server, a file, and the ways to load it."""

    def __init__(self, version: str, rows: int, workers: int) -> None:
        self.cluster = localdb.ensure(version, name="bench")
        self.rows, self.workers = rows, workers
        self.folder = Path(tempfile.mkdtemp(prefix="tsext-bench-"))
        self.file = self.folder / "ticks.csv"

    def execute(self, *statements: str, database: str = "bench") -> None:
        """Each in a transaction of its own."""
        connection = psycopg2.connect(host="127.0.0.1", port=self.cluster.port, user="postgres", dbname=database)
        connection.autocommit = True
        for statement in statements:
            connection.cursor().execute(statement)
        connection.close()

    def write(self) -> None:
        """The file, in the order of time."""
        step = DAYS * 86400 / self.rows
        query = (
            f"SELECT '2026-01-01 00:00+00'::timestamptz + g * {step} * INTERVAL '1 second', 'SYM' || g % {SYMBOLS}, "
            f"100 + (g % 1000) / 10.0, g % 997 FROM generate_series(0, {self.rows - 1}) AS g"
        )
        self.new_database()
        connection = psycopg2.connect(host="127.0.0.1", port=self.cluster.port, user="postgres", dbname="bench")
        with self.file.open("wb") as file, connection.cursor() as cursor:
            cursor.execute("SET TimeZone = 'UTC'")
            cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv)", file)
        connection.close()

    def new_database(self) -> None:
        """With the empty hypertable."""
        self.execute("DROP DATABASE IF EXISTS bench WITH (FORCE)", "CREATE DATABASE bench", database="postgres")
        self.execute("CREATE EXTENSION timescaledb", TABLE, HYPERTABLE, "CHECKPOINT")

    # --- the ways

    def copy(self) -> None:
        """One COPY of the whole file."""
        self._stream(0, self.file.stat().st_size)

    def streams(self) -> None:
        """As many as there are workers, into chunks that are there."""
        self.execute(*CHUNKS)
        size, bounds = self.file.stat().st_size, [0]
        with self.file.open("rb") as file:
            for number in range(1, self.workers):
                file.seek(size * number // self.workers)
                file.readline()
                bounds.append(file.tell())
        with ThreadPoolExecutor(self.workers) as threads:
            list(threads.map(self._stream, bounds, [*bounds[1:], size]))

    def _stream(self, begin: int, end: int) -> None:
        connection = psycopg2.connect(host="127.0.0.1", port=self.cluster.port, user="postgres", dbname="bench")
        with connection, connection.cursor() as cursor, self.file.open("rb", buffering=0) as file:
            file.seek(begin)
            cursor.copy_expert("COPY ticks FROM STDIN (FORMAT csv)", _Part(file, end - begin), 256 * 1024)
        connection.close()

    def noted_batches(self) -> None:
        """The same, each with a row in a table that tells that it is loaded, as with an import id."""
        self.execute("CREATE TABLE batches (import text, first_row bigint, PRIMARY KEY (import, first_row))")
        self.batches("INSERT INTO batches VALUES ('bench', %s)")

    def batches(self, note: str = "") -> None:
        """Each worker takes the next 5,000 lines, and commits them.

        :param note: what is said in each transaction, with the number of the first row.
        """
        turn, file, rows = Lock(), self.file.open("rb"), count(0, 5000)

        def work(_: int) -> None:
            connection = psycopg2.connect(host="127.0.0.1", port=self.cluster.port, user="postgres", dbname="bench")
            while True:
                with turn:
                    data, first = b"".join(islice(file, 5000)), next(rows)
                if not data:
                    break
                with connection, connection.cursor() as cursor:
                    if note:
                        cursor.execute(note, [first])
                    cursor.copy_expert("COPY ticks FROM STDIN (FORMAT csv)", io.BytesIO(data))
            connection.close()

        with file, ThreadPoolExecutor(self.workers) as threads:
            list(threads.map(work, range(self.workers)))

    def cpu(self) -> tuple[float, float]:
        """CPU seconds of the server with all its processes, and of this one with those it has waited for."""
        time.sleep(0.5)  # until nobody is about to end, who would be missed, or counted twice
        postmaster = int((self.cluster.data / "postmaster.pid").read_text().split()[0])
        ended = _times(postmaster, own=4)
        alive = sum(_times(int(each.name)) for each in Path("/proc").glob("[0-9]*") if _parent(each) == postmaster)
        ours = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return ended + alive, sum(each.ru_utime + each.ru_stime for each in ours)

    def tsext(self, patience: float | None = None) -> bool:
        """``tsext load``, in a process of its own; whether it came to its end.

        :param patience: seconds until it is killed.
        """
        command = [sys.executable, "-m", "tsext.cli", "load", "ticks", str(self.file), f"--workers={self.workers}"]
        environment = {"TSEXT_DATABASE_URL": self.cluster.url_of("bench")}
        try:
            subprocess.run(command, env=environment, cwd=self.folder, check=True, capture_output=True, timeout=patience)
        except subprocess.TimeoutExpired:  # killed by SIGKILL
            return False
        return True

    def killed(self, times: int) -> str:
        """Kill it at random moments, let it end then, and count."""
        self.new_database()
        kills = sum(not self.tsext(random.uniform(1.5, 4)) for _ in range(times))
        self.tsext()
        connection = psycopg2.connect(host="127.0.0.1", port=self.cluster.port, user="postgres", dbname="bench")
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*), count(DISTINCT (time, symbol)) FROM ticks")
            rows, distinct = cursor.fetchone() or (0, 0)
            cursor.execute("SELECT count(*), count(DISTINCT task) FROM tsext.backfill_attempt")
            attempts, tasks = cursor.fetchone() or (0, 0)
        connection.close()
        return (
            f"killed {kills} times: {rows} of {self.rows} rows, {distinct} of them distinct; {tasks} parts, "
            f"{attempts - tasks} begun again"
        )

    def parallel_copy(self) -> None:
        """timescaledb-parallel-copy, resumable."""
        url = self.cluster.url_of("bench").replace("+psycopg2", "")
        flags = ["-table", "ticks", "-file", str(self.file), "-workers", str(self.workers), "-import-id", "bench"]
        subprocess.run(["timescaledb-parallel-copy", "-connection", url, *flags], check=True, capture_output=True)


def _parent(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except FileNotFoundError:  # it has ended meanwhile
        return None


def _times(pid: int, own: int = 2) -> float:
    """User and system seconds of a process; with ``own=4`` also of the children that it has waited for."""
    with suppress(FileNotFoundError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11 : 11 + own])) / os.sysconf("SC_CLK_TCK")
    return 0.0


class _Part:
    """Some bytes of a file."""

    def __init__(self, file: object, size: int) -> None:
        self.file, self.left = file, size

    def read(self, size: int) -> bytes:
        data: bytes = self.file.read(min(size, self.left))  # type: ignore[attr-defined]
        self.left -= len(data)
        return data


def main() -> None:
    """Run, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--version", default="2.19")
    parser.add_argument("--kills", type=int, default=0)
    given = parser.parse_args()
    bench = Bench(given.version, given.rows, given.workers)
    ways: dict[str, Callable[[], object]] = {
        "COPY": bench.copy,
        f"{given.workers} plain streams, chunks made before": bench.streams,
        f"{given.workers} streams of batches, 5,000 rows each": bench.batches,
        f"{given.workers} streams of batches, each noted in a row": bench.noted_batches,
        f"tsext load, {given.workers} workers, resumable": bench.tsext,
    }
    if shutil.which("timescaledb-parallel-copy"):
        ways[f"timescaledb-parallel-copy, {given.workers} workers, resumable"] = bench.parallel_copy
    measured: dict[str, list[tuple[float, ...]]] = {name: [] for name in ways}
    try:
        bench.write()
        if given.kills:
            print(bench.killed(given.kills))
            return
        for _ in range(given.rounds):
            for name, way in ways.items():
                bench.new_database()
                before, begun = bench.cpu(), time.perf_counter()
                way()
                seconds = time.perf_counter() - begun
                spent = (after - earlier for after, earlier in zip(bench.cpu(), before, strict=True))
                measured[name].append((seconds, *spent))
    finally:
        bench.cluster.stop()
        shutil.rmtree(bench.folder)
    title = f"{given.rows:,} rows, TimescaleDB {given.version}, medians of {given.rounds}"
    table = Table("", "s", "rows/s", "server CPU s", "client CPU s", "CPU ratio to COPY", title=title)
    medians = {name: [statistics.median(each) for each in zip(*found, strict=True)] for name, found in measured.items()}
    plain = sum(medians["COPY"][1:])
    for name, (seconds, server, client) in medians.items():
        cells = (f"{given.rows / seconds:,.0f}", f"{server:.1f}", f"{client:.1f}", f"{(server + client) / plain:.2f}")
        table.add_row(name, f"{seconds:.1f}", *cells)
    Console(width=110).print(table)
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"largest process that was started, tsext load with all its workers among them: {largest} MB")


if __name__ == "__main__":
    main()
