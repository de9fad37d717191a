"""What one instant ALTER TABLE … ADD COLUMN does to clients when it meets a long reader, and whether it starves.

Plain Alembic, the lock policies of the neighbours as one simple loop, and tsext; one after the other in one run, each
measured by a process of its own that is nothing but clients. ``make bench`` runs it with a shorter reader.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import psycopg2
from rich.console import Console
from rich.table import Table

from tsext import localdb

FREE = 0.02
"""Seconds that an answer may take without counting as stalled: what the machine itself needs at times."""

GIVE_UP = 60.0
"""Seconds after which a policy without an end of its own is given up."""

REVISION = """from alembic import op

revision = "001_add"
down_revision = None


def upgrade():
    {before}op.execute("ALTER TABLE orders ADD COLUMN IF NOT EXISTS note text")


def downgrade():
    pass
"""

PLAIN = """
import os
from alembic import context
from sqlalchemy import create_engine, pool

with create_engine(os.environ["URL"].replace("://", "+psycopg2://"), poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""

TSEXT = "from alembic import context\nfrom tsext import environment\n\nenvironment.run(context, None)\n"


# --- the clients: a process of its own


@dataclass
class Load:
    """What the clients do."""

    clients: int
    think: float
    """Seconds between two transactions."""
    hold: float
    """Seconds for which a transaction goes on after its statement."""


@dataclass
class Measured:
    """What the clients saw."""

    requests: int = 0
    longest: float = 0.0
    """Seconds that the slowest answer took."""
    blocked: float = 0.0
    """Seconds beyond what is free, of all answers together."""
    waiting: float = 0.0
    """Client-seconds in which the server says that a client waits for a lock."""
    lock: Any = field(default_factory=threading.Lock, repr=False)

    def answered(self, seconds: float) -> None:
        with self.lock:
            self.requests += 1
            self.longest = max(self.longest, seconds)
            self.blocked += max(0.0, seconds - FREE)


def probe(url: str, load: Load, pipe: Pipe) -> None:
    """Be clients until told to stop; tells what they saw since told to start."""
    measured, stop = [Measured()], threading.Event()
    threads = [
        threading.Thread(target=client, args=(url, load, number, measured, stop)) for number in range(load.clients)
    ]
    threads.append(threading.Thread(target=sample, args=(url, measured, stop)))
    for each in threads:
        each.start()
    time.sleep(0.5)
    pipe.send("ready")
    while pipe.recv() == "measure":
        measured[0] = Measured()
    stop.set()
    for each in threads:
        each.join()
    measured[0].lock = None
    pipe.send(measured[0])


def client(url: str, load: Load, number: int, measured: list[Measured], stop: threading.Event) -> None:
    connection = psycopg2.connect(url, application_name="client")
    connection.autocommit = not load.hold
    cursor = connection.cursor()
    write = number % 2 and not load.hold
    while not stop.is_set():
        row = random.randrange(1, 10_000)
        begun = time.perf_counter()
        if write:
            cursor.execute("UPDATE orders SET amount = amount + 1 WHERE id = %s", (row,))
        else:
            cursor.execute("SELECT amount FROM orders WHERE id = %s", (row,))
        measured[0].answered(time.perf_counter() - begun)
        if load.hold:
            time.sleep(load.hold)
            connection.commit()
        if load.think:
            time.sleep(load.think * random.uniform(0.5, 1.5))
    connection.close()


def sample(url: str, measured: list[Measured], stop: threading.Event) -> None:
    """What the server says, every 5 ms: independent of how late the clients are woken."""
    connection = psycopg2.connect(url, application_name="sampler")
    connection.autocommit = True
    cursor = connection.cursor()
    last = time.perf_counter()
    while not stop.is_set():
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'client' AND wait_event_type = 'Lock' "
            "AND wait_event = 'relation'"
        )
        now = time.perf_counter()
        measured[0].waiting += cursor.fetchone()[0] * (now - last)
        last = now
        time.sleep(0.005)
    connection.close()


