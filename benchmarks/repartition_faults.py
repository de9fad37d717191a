"""A hypertable that is repartitioned while everything fails: workers are killed, the server is stopped; others write.

``tsext backfill run`` is killed by SIGKILL at random moments, and the server stopped at once some times; then it may
end, and ``alembic upgrade`` swaps. A trigger of the table itself keeps a mirror of all that was written: in the end,
and after the way back, the table has to have the same rows.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psycopg2
from projects import TSEXT, project
from rich.console import Console

from tsext import localdb

DATABASE, WRITER = "faults", "writer"

TABLE = """
CREATE TABLE ticks (id bigserial, time timestamptz NOT NULL, symbol text NOT NULL, price float8, note text,
                    PRIMARY KEY (id, time));
SELECT create_hypertable('ticks', by_range('time', INTERVAL '7 days'), create_default_indexes => false);
CREATE INDEX ticks_time ON ticks (time DESC);
INSERT INTO ticks (time, symbol, price)
SELECT '2026-01-01'::timestamptz + g * {step} * INTERVAL '1 second', 'S' || g % 50, g
FROM generate_series(1, {rows}) AS g;
CREATE TABLE mirror AS SELECT * FROM ticks;
CREATE INDEX ON mirror (id);
CREATE FUNCTION reflect() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN DELETE FROM public.mirror WHERE id = OLD.id; END IF;
    IF TG_OP <> 'DELETE' THEN INSERT INTO public.mirror SELECT NEW.*; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER reflect AFTER INSERT OR UPDATE OR DELETE ON ticks FOR EACH ROW EXECUTE FUNCTION reflect()
"""

REVISION = """
from datetime import timedelta

from alembic import op

revision = "001_days"
down_revision = None


def upgrade():
    op.repartition_hypertable("ticks", chunk_time_interval=timedelta(days=1))


def downgrade():
    op.undo_repartition_hypertable("ticks")
