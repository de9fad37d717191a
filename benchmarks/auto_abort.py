"""The watchdog: how soon others may go on once it has seen enough, and whether it stops what harms nobody.

Two measurements on the local development server. In the first, a session holds a table locked while clients want to
read it; told is how long after the limit was crossed (they have waited longer than ``watchdog_wait_of_many``) the last
of them went on. In the second, pgbench works (TPC-B at scale 1, so that its clients wait for each other all the time)
while a session holds locks that nobody minds, and for a moment one that all of them wait for, as a migration does;
told is how often it was cancelled, which should be never.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import threading
import time
from contextlib import suppress

import sqlalchemy as sa
from databases import database
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import DBAPIError, OperationalError

from tsext import localdb
from tsext.locks.watchdog import Watchdog
from tsext.settings import Settings

SETTINGS = Settings()
LIMIT = SETTINGS.watchdog_wait_of_many.total_seconds()


def abort(engine: sa.Engine, clients: int) -> float:
    """Seconds from the limit being crossed until every client has gone on."""
    longest: list[float] = []

    def read() -> None:
        with engine.connect() as connection:
            begun = time.perf_counter()
            connection.exec_driver_sql("SELECT count(*) FROM t").all()
            longest.append(time.perf_counter() - begun)

    with engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        connection.exec_driver_sql("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with Watchdog(engine, SETTINGS, pid) as watchdog:
            watchdog.begin()
            time.sleep(0.5)
            threads = [threading.Thread(target=read) for _ in range(clients)]
            for each in threads:
                each.start()
            try:
                connection.exec_driver_sql("SELECT pg_sleep(30)")
            except DBAPIError:
                connection.rollback()
            for each in threads:
                each.join()
    return max(longest) - LIMIT


def hold(connection: sa.Connection, what: str, seconds: float) -> None:
    """Hold a lock for a while, if it is to be had soon."""
    connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
    with suppress(OperationalError):
        connection.exec_driver_sql(f"LOCK TABLE {what} MODE")
        connection.exec_driver_sql(f"SELECT pg_sleep({seconds})")
    connection.rollback()


def false_aborts(cluster: localdb.Cluster, engine: sa.Engine, clients: int, seconds: float) -> tuple[int, int]:
    """How often a harmless session was cancelled, and how many transactions pgbench did meanwhile."""
    place = ["-h", "127.0.0.1", "-p", str(cluster.port), "-U", "postgres", str(engine.url.database)]
    pgbench = str(cluster.bindir / "pgbench")
    subprocess.run([pgbench, "--initialize", "--quiet", *place], check=True, capture_output=True)
    command = [pgbench, "--no-vacuum", f"--client={clients}", f"--time={max(1, round(seconds))}", *place]
    with engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with Watchdog(engine, SETTINGS, pid) as watchdog, subprocess.Popen(command, stdout=subprocess.PIPE) as bench:
            watchdog.begin()
            while bench.poll() is None:
                hold(connection, "pgbench_accounts, pgbench_branches IN SHARE UPDATE EXCLUSIVE", 0.5)
                hold(connection, "pgbench_history IN ACCESS EXCLUSIVE", 0.03)
            assert bench.stdout is not None
            done = re.search(rb"actually processed: (\d+)", bench.stdout.read())
    assert done is not None
    return watchdog.cancellations, int(done[1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--version", default="2.19")
    asked = parser.parse_args()
    with localdb.shared(asked.version, name="bench") as cluster, database(cluster.url) as engine:
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE t AS SELECT g AS id, 0 AS n FROM generate_series(1, 100) AS g")
        after = [abort(engine, asked.clients) * 1000 for _ in range(asked.rounds)]
        cancelled, transactions = false_aborts(cluster, engine, asked.clients, asked.minutes * 60)
    table = Table("what", "median", "worst")
    table.add_row("ms from the limit until all went on", f"{statistics.median(after):.0f}", f"{max(after):.0f}")
    table.add_row(f"false aborts in {asked.minutes:g} min, {transactions} transactions", str(cancelled), "")
    Console().print(table)


if __name__ == "__main__":
    main()
