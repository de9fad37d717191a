"""300 trivial revisions (one table, one index each): plain Alembic, tsext, and those peers that can be installed.

Side by side in one run, rounds interleaved, medians, printed as ratios to plain Alembic. Run by ``make bench``.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2
from projects import ALEMBIC, OURSELVES, TSEXT, line, programs, project
from rich.console import Console
from rich.table import Table

from tsext import localdb

REVISION = """from alembic import op
import sqlalchemy as sa

revision = "{revision}"
down_revision = {down!r}


def upgrade():
    op.create_table("t{n}", sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.Text))
    op.create_index("i{n}", "t{n}", ["a"])


def downgrade():
    op.drop_table("t{n}")
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

STATEMENTS = "CREATE TABLE t{n} (id serial PRIMARY KEY, a text);\nCREATE INDEX i{n} ON t{n} (a);\n"

ROOT = Path(tempfile.mkdtemp(prefix="tsext-bench-"))

Command = Callable[[str], list[str]]
"""What to run, given the URL of an empty database."""


def alembic(name: str, env: str, revisions: int, *packages: str) -> Command:
    """Alembic, with these packages beside it."""
    program, folder = programs(ROOT / f"venv-{name}", *ALEMBIC, *packages) / "python", ROOT / name
    project(folder, env, line(REVISION, revisions))
    return lambda url: [str(program), "-m", "alembic", "-q", "-c", str(folder / "alembic.ini"), "upgrade", "head"]


# --- peers


def yoyo(revisions: int) -> Command:
    """yoyo-migrations, from PyPI."""
    folder = sql_files("yoyo", revisions, lambda n: (f"{n:04d}.t.sql", STATEMENTS.format(n=n)))
    program = programs(ROOT / "venv-yoyo", "yoyo-migrations", "psycopg2-binary", "setuptools") / "yoyo"
    return lambda url: [str(program), "apply", "-b", "--no-config-file", "-d", url, str(folder)]


def sqlpush(revisions: int) -> Command:
    """sqlpush, from PyPI; it needs greenlet, which it does not ask for."""
    header = "-- sqlpush: revision={n:04d} risk=SAFE\n-- parent=\n"
    folder = sql_files("sqlpush", revisions, lambda n: (f"{n:04d}_t.sql", (header + STATEMENTS).format(n=n)))
    program = programs(ROOT / "venv-sqlpush", "sqlpush", "greenlet", "psycopg[binary]") / "sqlpush"
    return lambda url: [
        str(program), "migrate", "--dsn", url.replace("://", "+psycopg://"), "--dir", str(folder)
    ]  # fmt: skip


def dbmate(revisions: int) -> Command:
    """dbmate, from npm."""
    text = "-- migrate:up\n" + STATEMENTS + "\n-- migrate:down\nDROP TABLE t{n};\n"
    folder = sql_files("dbmate", revisions, lambda n: (f"{n:04d}_t.sql", text.format(n=n)))
    npm = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(ROOT / "npm"), "dbmate"]
    subprocess.run(npm, check=True, capture_output=True)
    (program,) = (ROOT / "npm" / "node_modules" / "@dbmate").glob("*/bin/dbmate")
    arguments = ["--no-dump-schema", "-d", str(folder)]
    return lambda url: [str(program), "-u", f"{url}?sslmode=disable", *arguments, "migrate"]


def sqitch(revisions: int) -> Command:
    """sqitch, if it is installed."""
    if (program := shutil.which("sqitch")) is None:
        raise FileNotFoundError("sqitch")
    folder = sql_files(
        "sqitch", revisions, lambda n: (f"deploy/t{n}.sql", f"BEGIN;\n{STATEMENTS.format(n=n)}COMMIT;\n")
    )
    plan = [f"t{n} 2026-01-01T00:00:00Z bench <bench@example.org> # t{n}\n" for n in range(1, revisions + 1)]
    (folder / "sqitch.plan").write_text("%syntax-version=1.0.0\n%project=bench\n\n" + "".join(plan))
    (folder / "sqitch.conf").write_text("[core]\n\tengine = pg\n[user]\n\tname = bench\n\temail = bench@example.org\n")
    return lambda url: [program, "-C", str(folder), "deploy", "--no-verify", url.replace("postgresql://", "db:pg://")]


def sql_files(name: str, revisions: int, file: Callable[[int], tuple[str, str]]) -> Path:
    """A folder with one SQL file for each revision."""
    folder = ROOT / name
    for n in range(1, revisions + 1):
        path, text = file(n)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--revisions", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-peers", action="store_true", help="only Alembic, without and with tsext")
    options = parser.parse_args()
    cluster = localdb.ensure(name="bench")
    candidates = {
        "plain Alembic": alembic("plain", PLAIN, options.revisions),
        "tsext": alembic("tsext", TSEXT, options.revisions, OURSELVES),
    }
    for peer in () if options.no_peers else (dbmate, sqlpush, yoyo, sqitch):
        try:
            candidates[peer.__name__] = peer(options.revisions)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"without {peer.__name__}, which cannot be installed here: {error}", file=sys.stderr)
    full: dict[str, list[float]] = {name: [] for name in candidates}
    idle: dict[str, list[float]] = {name: [] for name in candidates}
    numbers = itertools.count()
    try:
        for _ in range(options.rounds + 1):
            for name, command in candidates.items():
                with database(cluster, f"bench_{next(numbers)}") as url:
                    full[name].append(measure(command(url), url))
                    idle[name].append(measure(command(url), url))
    finally:
        cluster.stop()
        shutil.rmtree(ROOT)
    report(full, idle, options.revisions)


class database:  # noqa: N801
    """A new database, dropped afterwards."""

    def __init__(self, cluster: localdb.Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name

    def execute(self, statement: str) -> None:
        connection = psycopg2.connect(host="127.0.0.1", port=self.cluster.port, user="postgres", dbname="postgres")
        connection.autocommit = True
        connection.cursor().execute(statement)
        connection.close()

    def __enter__(self) -> str:
        self.execute(f"CREATE DATABASE {self.name}")
        return self.cluster.url_of(self.name).replace("+psycopg2", "")

    def __exit__(self, *_: object) -> None:
        self.execute(f"DROP DATABASE {self.name} WITH (FORCE)")


def measure(command: list[str], url: str) -> float:
    """Seconds of one run."""
    environment = {**os.environ, "URL": url, "TSEXT_DATABASE_URL": url}
    begun = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begun


def report(full: dict[str, list[float]], idle: dict[str, list[float]], revisions: int) -> None:
    """Medians without the first round, which warms caches; the ratio is the median over rounds."""
    table = Table("", f"{revisions} revisions, s", "ratio", "nothing to do, s", "more than plain, s")
    for name in full:
        ratio = statistics.median(a / b for a, b in zip(full[name][1:], full["plain Alembic"][1:], strict=True))
        more = statistics.median(a - b for a, b in zip(idle[name][1:], idle["plain Alembic"][1:], strict=True))
        seconds, nothing = statistics.median(full[name][1:]), statistics.median(idle[name][1:])
        table.add_row(name, f"{seconds:.2f}", f"{ratio:.2f}", f"{nothing:.2f}", f"{more:+.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
