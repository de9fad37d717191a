"""A fleet of databases, upgraded one at a time and several at a time, and looked at once more when all are at head.

Side by side in one run, rounds interleaved, on databases made for it. Run by ``make bench``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg2
from projects import TSEXT, line, project
from rich.console import Console
from rich.table import Table

from tsext import localdb

REVISION = """from alembic import op

revision = "{revision}"
down_revision = {down!r}


def upgrade():
    op.execute("CREATE TABLE t{n} (id bigint PRIMARY KEY, a text)")
    op.execute("CREATE INDEX ON t{n} (a)")


def downgrade():
    op.execute("DROP TABLE t{n}")
"""


def databases(port: int, names: list[str]) -> None:
    """Make them anew, empty."""
    with_admin = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
    with_admin.autocommit = True
    with with_admin.cursor() as cursor:
        for name in names:
            cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            cursor.execute(f"CREATE DATABASE {name}")
    with_admin.close()


def run(folder: Path, *arguments: str) -> float:
    """Seconds that ``tsext fleet`` takes with these arguments."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "tsext.cli", "fleet", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env={**os.environ, "TSEXT_ENV": "development"})
    return time.perf_counter() - began


def main() -> None:
    """Print seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", type=int, default=50)
    parser.add_argument("--revisions", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 4])
    options = parser.parse_args()
    names = [f"fleet_bench_{n}" for n in range(options.databases)]
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="tsext-bench-") as path, localdb.shared("2.19", name="fleet") as cluster:
        folder = Path(path)
        project(folder, TSEXT, line(REVISION, options.revisions))
        listed = ", ".join(f'"{name}"' for name in names)
        group = f'[[group]]\ntemplate = "postgresql://postgres@127.0.0.1:{cluster.port}/{{name}}"\nnames = [{listed}]\n'
        (folder / "targets.toml").write_text(group)
        for _ in range(options.rounds):
            for concurrency in options.concurrency:
                databases(cluster.port, names)
                took = run(folder, "upgrade", "--concurrency", str(concurrency))
                seconds.setdefault(f"upgrade, {concurrency} at once", []).append(took)
            seconds.setdefault("upgrade again, nothing to do", []).append(run(folder, "upgrade"))
            seconds.setdefault("status", []).append(run(folder, "status"))
    table = Table(
        "", "s", "ratio", "ms a database", title=f"{len(names)} databases, {options.revisions} revisions each"
    )
    first = statistics.median(next(iter(seconds.values())))
    for name, times in seconds.items():
        median = statistics.median(times)
        table.add_row(name, f"{median:.2f}", f"{median / first:.3f}", f"{1000 * median / len(names):.0f}")
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    main()
