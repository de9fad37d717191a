"""300 trivial revisions (one table, one index each): plain Alembic and tsext, and those peers that are installed.

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
import venv
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import psycopg2
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

TSEXT = """
from alembic import context
from tsext import environment

environment.run(context, None)
"""

ROOT = Path(tempfile.mkdtemp(prefix="tsext-bench-"))


def project(name: str, env: str, revisions: int) -> Path:
    """An Alembic project of so many revisions."""
    folder = ROOT / name
    (folder / "alembic" / "versions").mkdir(parents=True)
    (folder / "alembic" / "env.py").write_text(env)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\n")
    down = None
    for n in range(1, revisions + 1):
        revision = f"{n:03d}_t{n}"
        text = REVISION.format(revision=revision, down=down, n=n)
        (folder / "alembic" / "versions" / f"{revision}.py").write_text(text)
        down = revision
    return folder


def plain_python() -> str:
    """An interpreter with Alembic and without tsext, whose plugin would be loaded otherwise."""
    venv.create(ROOT / "venv", with_pip=True)
    python = ROOT / "venv" / "bin" / "python"
    same = [f"{name}=={version(name)}" for name in ("alembic", "sqlalchemy", "psycopg2-binary")]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *same], check=True)
    return str(python)


def alembic(folder: Path, python: str = sys.executable) -> Callable[[str], list[str]]:
    return lambda url: [python, "-m", "alembic", "-q", "-c", str(folder / "alembic.ini"), "upgrade", "head"]


def yoyo(revisions: int) -> Callable[[str], list[str]]:
    folder = ROOT / "yoyo"
    folder.mkdir()
    for n in range(1, revisions + 1):
        text = f"CREATE TABLE t{n} (id serial PRIMARY KEY, a text);\nCREATE INDEX i{n} ON t{n} (a);\n"
        (folder / f"{n:04d}.t.sql").write_text(text)
    program = shutil.which("yoyo", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return lambda url: [str(program), "apply", "-b", "--no-config-file", "-d", url, str(folder)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--revisions", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cluster = localdb.ensure(name="bench")
    candidates = {
        "plain Alembic": alembic(project("plain", PLAIN, options.revisions), plain_python()),
        "tsext": alembic(project("tsext", TSEXT, options.revisions)),
    }
    if shutil.which("yoyo", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"):
        candidates["yoyo"] = yoyo(options.revisions)
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