"""

SUM = "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {} AS t"


class Faults:
    """The server, the project, and what goes wrong."""

    def __init__(self, version: str, rows: int) -> None:
        self.cluster = localdb.ensure(version, name="faults")
        self.folder = Path(tempfile.mkdtemp(prefix="tsext-faults-"))
        project(self.folder, TSEXT, {"001_days": REVISION})
        self.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", f"CREATE DATABASE {DATABASE}", at="postgres")
        made = TABLE.format(rows=rows, step=30 * 86400 / rows)
        self.execute("CREATE EXTENSION timescaledb", made, "VACUUM ANALYZE ticks", "VACUUM ANALYZE mirror")

    def connect(self, at: str = DATABASE, name: str = "") -> psycopg2.extensions.connection:
        """In autocommit mode."""
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.cluster.port, user="postgres", dbname=at, application_name=name
        )
        connection.autocommit = True
        return connection

    def execute(self, *statements: str, at: str = DATABASE) -> None:
        """Each by itself."""
        connection = self.connect(at)
        for statement in statements:
            connection.cursor().execute(statement)
        connection.close()

    def scalar(self, query: str) -> object:
        """The one value."""
        connection = self.connect()
        with connection.cursor() as cursor:
            cursor.execute(query)
            (value,) = cursor.fetchone()
        connection.close()
        return value

    def attempts(self) -> object:
        """How many times a task was taken up."""
        known = self.scalar("SELECT to_regclass('tsext.backfill_attempt') IS NOT NULL")
        return self.scalar("SELECT count(*) FROM tsext.backfill_attempt") if known else 0

    def command(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        """``alembic`` or ``tsext.cli``."""
        environment = {**os.environ, "TSEXT_DATABASE_URL": self.cluster.url_of(DATABASE)}
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, module: str, *arguments: str) -> str:
        """To its end."""
        with self.command(module, *arguments) as process:
            output, _ = process.communicate()
        if process.returncode:
            raise SystemExit(output)
        return output

    def stop_server(self) -> None:
        """As a crash does."""
        assert self.cluster.pid is not None
        os.kill(self.cluster.pid, signal.SIGQUIT)
        while self.cluster.pid is not None:
            time.sleep(0.05)
        self.cluster.start()


class Lookout(threading.Thread):
    """Looks for how long the writer has been waiting for a lock."""

    QUERY = (
        "SELECT extract(epoch FROM max(clock_timestamp() - waitstart)) "
        f"FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE application_name = '{WRITER}'"
    )

    def __init__(self, faults: Faults, stopped: threading.Event) -> None:
        super().__init__(daemon=True)
        self.faults = faults
        self.stopped = stopped
        self.longest = 0.0

    def run(self) -> None:
        """Look, and connect again."""
        while not self.stopped.is_set():
            try:
                with self.faults.connect().cursor() as cursor:
                    while not self.stopped.wait(0.005):
                        cursor.execute(self.QUERY)
                        self.longest = max(self.longest, float(cursor.fetchone()[0] or 0))
            except psycopg2.Error:
                time.sleep(0.05)


class Writer(threading.Thread):
    """Writes all along; what a stopped server has not committed is no matter, as the mirror does not have it either."""

    def __init__(self, faults: Faults) -> None:
        super().__init__(daemon=True)
        self.faults = faults
        self.stopped = threading.Event()
        self.longest = 0.0
        self.statements = 0
        self.lookout = Lookout(faults, self.stopped)

    def start(self) -> None:
        """Write, and look."""
        super().start()
        self.lookout.start()

    def run(self) -> None:
        """Write, and connect again."""
        numbers = random.Random(1)
        while not self.stopped.is_set():
            try:
                with self.faults.connect(name=WRITER).cursor() as cursor:
                    while not self.stopped.wait(0.02):
                        begun = time.perf_counter()
                        cursor.execute(self._statement(numbers, self.statements))
                        self.longest = max(self.longest, time.perf_counter() - begun)
                        self.statements += 1
            except psycopg2.Error:
                time.sleep(0.05)

    @staticmethod
    def _statement(numbers: random.Random, number: int) -> str:
        at = f"'2026-01-01'::timestamptz + {numbers.random() * 30 * 86400} * INTERVAL '1 second'"
        near = f"time BETWEEN {at} AND {at} + INTERVAL '10 seconds'"
        return numbers.choice(
            [
                f"INSERT INTO ticks (time, symbol) VALUES ({at}, 'late')",
                f"INSERT INTO ticks (time, symbol, note) SELECT '2026-02-01'::timestamptz + {number} * INTERVAL '1 s' "
                "+ g * INTERVAL '1 ms', 'new', repeat(md5(g::text), 200) FROM generate_series(1, 20) AS g",
                f"UPDATE ticks SET price = price + 1 WHERE {near}",
                f"UPDATE ticks SET time = time + INTERVAL '1 ms' WHERE {near} AND symbol = 'S1'",
                f"DELETE FROM ticks WHERE {near} AND symbol = 'S2'",
            ]
        )


def main() -> None:
    """Run, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stops", type=int, default=5)
    parser.add_argument("--version", default="2.19")
    given = parser.parse_args()
    faults, numbers, console = Faults(given.version, given.rows), random.Random(2), Console()
    writer = Writer(faults)
    writer.start()
    stops = set(numbers.sample(range(given.kills), min(given.stops, given.kills)))
    try:
        for number in range(given.kills):
            before = faults.attempts()
            with faults.command("tsext.cli", "backfill", "run", "001_days") as process:
                while faults.attempts() == before and process.poll() is None:
                    time.sleep(0.05)
                time.sleep(numbers.random() * 3)
                if number in stops:
                    faults.stop_server()
                process.kill()
        faults.run("tsext.cli", "backfill", "run", "001_days")
        attempts = "SELECT count(*) FILTER (WHERE ended_at IS NULL) || ' of ' || count(*) FROM tsext.backfill_attempt"
        console.print(f"tasks that were interrupted: {faults.scalar(attempts)} attempts")
        for direction in (("upgrade", "head"), ("downgrade", "base")):
            faults.run("alembic", *direction)
            writer.stopped.set()
            writer.join()
            table, mirror = faults.scalar(SUM.format("ticks")), faults.scalar(SUM.format("mirror"))
            same = "the same rows" if table == mirror else "OTHER ROWS"
            console.print(f"{direction[0]}: {same}: {table} and {mirror}")
            console.print(f"{writer.statements} statements, the longest {writer.longest:.3f} s, the longest wait for a "
                          f"lock {writer.lookout.longest:.3f} s")  # fmt: skip
            if table != mirror:
                raise SystemExit(1)
            writer = Writer(faults)
            writer.start()
    finally:
        writer.stopped.set()
        faults.cluster.stop()
        shutil.rmtree(faults.folder)


if __name__ == "__main__":
    main()
