"""The demo: a real TimescaleDB, the trading schema, seeds, real market data, one step back and forth.

Run by ``make demo``. May be run again; it leaves the local server running.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import files
from pathlib import Path

import psycopg2
from psycopg2.extras import execute_values
from rich.console import Console
from rich.table import Table

from tsext import localdb

ROOT = Path(__file__).parent.parent
SERIES = {"EURUSD": "1h", "GOOG": "1d", "BTCUSD": "1mo"}
"""Symbol and timeframe of the series in the package ``backtesting``."""

console = Console()


def main() -> None:
    os.environ.pop("TSEXT_DATABASE_URL", None)  # the demo is for the local server, never for another
    os.environ["COLUMNS"] = "140"
    say("a local server")
    server = localdb.ensure()
    version = localdb.timescaledb_version(server.bindir)
    console.print(f"TimescaleDB {version} is running: {server.url}")
    say("the schema and its seeds: alembic upgrade head")
    run("alembic", "upgrade", "head")
    say("real market data")
    with psycopg2.connect(server.url.replace("+psycopg2", "")) as connection:
        load(connection)
        show_chunks(connection)
    say("the history: tsext status")
    run("tsext.cli", "status")
    say("one revision back, and forth again")
    run("tsext.cli", "rollback", "--target=2")
    run("tsext.cli", "migrate", "--target=latest")
    run("tsext.cli", "validate")
    console.print(f"\nThe server keeps running. Its URL: [bold]{server.url}[/]  (stop it: tsext localdb stop)")


def say(what: str) -> None:
    console.rule(what, align="left")


def run(module: str, *arguments: str) -> None:
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=True)


def load(connection: psycopg2.extensions.connection) -> None:
    """Load the candles; those that are there already stay."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT symbol, id FROM instruments")
        ids = dict(cursor.fetchall())
        for symbol, timeframe in SERIES.items():
            rows = [(ids[symbol], timeframe, *candle) for candle in candles(symbol)]
            execute_values(
                cursor,
                "INSERT INTO market_data (instrument_id, timeframe, time, open, high, low, close, volume) VALUES %s "
                "ON CONFLICT DO NOTHING",
                rows,
                page_size=1000,
            )
            console.print(f"{symbol}: {len(rows)} candles of {timeframe}")
    connection.commit()


def candles(symbol: str) -> Iterator[tuple[datetime, str, str, str, str, str]]:
    """Time and open, high, low, close, volume as the CSV file has them."""
    found = [path for path in files("backtesting") or [] if path.name == f"{symbol}.csv"]
    with Path(str(found[0].locate())).open(newline="") as file:
        reader = csv.reader(file)
        next(reader)
        for time, *prices in reader:
            yield datetime.fromisoformat(time).replace(tzinfo=UTC), *prices  # type: ignore[misc]


def show_chunks(connection: psycopg2.extensions.connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT hypertable_name, num_chunks FROM timescaledb_information.hypertables ORDER BY 1")
        hypertables = cursor.fetchall()
        table = Table("hypertable", "chunks", "rows")
        for name, chunks in hypertables:
            cursor.execute(f'SELECT count(*) FROM "{name}"')
            table.add_row(name, str(chunks), str(cursor.fetchone()[0]))  # type: ignore[index]
    console.print(table)


if __name__ == "__main__":
    main()