@contextmanager
def clients(url: str, load: Load) -> Iterator[list[Measured]]:
    """Clients at work; what they saw within the block is in the list after it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=probe, args=(url, load, theirs))
    process.start()
    ours.recv()
    found: list[Measured] = []
    ours.send("measure")
    try:
        yield found
    finally:
        ours.send("stop")
        found.append(ours.recv())
        process.join()


@contextmanager
def reader(url: str, seconds: float) -> Iterator[list[float]]:
    """A transaction that has read and goes on for so long; when it ended is in the list."""
    connection = psycopg2.connect(url, application_name="report")
    connection.cursor().execute("SELECT count(*) FROM orders")
    ended: list[float] = []

    def end() -> None:
        connection.commit()
        ended.append(time.perf_counter())

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield ended
    finally:
        timer.join()
        connection.close()


# --- the policies


@dataclass
class Loop:
    """A neighbour's policy: so long a timeout, so many times, with so long a pause."""

    timeouts: list[float]
    """Seconds, the last for all further attempts; 0 is NOWAIT."""
    pauses: list[float]
    tries: int = 1_000_000
    look: Callable[[Any], bool] | None = None
    """Whether it may ask now."""

    def __call__(self, url: str) -> int | None:
        """The number of attempts; None if it failed."""
        connection = psycopg2.connect(url, application_name="policy")
        cursor = connection.cursor()
        give_up = time.perf_counter() + GIVE_UP
        try:
            for attempt in range(self.tries):
                while self.look is not None and not self.look(cursor) and time.perf_counter() < give_up:
                    connection.rollback()
                    time.sleep(0.05)
                connection.rollback()
                timeout = self.timeouts[min(attempt, len(self.timeouts) - 1)]
                try:
                    cursor.execute(f"SET LOCAL lock_timeout = {max(1, round(timeout * 1000))}")
                    if timeout == 0:
                        cursor.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE NOWAIT")
                    cursor.execute("ALTER TABLE orders ADD COLUMN note text")
                    connection.commit()
                    return attempt + 1
                except psycopg2.errors.LockNotAvailable:
                    connection.rollback()
                if time.perf_counter() > give_up or attempt == self.tries - 1:
                    break
                time.sleep(self.pauses[min(attempt, len(self.pauses) - 1)])
        finally:
            connection.close()
        return None


def nobody_old(cursor: Any) -> bool:
    cursor.execute(
        "SELECT NOT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
        "WHERE l.relation = 'orders'::regclass AND a.xact_start < clock_timestamp() - interval '100 ms')"
    )
    return bool(cursor.fetchone()[0])


GITLAB = [0.1] * 10 + [0.2] * 10 + [0.3] * 5 + [0.5] * 16
POLICIES: dict[str, Loop] = {
    "strong_migrations, 10 s, retried": Loop([10], [10], 4),
    "safe-pg-migrations, 4.95 s": Loop([4.95], [13], 5),
    "reshape, 10 times 1 s": Loop([1], [0.1, 0.2, 0.4, 0.8, 1.6, 3.2], 10),
    "pgroll, 500 ms": Loop([0.5], [1, 2, 4, 8]),
    "GitLab's ladder": Loop(GITLAB, [0.01, 0.1, 1, 1, 2], 41),
    "online_migrations, 200 ms": Loop([0.2], [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56], 30),
    "NOWAIT every 50 ms": Loop([0], [0.05]),
    "look first, 50 ms": Loop([0.05], [0.2], look=nobody_old),
}


