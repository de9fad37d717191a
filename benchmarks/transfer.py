"""How fast, and how safely, a table is copied from one server to another: ``tsext load --from-database``.

From TimescaleDB 2.19 to 2.31, beside one binary COPY pipe of the whole table. With ``--kills``, the command is killed
at random moments while a writer changes rows there, and started again; then the writer stops, and ``--catch-up`` has to
make both tables the same.

    python benchmarks/transfer.py --rows 3000000 --kills 5
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress

import sqlalchemy as sa
from databases import database

from tsext import localdb
from tsext.backfill.repartition.copying import pipe
from tsext.sql.sending import send

TABLE = "CREATE TABLE ticks (time timestamptz NOT NULL, symbol text NOT NULL, price float8, volume int, n bigint)"
HYPERTABLE = "SELECT create_hypertable('ticks', by_range('time', INTERVAL '1 day'), create_default_indexes => false)"
DAYS = 30
SUM = "SELECT count(*), sum(hash_record_extended(t, 0)::numeric)::text FROM ticks AS t"


def execute(engine: sa.Engine, *statements: str) -> None:
    """Each in a transaction of its own."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            send(connection, statement)


def fill(source: sa.Engine, rows: int) -> None:
    """Rows in the order of time."""
    step = DAYS * 86400 / rows
    query = (
        f"INSERT INTO ticks SELECT '2026-01-01 00:00+00'::timestamptz + g * {step} * INTERVAL '1 second', "
        f"'SYM' || g % 50, 100 + (g % 1000) / 10.0, g % 997, g FROM generate_series(0, {rows - 1}) AS g"
    )
    execute(source, "CREATE EXTENSION timescaledb", TABLE, HYPERTABLE, query, "CREATE INDEX ON ticks (n)", "ANALYZE")


def empty(target: sa.Engine) -> None:
    """The hypertable, without a ledger."""
    execute(target, "DROP SCHEMA IF EXISTS tsext CASCADE", "DROP TABLE IF EXISTS ticks, migration_history")
    execute(target, "CREATE EXTENSION IF NOT EXISTS timescaledb", TABLE, HYPERTABLE, "CHECKPOINT")


def tsext(source: sa.Engine, target: sa.Engine, *options: str, patience: float | None = None) -> bool:
    """The command, in a process of its own; whether it came to its end."""
    url = source.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tsext.cli", "load", "ticks", f"--from-database={url}", "--workers=2", *options]
    environment = {**os.environ, "TSEXT_DATABASE_URL": target.url.render_as_string(hide_password=False)}
    with tempfile.TemporaryDirectory() as folder, suppress(subprocess.TimeoutExpired):
        subprocess.run(command, cwd=folder, env=environment, check=True, timeout=patience)
        return True
    return False


def one_pipe(source: sa.Engine, target: sa.Engine) -> None:
    """The whole table at once, by one connection on either side."""
    with source.connect() as there, target.connect() as here:
        pipe(there.connection.dbapi_connection, "COPY (SELECT * FROM ticks) TO STDOUT (FORMAT binary)", here,
             "COPY ticks FROM STDIN (FORMAT binary)")  # fmt: skip
        here.commit()


def write(source: sa.Engine, rows: int, stop: threading.Event) -> None:
    """Change, delete and insert rows, until it is over."""
    while not stop.is_set():
        at = random.randrange(rows)
        execute(
            source,
            f"UPDATE ticks SET price = -price WHERE n = {at}",
            f"DELETE FROM ticks WHERE n = {random.randrange(rows)}",
            f"INSERT INTO ticks VALUES ('2026-01-15 00:00+00'::timestamptz + {at} * INTERVAL '1 second', 'new', 1, 1)",
        )
        stop.wait(0.2)


def killed(source: sa.Engine, target: sa.Engine, rows: int, times: int) -> str:
    """Kill it at random moments beside a writer; what came of it."""
    stop = threading.Event()
    writer = threading.Thread(target=write, args=(source, rows, stop))
    writer.start()
    try:
        kills = sum(not tsext(source, target, patience=random.uniform(2, 6)) for _ in range(times))
        with suppress(subprocess.CalledProcessError):  # a range may change each time it is compared
            tsext(source, target)
    finally:
        stop.set()
        writer.join()
    tsext(source, target, "--catch-up")
    sums = []
    for engine in (source, target):
        with engine.connect() as connection:
            sums.append(tuple(connection.exec_driver_sql(SUM).one()))
    with target.connect() as connection:
        query = "SELECT count(*), count(DISTINCT task) FROM tsext.backfill_attempt"
        attempts, tasks = connection.exec_driver_sql(query).one()
    same = "the same" if sums[0] == sums[1] else "NOT THE SAME"
    return f"killed {kills} times: {sums[0][0]} rows there, {same} here; {tasks} tasks, {attempts} attempts"


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--kills", type=int, default=0)
    given = parser.parse_args()
    servers = [localdb.ensure(version, name="bench") for version in ("2.19", "2.31")]
    try:
        with database(servers[0].url_of("postgres")) as source, database(servers[1].url_of("postgres")) as target:
            fill(source, given.rows)
            for name, way in {"one pipe": one_pipe, "tsext load, 2 workers, compared": tsext}.items():
                empty(target)
                begun = time.perf_counter()
                way(source, target)
                seconds = time.perf_counter() - begun
                print(f"{name}: {seconds:.1f} s, {given.rows / seconds:,.0f} rows/s", flush=True)
            if given.kills:
                empty(target)
                print(killed(source, target, given.rows, given.kills))
    finally:
        for server in servers:
            server.stop()


if __name__ == "__main__":
    main()
