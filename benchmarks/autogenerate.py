"""``alembic check`` on 200 tables and 20 hypertables: plain Alembic without hypertables, and tsext with many chunks.

Each table has 10 columns and 3 indexes. Plain Alembic sees the same 220 tables as plain ones, then the hypertables, of
which it would drop the default indexes. Rounds interleaved; medians, also of each round's ratio. Run by ``make bench``.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
from projects import ALEMBIC, OURSELVES, programs
from rich.console import Console
from rich.table import Table

from tsext import localdb

MODELS = """
from datetime import timedelta

import sqlalchemy as sa

if HYPERTABLES:
    from tsext import Hypertable

metadata = sa.MetaData()


def columns():
    return [sa.Column(f"c{n}", kind) for n, kind in enumerate([sa.Integer, sa.Text, sa.Float, sa.DateTime] * 2)]


for n in range(200):
    sa.Table(
        f"t{n:03d}",
        metadata,
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *columns(),
        *[sa.Index(f"ix_t{n:03d}_{column}", column) for column in ("at", "c0", "c1")],
    )
for n in range(20):
    sa.Table(
        f"h{n:02d}",
        metadata,
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *columns(),
        *[sa.Index(f"ix_h{n:02d}_{column}", column) for column in ("at", "c0", "c1")],
        *([Hypertable("at", timedelta(days=1))] if HYPERTABLES else []),
    )
"""

PLAIN = """
import os
from alembic import context
from models import metadata
from sqlalchemy import create_engine, pool

url = os.environ["TSEXT_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://")
with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
"""

TSEXT = """
from alembic import context
from models import metadata
from tsext import environment

environment.run(context, metadata, include_schemas={schemas})
"""

CHUNKS = """
INSERT INTO h{n:02d} (id, at)
SELECT n, timestamptz '2000-01-01 12:00+00' + n * interval '1 day' FROM generate_series(1, {count}) AS n
"""


@dataclass
class Candidate:
    """One way of checking, on one database."""

    name: str
    python: Path
    folder: Path
    url: str
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Seconds of the client, which tell more on a busy machine."""
    megabytes: float = 0.0
    proposals: int = 0

    def check(self) -> None:
        """Run ``alembic check`` once, as a user does."""
        environment = {**os.environ, "TSEXT_DATABASE_URL": self.url}
        command = [self.python, "-m", "alembic", "check"]
        started = time.perf_counter()
        with subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds.append(time.perf_counter() - started)
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        self.megabytes = usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
        self.proposals = len(re.findall(r"\('[a-z]+_", output)) if process.returncode else 0


def project(root: Path, name: str, env: str, hypertables: bool) -> Path:
    """An Alembic project with the models, and a revision that does nothing."""
    folder = root / name
    (folder / "alembic" / "versions").mkdir(parents=True)
    (folder / "alembic" / "env.py").write_text(env)
    (folder / "alembic" / "models.py").write_text(MODELS.replace("HYPERTABLES", str(hypertables)))
    ini = "[alembic]\nscript_location = %(here)s/alembic\nprepend_sys_path = alembic\npath_separator = os\n"
    (folder / "alembic.ini").write_text(ini)
    return folder


def database(port: int, name: str, hypertables: bool, chunks: int) -> str:
    """A database that equals the models, with so many chunks in all."""
    admin = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {name}")
    admin.close()
    connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname=name)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in _statements(hypertables, chunks // 20):
            cursor.execute(statement)
        cursor.execute("ANALYZE")
    connection.close()
    return f"postgresql://postgres@127.0.0.1:{port}/{name}"


def _statements(hypertables: bool, chunks: int) -> Iterator[str]:
    kinds = ["int", "text", "float", "timestamp"] * 2
    columns = "at timestamptz NOT NULL, " + ", ".join(f"c{n} {kind}" for n, kind in enumerate(kinds))
    names = [f"t{n:03d}" for n in range(200)] + [f"h{n:02d}" for n in range(20)]
    for name in names:
        key = "PRIMARY KEY" if name.startswith("t") else "NOT NULL"
        yield f"CREATE TABLE {name} (id bigserial {key}, {columns})".replace("bigserial", "bigint")
        for column in ("at", "c0", "c1"):
            yield f"CREATE INDEX ix_{name}_{column} ON {name} ({column})"
    if hypertables:
        yield "CREATE EXTENSION timescaledb"
        for n in range(20):
            yield f"SELECT create_hypertable('h{n:02d}', by_range('at', INTERVAL '1 day'))"
            yield f"CREATE INDEX h{n:02d}_at_idx ON h{n:02d} (at DESC)"
            if chunks:
                yield CHUNKS.format(n=n, count=chunks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, nargs="*", default=[0, 500, 5000, 10000], help="in all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="use the databases of an earlier run, and leave them")
    options = parser.parse_args()
    port = localdb.ensure(name="bench", fsync=False).port
    with tempfile.TemporaryDirectory(prefix="tsext-bench-") as folder:
        candidates = list(_candidates(Path(folder), port, options))
        for number in range(options.rounds + 1):
            for candidate in candidates:
                candidate.check()
                if number == 0:
                    candidate.seconds.clear()  # the first round warms the caches up
                    candidate.cpu.clear()
    _print(candidates)
    sys.exit(any(each.proposals for each in candidates if each.name.startswith("tsext")))


def _candidates(root: Path, port: int, options: argparse.Namespace) -> Iterator[Candidate]:
    def made(name: str, *how: object) -> str:
        return f"postgresql://postgres@127.0.0.1:{port}/{name}" if options.keep else database(port, name, *how)

    python = programs(root / "venv-plain", *ALEMBIC) / "python"
    ours = programs(root / "venv-tsext", *ALEMBIC, OURSELVES) / "python"
    folder = project(root, "plain", PLAIN, False)
    yield Candidate("plain Alembic, no hypertables", python, folder, made("plain", False, 0))
    for chunks in options.chunks:
        url = made(f"chunks_{chunks}", True, chunks)
        yield Candidate(f"plain Alembic, {chunks} chunks", python, folder, url)
        for schemas in (False, True):
            folder_of = project(root, f"tsext_{chunks}_{schemas}", TSEXT.format(schemas=schemas), True)
            mode = ", include_schemas" if schemas else ""
            yield Candidate(f"tsext, {chunks} chunks{mode}", ours, folder_of, url)


def _print(candidates: list[Candidate]) -> None:
    table = Table("alembic check", "seconds", "ratio", "CPU seconds", "MB", "wrong proposals")
    for each in candidates:
        median = statistics.median(each.seconds)
        ratio = statistics.median(a / b for a, b in zip(each.seconds, candidates[0].seconds, strict=True))
        cpu = f"{statistics.median(each.cpu):.2f}"
        cells = [each.name, f"{median:.2f}", f"{ratio:.2f}", cpu, f"{each.megabytes:.0f}", str(each.proposals)]
        table.add_row(*cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
