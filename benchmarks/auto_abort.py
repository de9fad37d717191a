"""The watchdog: how soon others may go on once it has seen enough, and whether it stops what harms nobody.

Two measurements on the local development server. In the first, a session holds a table locked while clients want to
read it; told is how long after the limit was crossed (they have waited longer than ``watchdog_wait_of_many``) the last
of them went on. In the second, clients work as pgbench does, on small transactions that wait for each other, while a
session holds locks that nobody minds; told is how often it was cancelled, which should be never.
"""

from __future__ import annotations

import argparse
import random
import statistics
import threading
import time

import sqlalchemy as sa
from databases import database
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import DBAPIError

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


def false_aborts(engine: sa.Engine, clients: int, seconds: float) -> tuple[int, int]:
    """How often a harmless session was cancelled, and how many transactions ran meanwhile."""
    stopped, done = threading.Event(), [0] * clients

    def work(number: int) -> None:
        with engine.connect() as connection:
            while not stopped.is_set():
                row = random.randrange(1, 20)
                connection.exec_driver_sql(f"UPDATE t SET n = n + 1 WHERE id = {row}")
                connection.exec_driver_sql("SELECT count(*) FROM t").all()
                connection.commit()
                done[number] += 1

    with engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with Watchdog(engine, SETTINGS, pid) as watchdog:
            watchdog.begin()
            threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
            for each in threads:
                each.start()
            until = time.monotonic() + seconds
            try:
                while time.monotonic() < until:
                    connection.exec_driver_sql("LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE")
                    connection.exec_driver_sql("SELECT pg_sleep(0.5)")
                    connection.commit()
            finally:
                stopped.set()
                for each in threads:
                    each.join()
            return watchdog.cancellations, sum(done)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--version", default="2.19")
    asked = parser.parse_args()
    with database(localdb.ensure(asked.version).url) as engine:
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE t AS SELECT g AS id, 0 AS n FROM generate_series(1, 100) AS g")
        after = [abort(engine, asked.clients) * 1000 for _ in range(asked.rounds)]
        cancelled, transactions = false_aborts(engine, asked.clients, asked.minutes * 60)
    table = Table("what", "median", "worst")
    table.add_row("ms from the limit until all went on", f"{statistics.median(after):.0f}", f"{max(after):.0f}")
    table.add_row(f"false aborts in {asked.minutes:g} min, {transactions} transactions", str(cancelled), "")
    Console().print(table)


if __name__ == "__main__":
    main()