class Command:
    """A migration tool as it is run: ``alembic upgrade head`` in a project."""

    seconds: float | None = None
    """How long the last run says that its revision took, waiting included; None if it does not say."""

    def __init__(self, folder: Path, env: str, before: str = "") -> None:
        (folder / "alembic" / "versions").mkdir(parents=True)
        (folder / "alembic" / "env.py").write_text(env)
        (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\n")
        (folder / "alembic" / "versions" / "001_add.py").write_text(REVISION.format(before=before))
        self.arguments = [sys.executable, "-m", "alembic", "-c", str(folder / "alembic.ini"), "upgrade", "head"]

    def __call__(self, url: str) -> int | None:
        environment = {**os.environ, "URL": url, "TSEXT_DATABASE_URL": url}
        done = subprocess.run(self.arguments, env=environment, capture_output=True, check=False)
        self.seconds = self._recorded(url)
        return 1 if done.returncode == 0 else None

    def _recorded(self, url: str) -> float | None:
        with psycopg2.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('tsext.event') IS NOT NULL")
            if not cursor.fetchone()[0]:
                return None
            cursor.execute("SELECT execution_time_ms / 1000.0 FROM tsext.event")
            return float(cursor.fetchone()[0])


# --- the scenarios


@contextmanager
def database(cluster: localdb.Cluster, name: str) -> Iterator[str]:
    """A new database with a table of 10,000 rows, dropped afterwards."""

    def execute(database: str, *statements: str) -> None:
        connection = psycopg2.connect(cluster.url_of(database).replace("+psycopg2", ""))
        connection.autocommit = True
        for statement in statements:
            connection.cursor().execute(statement)
        connection.close()

    execute("postgres", f"CREATE DATABASE {name}")
    execute(
        name,
        "CREATE TABLE orders (id int PRIMARY KEY, amount int) WITH (fillfactor = 50)",
        "INSERT INTO orders SELECT n, 0 FROM generate_series(1, 10000) AS n",
        "VACUUM ANALYZE orders",
    )
    try:
        yield cluster.url_of(name).replace("+psycopg2", "")
    finally:
        execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")


def stall(cluster: localdb.Cluster, policies: dict[str, Any], seconds: float) -> Table:
    table = Table(
        "", "success", "total s", "after the reader s", "max client stall ms", "blocked client-s", "waiting client-s",
        title=f"ADD COLUMN meets a reader of {seconds:g} s; 8 clients",
    )  # fmt: skip
    for number, (name, policy) in enumerate(policies.items()):
        with (
            database(cluster, f"stall_{number}") as url,
            clients(url, Load(8, 0.005, 0)) as found,
            reader(url, seconds) as ended,
        ):
            time.sleep(0.3)
            begun = time.perf_counter()
            attempts = policy(url)
            done = time.perf_counter()
        after = f"{done - ended[0]:.2f}" if attempts else ""
        table.add_row(name, "yes" if attempts else "no", f"{done - begun:.1f}", after, *shown(found[0]))
    return table


def starvation(cluster: localdb.Cluster, policies: dict[str, Any], runs: int) -> Table:
    table = Table(
        "", "clients", "success", "seconds", "of these the revision", "max client stall ms",
        title="No long reader, busy clients",
    )  # fmt: skip
    numbers = itertools.count()
    loads = {"16, saturated": Load(16, 0, 0), "16, 20 ms": Load(16, 0, 0.02), "32, 20 ms": Load(32, 0, 0.02)}
    for name, policy in policies.items():
        for label, load in loads.items():
            took, recorded, stalls = [], [], []
            for _ in range(runs):
                with database(cluster, f"busy_{next(numbers)}") as url, clients(url, load) as found:
                    begun = time.perf_counter()
                    if policy(url):
                        took.append(f"{time.perf_counter() - begun:.2f}")
                if seconds := getattr(policy, "seconds", None):
                    recorded.append(f"{seconds:.2f}")
                stalls.append(f"{found[0].longest * 1000:.0f}")
            cells = [" ".join(each) for each in (took, recorded, stalls)]
            table.add_row(name, label, f"{len(took)} of {runs}", *cells)
    return table


def shown(measured: Measured) -> list[str]:
    return [f"{measured.longest * 1000:.0f}", f"{measured.blocked:.2f}", f"{measured.waiting:.2f}"]


def main() -> None:
    global GIVE_UP
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reader", type=float, default=12, help="seconds")
    parser.add_argument("--runs", type=int, default=3, help="of each starvation scenario")
    parser.add_argument("--only", choices=("stall", "starvation"))
    parser.add_argument("--no-peers", action="store_true", help="only tsext, and doing nothing")
    options = parser.parse_args()
    cluster = localdb.ensure(name="bench")
    folder = Path(tempfile.mkdtemp(prefix="tsext-bench-"))
    tsext = Command(folder / "tsext", TSEXT)
    amid = Command(folder / "amid", TSEXT, 'op.execute("CREATE TABLE other (id int)"); ')
    idle = {"nothing at all": lambda url: time.sleep(options.reader) or 1}
    peers = {} if options.no_peers else {"plain Alembic": Command(folder / "plain", PLAIN), **POLICIES}
    try:
        if options.only != "starvation":
            Console().print(stall(cluster, {**idle, **peers, "tsext": tsext, "tsext, amid": amid}, options.reader))
        if options.only != "stall":
            GIVE_UP = 15.0
            busy = {name: peers[name] for name in ("plain Alembic", "NOWAIT every 50 ms", "look first, 50 ms") if peers}
            idle = {"nothing at all": lambda url: time.sleep(1.5) or 1}
            Console().print(starvation(cluster, {**idle, **busy, "tsext": tsext}, options.runs))
    finally:
        cluster.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
